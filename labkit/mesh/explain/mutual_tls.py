"""Who encrypts what on the way to a host: the mode of each pod's port, the policy behind it, and what clients do."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from labkit.kube.resources import Object
from labkit.mesh import ir, names
from labkit.mesh.hosts import registry
from labkit.mesh.hosts.services import Endpoint, Service
from labkit.mesh.hosts.workloads import TLS_MODE
from labkit.mesh.memo import Memo
from labkit.mesh.model import Snapshot
from labkit.mesh.policies import peer_authentication
from labkit.mesh.upstreams import destination_rules, subsets, traffic_policy
from labkit.mesh.upstreams.destination_rules import Rule

STRICT, PERMISSIVE, DISABLE, NO_PROXY = "STRICT", "PERMISSIVE", "DISABLE", "no sidecar"
MUTUAL, TLS, PLAIN, TUNNEL = "mutual TLS", "TLS", "plain text", "HBONE"
CERTIFIED = (MUTUAL, TUNNEL)
"""What STRICT takes."""


@dataclass(frozen=True, kw_only=True)
class Port:
    """One port of the pods of one workload."""

    workload: str
    """``reviews-v1``."""

    port: int
    """The pods' own port, which is the one that ``portLevelMtls`` names."""

    service_port: int
    mode: str
    """``STRICT``, ``PERMISSIVE``, ``DISABLE`` or ``no sidecar``."""

    decided_by: str
    """``PeerAuthentication default/strict``, or why there is none."""

    policy: str = ""
    """``PeerAuthentication default/strict``; empty where no object decides."""

    meshed_clients: str
    """What a client with a sidecar sends: ``mutual TLS``, ``HBONE``, ``TLS`` or ``plain text``; by subset if unlike."""

    because: str
    """What decides that: auto mTLS or a DestinationRule."""

    other_clients: str
    """What becomes of plain text from a client without a sidecar: ``accepted`` or ``refused``."""

    problems: tuple[str, ...] = ()
    """What does not fit together, a sentence each."""


def of_host(snapshot: Snapshot, host: str, *, client: str, labels: Mapping[str, str] | None = None) -> list[Port]:
    """Every port of a host's workloads, for clients of the namespace ``client`` with these labels."""
    memo = Memo()
    services = peer_authentication.unmarked(registry.all_of(snapshot, memo), snapshot, memo)
    rules = destination_rules.all_of(snapshot, memo)
    rows: list[Port] = []
    for service in services:
        if service.host == host:
            rule = rules.for_host(host, service.namespace, client=client, labels=labels or {})
            rows += _of_service(snapshot, service, rule)
    return rows


def sent_to_workloads(snapshot: Snapshot, *, client: str) -> dict[str, str]:
    """What clients of a namespace send to each workload, over all of its ports; several words where they differ."""
    hosts = [service.host for service in registry.all_of(snapshot, Memo()) if service.is_kubernetes]
    words: dict[str, dict[str, None]] = {}
    for port in (port for host in hosts for port in of_host(snapshot, host, client=client)):
        words.setdefault(port.workload, {})[port.meshed_clients] = None
    return {workload: ", ".join(sends) for workload, sends in words.items()}


def _of_service(snapshot: Snapshot, service: Service, rule: Rule | None) -> Iterator[Port]:
    policies = snapshot.of(peer_authentication.RESOURCE)
    upstreams = list(subsets.of_service(service, rule, subsets.Client(is_gateway=False, mesh=snapshot.mesh_config)))
    for number, ready in service.endpoints.items():
        # Pods of one workload share their labels, and so their policies.
        for endpoint in {_workload(e): e for e in reversed(ready)}.values():
            calls = list(_calls(upstreams, number, endpoint))
            yield _row(policies, snapshot, service, number, endpoint, calls, _reason(snapshot, rule, number, calls))


def _row(
    policies: Sequence[Object],
    snapshot: Snapshot,
    service: Service,
    number: int,
    endpoint: Endpoint,
    calls: "Sequence[_Call]",
    because: str,
) -> Port:
    namespace = endpoint.account.partition("/")[0] or service.namespace
    root, labels = snapshot.root_namespace, endpoint.labels
    modes = peer_authentication.modes(policies, root=root, namespace=namespace, labels=labels)
    is_ambient = endpoint.speaks_hbone and not endpoint.speaks_mtls
    has_proxy = endpoint.labels.get(TLS_MODE) == "istio" or is_ambient
    source = modes.source_of(endpoint.port)
    mode = modes.of(endpoint.port) if has_proxy else NO_PROXY
    if is_ambient and mode == DISABLE:
        mode = PERMISSIVE  # ztunnel always takes tunnels.
    problems = [f"{called.words(calls)} to {mode}: {why}" for called in calls if (why := _clash(called.sends, mode))]
    if has_proxy:
        hidden = peer_authentication.unused(policies, root=root, namespace=namespace, labels=labels)
        problems += [f"PeerAuthentication {name} has no effect: {older} is older" for name, older in hidden.items()]
        problems += _service_ports(modes, service)
    return Port(
        workload=_workload(endpoint),
        port=endpoint.port,
        service_port=number,
        mode=mode,
        decided_by=_decided_by(source, has_proxy=has_proxy),
        policy=f"PeerAuthentication {source}" if source and has_proxy else "",
        meshed_clients=_sends(calls),
        because=because,
        other_clients="refused" if mode == STRICT else "accepted",
        problems=tuple(dict.fromkeys(problems)),
    )


