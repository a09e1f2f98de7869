"""Whether a port takes mutual TLS: PeerAuthentication of the workload, its namespace, or the mesh."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh.hosts.services import Endpoint, Service
from labkit.mesh.memo import Memo
from labkit.mesh.model import Proxy, Snapshot

RESOURCE = "peerauthentications.security.istio.io"


def mode(snapshot: Snapshot, proxy: Proxy, port: int) -> str:
    """STRICT, PERMISSIVE or DISABLE for one port of a pod."""
    return mode_of(snapshot.of(RESOURCE), snapshot.root_namespace, proxy.namespace, dict(proxy.labels), port)


def mode_of(policies: Sequence[Object], root: str, namespace: str, labels: Mapping[str, str], port: int) -> str:
    """The mode of a port of a workload: its own policy, its namespace's, the mesh's."""
    own = [p for p in policies if resources.namespace_of(p) == namespace]
    workload = [p for p in own if _labels(p) and _labels(p).items() <= labels.items()]
    levels = [
        workload,
        [p for p in own if not _labels(p)],
        [p for p in policies if resources.namespace_of(p) == root and not _labels(p)],
    ]
    for level in levels:
        for policy in sorted(level, key=lambda p: p["metadata"].get("creationTimestamp") or ""):
            spec = policy.get("spec") or {}
            ports = by_port(policy) if level is workload else {}
            said = (ports.get(port) or spec.get("mtls") or {}).get("mode", "UNSET")
            if said != "UNSET":
                return str(said)
    return "PERMISSIVE"


def by_port(policy: Object) -> dict[int, Mapping[str, str]]:
    """``portLevelMtls``: pod port → mode."""
    said = (policy.get("spec") or {}).get("portLevelMtls") or {}
    return {int(number): mode or {} for number, mode in said.items() if str(number).isdecimal()}


def more_ports(snapshot: Snapshot, proxy: Proxy) -> list[int]:
    """Ports that a policy of the workload speaks of: they are listened on, whatever Services say."""
    labels = dict(proxy.labels)
    own = [p for p in snapshot.of(RESOURCE) if resources.namespace_of(p) == proxy.namespace]
    return sorted({n for p in own if _labels(p) and _labels(p).items() <= labels.items() for n in by_port(p)})


def unmarked(services: list[Service], snapshot: Snapshot, memo: Memo) -> list[Service]:
    """Hosts whose endpoints no longer ask for mutual TLS where a policy switches it off: callers follow."""
    every = tuple(snapshot.of(RESOURCE))
    if not any("DISABLE" in _modes(p) for p in every):
        return services
    return memo.each(
        "unmarked", (services,), lambda _, service: _unmarked(service, every, snapshot.root_namespace), shared=every
    )


def _unmarked(service: Service, policies: Sequence[Object], root: str) -> Service:
    def plain(endpoint: Endpoint) -> Endpoint:
        namespace = endpoint.account.partition("/")[0] or service.namespace
        said = mode_of(policies, root, namespace, endpoint.labels, endpoint.port)
        return replace(endpoint, speaks_mtls=False) if said == "DISABLE" else endpoint

    found = {number: tuple(map(plain, ready)) for number, ready in service.endpoints.items()}
    everywhere = mode_of(policies, root, service.namespace, {}, 0) == "DISABLE"
    return replace(service, endpoints=found, is_plain=everywhere)


def _modes(policy: Object) -> set[str]:
    spec = policy.get("spec") or {}
    found = [spec.get("mtls") or {}, *(spec.get("portLevelMtls") or {}).values()]
    return {m.get("mode", "UNSET") for m in found if m}


def _labels(policy: Object) -> dict[str, str]:
    return (policy.get("spec", {}).get("selector") or {}).get("matchLabels") or {}
