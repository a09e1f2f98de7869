"""Who may call whom, asked of the policies: a cell for each caller and service."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import model
from labkit.mesh.explain import access
from labkit.mesh.explain.access import Workload
from labkit.mesh.model import Snapshot
from labkit.mesh.policies import paths, peer_authentication
from labkit.mesh.policies.decisions import Caller, Request

PATHS = {
    "productpage": "/productpage",
    "details": "/details/0",
    "reviews": "/reviews/0",
    "ratings": "/ratings/0",
    "httpbin": "/get",
}
"""What is asked of a service of the course; ``/`` of any other."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One caller and one service."""

    caller: str
    """``reviews-v2``; of another namespace ``legacy/curl``."""

    service: str
    method: str
    path: str
    port: int
    """The service's."""

    is_allowed: bool
    because: str
    """The rule that decides, or why none does."""

    policy: str = ""
    """``AuthorizationPolicy default/viewer``; empty where none decides."""


def cells(snapshot: Snapshot, namespace: str, *, method: str = "GET", path: str = "") -> list[Cell]:
    """A cell for each workload of a namespace and each of its Services that has pods."""
    every = access.workloads(snapshot.of("pods"))
    callers = [w for w in every if w.namespace == namespace and w.role != access.GATEWAY]
    mesh = access.Mesh(snapshot)
    return [
        _cell(snapshot, mesh, caller, service, pods, method, path or PATHS.get(resources.name_of(service), "/"))
        for caller in callers
        for service, pods in _served(snapshot, every, namespace)
    ]


def _served(snapshot: Snapshot, every: Sequence[Workload], namespace: str) -> Iterator[tuple[Object, list[Workload]]]:
    for service in sorted(snapshot.of("services"), key=resources.name_of):
        selector: Mapping[str, str] = (service.get("spec") or {}).get("selector") or {}
        if resources.namespace_of(service) != namespace or not selector:
            continue
        behind = [w for w in every if w.namespace == namespace and selector.items() <= w.labels.items()]
        if behind and all(w.role != access.GATEWAY for w in behind):
            yield service, behind


def _cell(
    snapshot: Snapshot,
    mesh: access.Mesh,
    caller: Workload,
    service: Object,
    pods: Sequence[Workload],
    method: str,
    path: str,
) -> Cell:
    port = service["spec"]["ports"][0]
    target = port.get("targetPort") or port["port"]
    number = target if isinstance(target, int) else int(port["port"])
    allowed, because, policy = _answer(snapshot, mesh, caller, pods[0], number, method, path)
    for other in pods[1:]:
        same = _answer(snapshot, mesh, caller, other, number, method, path)
        if same[0] != allowed:
            allowed, because, policy = False, f"{other.name} and {pods[0].name} differ: {same[1]}; {because}", ""
    return Cell(
        caller=caller.name,
        service=resources.name_of(service),
        method=method,
        path=path,
        port=int(port["port"]),
        is_allowed=allowed,
        because=because,
        policy=policy,
    )


def _answer(
    snapshot: Snapshot, mesh: access.Mesh, caller: Workload, callee: Workload, port: int, method: str, path: str
) -> tuple[bool, str, str]:
    modes = peer_authentication.modes(
        snapshot.of(peer_authentication.RESOURCE),
        root=snapshot.root_namespace,
        namespace=callee.namespace,
        labels=callee.labels,
    )
    mode = modes.of(port)
    if callee.has_proxy and mode == "STRICT" and not caller.has_proxy:
        source = f"PeerAuthentication {modes.source_of(port)}"
        return False, f"{source} is STRICT, and {caller.name} has no sidecar", source
    domain = model.trust_domains(snapshot.mesh_config)[0]
    is_known = callee.has_proxy and mode != "DISABLE"
    who = Caller(principal=caller.principal(domain) if is_known else "", address=caller.address)
    asked = Request(port=port, method=method, path=paths.normalized(path) or path, address=callee.address)
    decision = mesh.decide(who, callee, asked)
    because = access.because(decision)
    if not decision.is_allowed and not decision.rule:
        lacking = mesh.lacking(who, callee, asked)
        because += f": {lacking[0]}" if lacking else ""
    if decision.asks:
        because += f"; {', '.join(decision.asks)} is asked too"
    return decision.is_allowed, because, access.policy(decision.rule)