@dataclass(frozen=True, kw_only=True)
class _Call:
    """What a client's sidecar does by one upstream."""

    subset: str
    sends: str

    def words(self, others: "Sequence[_Call]") -> str:
        """``mutual TLS``, with the subset where others do something else."""
        differs = len({call.sends for call in others}) > 1
        return f"{self.sends} (subset {self.subset})" if differs and self.subset else self.sends


def _calls(upstreams: Sequence[ir.Upstream], number: int, endpoint: Endpoint) -> Iterator[_Call]:
    """By the host itself, and by each subset that has the endpoint."""
    for upstream in upstreams:
        _, port, subset, _ = upstream.name.split("|", 3)
        own = next((e for e in upstream.endpoints if (e.address, e.port) == (endpoint.address, endpoint.port)), None)
        if int(port) == number and (own is not None or not (subset or upstream.endpoints)):
            yield _Call(subset=subset, sends=_of_upstream(upstream, own or endpoint))


def _of_upstream(upstream: ir.Upstream, endpoint: Endpoint) -> str:
    if upstream.tls is None or (upstream.is_tls_by_endpoint and not endpoint.speaks_mtls):
        return TUNNEL if endpoint.speaks_hbone else PLAIN
    return MUTUAL if upstream.tls.kind == "istio" or upstream.tls.certificate else TLS


def _sends(calls: Sequence[_Call]) -> str:
    words = dict.fromkeys(call.words(calls) for call in calls)
    return ", ".join(words)


def _reason(snapshot: Snapshot, rule: Rule | None, number: int, calls: Sequence[_Call]) -> str:
    subset_policies = [s.get("trafficPolicy") for s in rule.subsets] if rule else []
    modes = [mode for policy in (rule.policy if rule else None, *subset_policies) if (mode := _mode(policy, number))]
    if rule and modes:
        return f"DestinationRule {rule.namespace}/{rule.name}: {', '.join(dict.fromkeys(modes))}"
    if snapshot.mesh_config.get("enableAutoMtls") is False:
        return "auto mTLS is off in the mesh configuration"
    return "auto mTLS" + ("" if any(call.sends in CERTIFIED for call in calls) else ": these pods do not take it")


def _mode(policy: Mapping[str, object] | None, number: int) -> str:
    tls = traffic_policy.for_port(policy, number).get("tls")
    return str(tls.get("mode") or "DISABLE") if tls is not None else ""


def _decided_by(source: str, *, has_proxy: bool) -> str:
    if not has_proxy:
        return "no sidecar: policies do not reach these pods"
    return f"PeerAuthentication {source}" if source else "no policy: PERMISSIVE is the default"


def _clash(sends: str, mode: str) -> str:
    """Why a connection fails; empty where it does not."""
    if mode == STRICT and sends not in CERTIFIED:
        return "every connection is refused"
    if mode in (DISABLE, NO_PROXY) and sends == MUTUAL:
        return "nobody there answers the handshake"
    return ""


def _service_ports(modes: peer_authentication.Modes, service: Service) -> Iterator[str]:
    """portLevelMtls names ports of the pod; a Service's port there changes nothing."""
    for number in modes.ports:
        target = service.targets.get(number)
        if target is not None and target != number and number not in service.targets.values():
            policy = modes.source_of(number)
            problem = f"portLevelMtls {number} is the Service's port and changes nothing: the pods' port is {target}"
            yield f"PeerAuthentication {policy}: {problem}"


def _workload(endpoint: Endpoint) -> str:
    return endpoint.workload.partition(";")[0] or endpoint.address


def host_of(name: str, namespace: str) -> str:
    """``reviews`` → ``reviews.default.svc.cluster.local``; ``reviews.other`` is short for one elsewhere."""
    service, dot, rest = name.partition(".")
    return names.full_host(service, rest) if dot and "." not in rest else names.full_host(name, namespace)
