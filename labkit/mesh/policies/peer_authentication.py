"""Whether a port takes mutual TLS: PeerAuthentication of the workload, its namespace, or the mesh."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh.hosts.services import Endpoint, Service
from labkit.mesh.memo import Memo
from labkit.mesh.model import Snapshot
from labkit.mesh.policies import selection

RESOURCE = "peerauthentications.security.istio.io"
UNSET, DEFAULT = "UNSET", "PERMISSIVE"


@dataclass(frozen=True, kw_only=True)
class Modes:
    """The modes of a workload: ``STRICT``, ``PERMISSIVE`` or ``DISABLE``, and the policy that decided each."""

    default: str = DEFAULT
    ports: Mapping[int, str]
    """Pod ports that a policy speaks of."""

    source: str = ""
    """``namespace/name`` of the policy behind ``default``; empty where no policy sets a mode."""

    port_sources: Mapping[int, str] = field(default_factory=dict)

    def of(self, port: int) -> str:
        """The mode of a port of the pod."""
        return self.ports.get(port, self.default)

    def source_of(self, port: int) -> str:
        """The policy that decided the mode of a port."""
        return self.port_sources.get(port, self.source)


def modes(policies: Sequence[Object], *, root: str, namespace: str, labels: Mapping[str, str]) -> Modes:
    """The modes of a workload; a port that says UNSET has the workload's own.

    Of each level only the oldest policy counts, even where it says UNSET (Istio, authn's ComposePeerAuthentication).
    """
    own, *above = (level[:1] for level in _levels(policies, root=root, namespace=namespace, labels=labels))
    deciding = next((p for level in (own, *above) for p in level if _mode(p) != UNSET), None)
    default, source = (DEFAULT, "") if deciding is None else (_mode(deciding), full_name(deciding))
    ports = {number: mode for p in own for number, mode in _by_port(p).items()}
    return Modes(
        default=default,
        ports={n: default if mode == UNSET else mode for n, mode in ports.items()},
        source=source,
        port_sources={n: full_name(p) for p in own for n, mode in ports.items() if mode != UNSET},
    )


def unused(policies: Sequence[Object], *, root: str, namespace: str, labels: Mapping[str, str]) -> dict[str, str]:
    """Policies of a workload that an older one of the same level hides: each with the older one, ``namespace/name``."""
    hidden: dict[str, str] = {}
    for oldest, *others in filter(None, _levels(policies, root=root, namespace=namespace, labels=labels)):
        hidden |= {full_name(other): full_name(oldest) for other in others}
    return hidden


def _levels(
    policies: Sequence[Object], *, root: str, namespace: str, labels: Mapping[str, str]
) -> tuple[tuple[Object, ...], ...]:
    """Of the workload, its namespace and the mesh; a selector in the root namespace has no effect on anybody."""
    levels = selection.applying(policies, root=root, namespace=namespace, labels=labels)
    return (levels.workload if namespace != root else (), levels.namespace, levels.mesh)


def full_name(policy: Object) -> str:
    """``namespace/name``."""
    return f"{resources.namespace_of(policy)}/{resources.name_of(policy)}"


def _mode(policy: Object) -> str:
    return str(((policy.get("spec") or {}).get("mtls") or {}).get("mode") or UNSET)


def _by_port(policy: Object) -> dict[int, str]:
    """``portLevelMtls``: pod port → mode."""
    ports = (policy.get("spec") or {}).get("portLevelMtls") or {}
    return {int(n): str((mode or {}).get("mode") or UNSET) for n, mode in ports.items() if str(n).isdecimal()}


def unmarked(services: list[Service], snapshot: Snapshot, memo: Memo) -> list[Service]:
    """Hosts whose endpoints no longer ask for mutual TLS where a policy switches it off: callers follow."""
    every = tuple(snapshot.of(RESOURCE))
    if not any("DISABLE" in {_mode(p), *_by_port(p).values()} for p in every):
        return services
    return memo.each(
        "unmarked", (services,), lambda _, service: _unmarked(service, every, snapshot.root_namespace), shared=every
    )


def _unmarked(service: Service, policies: Sequence[Object], root: str) -> Service:
    def plain(endpoint: Endpoint) -> Endpoint:
        namespace = endpoint.account.partition("/")[0] or service.namespace
        of_workload = modes(policies, root=root, namespace=namespace, labels=endpoint.labels)
        return replace(endpoint, speaks_mtls=False) if of_workload.of(endpoint.port) == "DISABLE" else endpoint

    endpoints = {number: tuple(map(plain, ready)) for number, ready in service.endpoints.items()}
    everywhere = modes(policies, root=root, namespace=service.namespace, labels={}).default == "DISABLE"
    return replace(service, endpoints=endpoints, is_plain=everywhere)
