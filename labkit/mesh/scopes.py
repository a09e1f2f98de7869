"""What a proxy may see: everything that is exported to it, or what its Sidecar object lists."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import exports, names
from labkit.mesh.model import Snapshot
from labkit.mesh.services import Service
from labkit.mesh.virtual_services import MESH, VirtualService

RESOURCE = "sidecars.networking.istio.io"
EVERYTHING = "*", "*"
"""The pattern of a proxy without a Sidecar object: any host of any namespace."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Egress:
    """Hosts that are called through one port, or through all that no other egress speaks of."""

    port: int | None
    services: tuple[Service, ...]
    virtual_services: tuple[VirtualService, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Scope:
    """One view of the mesh."""

    namespace: str
    egress: tuple[Egress, ...]
    services: Mapping[str, Service]
    """All hosts that are called through any egress."""

    allows_unknown: bool
    """Whether other hosts are passed on."""

    ingress: tuple[Mapping[str, Any], ...] = field(default=())
    """Listeners that the Sidecar object puts in the place of those of the Services."""


def sidecar_of(snapshot: Snapshot, namespace: str, labels: Mapping[str, str]) -> Object | None:
    """The Sidecar object of a workload: by its labels, else its namespace's, else the root's."""
    found = sorted(snapshot.of(RESOURCE), key=lambda s: (s["metadata"].get("creationTimestamp") or "", _name(s)))
    own = [s for s in found if resources.namespace_of(s) == namespace]
    chosen = [s for s in own if _labels(s) and _labels(s).items() <= labels.items()]
    general = [s for s in own if not _labels(s)]
    root = [s for s in found if resources.namespace_of(s) == snapshot.root_namespace and not _labels(s)]
    return next(iter([*chosen, *general, *root]), None)


def selectors(snapshot: Snapshot) -> list[Mapping[str, str]]:
    """Every choice of workloads by label."""
    return [_labels(s) for s in snapshot.of(RESOURCE) if _labels(s)]


def _labels(sidecar: Object) -> Mapping[str, str]:
    return (sidecar.get("spec", {}).get("workloadSelector") or {}).get("labels") or {}


def _name(sidecar: Object) -> str:
    return resources.name_of(sidecar)


def scope(
    services: Sequence[Service],
    virtual_services: Sequence[VirtualService],
    *,
    namespace: str,
    sidecar: Object | None,
    mesh_config: Mapping[str, Any],
) -> Scope:
    """The view of one kind of workload."""
    visible = [s for s in services if exports.is_for(s.exported_to, namespace)]
    rules = [v for v in virtual_services if exports.is_for(v.audience, namespace) and MESH in v.gateways]
    spec = (sidecar or {}).get("spec") or {}
    said = spec.get("egress") or [{"hosts": ["*/*"]}]
    egress = tuple(_egress(e, visible, rules, namespace) for e in said)
    policy = spec.get("outboundTrafficPolicy") or mesh_config.get("outboundTrafficPolicy") or {}
    return Scope(
        namespace=namespace,
        egress=egress,
        services=_all(egress, visible, namespace),
        allows_unknown=policy.get("mode", "ALLOW_ANY") != "REGISTRY_ONLY",
        ingress=tuple(spec.get("ingress") or ()),
    )


def _egress(
    said: Mapping[str, Any], services: Sequence[Service], rules: Sequence[VirtualService], namespace: str
) -> Egress:
    patterns = [_pattern(h, namespace) for h in said.get("hosts") or ()]
    port = (said.get("port") or {}).get("number")
    is_all = EVERYTHING in patterns
    chosen = services if is_all else [s for s in services if any(_fits(p, s.namespace, (s.host,)) for p in patterns)]
    return Egress(
        port=port,
        services=tuple(_narrowed(preferred(chosen, namespace).values(), port)),
        virtual_services=tuple(r for r in rules if is_all or any(_fits(p, r.namespace, r.hosts) for p in patterns)),
    )


def _pattern(said: str, namespace: str) -> tuple[str, str]:
    place, _, host = said.rpartition("/")
    return (namespace if place in (".", "") else place), host


def _fits(pattern: tuple[str, str], namespace: str, hosts: Sequence[str]) -> bool:
    place, host = pattern
    return place in ("*", namespace) and any(names.common(host, h) for h in hosts)


def _narrowed(services: "Sequence[Service] | Any", port: int | None) -> Iterator[Service]:
    for service in services:
        own = service.port(port) if port else None
        yield replace(service, ports=(own,)) if own and len(service.ports) > 1 else service


def preferred(services: Sequence[Service], namespace: str) -> dict[str, Service]:
    """One service for each host: of several namespaces the client's own, then Kubernetes', then the first."""
    found: dict[str, Service] = {}
    for service in services:
        known = found.get(service.host)
        if known is None or _rank(service, namespace) > _rank(known, namespace):
            found[service.host] = service
    return found


def _rank(service: Service, namespace: str) -> tuple[bool, bool]:
    return service.namespace == namespace, service.is_kubernetes


def _all(egress: Sequence[Egress], visible: Sequence[Service], namespace: str) -> dict[str, Service]:
    found: dict[str, Service] = {}
    for listener in egress:
        for service in listener.services:
            known = found.get(service.host)
            found[service.host] = _with_ports(known, service) if known else service
    if all(e.port is None for e in egress) and len(egress) == 1 and len(found) == len({s.host for s in visible}):
        return found
    # What an imported rule sends to is imported with it.
    reachable = preferred(visible, namespace)
    for listener in egress:
        for rule in listener.virtual_services:
            for host in rule.destinations:
                if host in reachable:
                    found.setdefault(host, reachable[host])
    return found


def _with_ports(one: Service, other: Service) -> Service:
    known = {p.number for p in one.ports}
    more = tuple(p for p in other.ports if p.number not in known)
    return replace(one, ports=(*one.ports, *more)) if more else one
