"""What a proxy may see: everything that is exported to it, or what its Sidecar object lists."""

from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import names
from labkit.mesh.hosts import visibility
from labkit.mesh.hosts.services import Port, Service
from labkit.mesh.memo import Memo
from labkit.mesh.model import Snapshot
from labkit.mesh.routes.virtual_services import HIDDEN, MESH, VirtualService, in_order, rank

RESOURCE = "sidecars.networking.istio.io"
LOCALHOST = "127.0.0.1"
EVERYTHING = "*", "*"
"""The pattern of a proxy without a Sidecar object: any host of any namespace."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Egress:
    """The hosts of one egress listener: of its port, or of all ports that no other egress lists."""

    port: int | None
    services: tuple[Service, ...]
    virtual_services: tuple[VirtualService, ...]
    bind: str = ""
    """The address that the Sidecar object gives its listeners."""

    is_captured: bool = True
    """Whether connections are captured; otherwise its listeners bind to the port."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Scope:
    """One view of the mesh."""

    namespace: str
    egress: tuple[Egress, ...]
    services: Mapping[str, Service]
    """All hosts that are called through any egress; the very same mapping while none of them changes."""

    allows_unknown: bool
    """Whether traffic to unknown hosts is passed through."""

    inbound_pool: Mapping[str, Any] | None = None
    """``inboundConnectionPool`` of the Sidecar object."""

    ingress: tuple[Mapping[str, Any], ...] = field(default=())
    """The Sidecar's ingress listeners, which replace those of the Services."""


def sidecar_of(snapshot: Snapshot, namespace: str, labels: Mapping[str, str]) -> Object | None:
    """The Sidecar object of a workload: by its labels, else its namespace's, else the root's."""
    oldest_first = sorted(snapshot.of(RESOURCE), key=lambda s: (s["metadata"].get("creationTimestamp") or "", _name(s)))
    own = [s for s in oldest_first if resources.namespace_of(s) == namespace]
    chosen = [s for s in own if _labels(s) and _labels(s).items() <= labels.items()]
    general = [s for s in own if not _labels(s)]
    root = [s for s in oldest_first if resources.namespace_of(s) == snapshot.root_namespace and not _labels(s)]
    return next(iter([*chosen, *general, *root]), None)


def selectors(snapshot: Snapshot) -> list[Mapping[str, str]]:
    """The workload selectors of all Sidecars."""
    return [_labels(s) for s in snapshot.of(RESOURCE) if _labels(s)]


def _labels(sidecar: Object) -> Mapping[str, str]:
    return (sidecar.get("spec", {}).get("workloadSelector") or {}).get("labels") or {}


def _name(sidecar: Object) -> str:
    return resources.name_of(sidecar)


def scope(
    services: list[Service],
    virtual_services: Sequence[VirtualService],
    *,
    namespace: str,
    sidecar: Object | None,
    mesh_config: Mapping[str, Any],
    memo: Memo,
    key: Hashable,
) -> Scope:
    """The view of one kind of workload; ``key`` stands for it in the memo."""
    spec = (sidecar or {}).get("spec") or {}
    listed = spec.get("egress") or [{"hosts": ["*/*"]}]
    offers = memo.get(("offers", key), (services, sidecar), lambda: _Offers(services, listed, namespace))
    ranks = memo.each(
        ("rules for", namespace),
        (virtual_services,),
        lambda _, rule: rank(rule, namespace) if MESH in rule.gateways else HIDDEN,
    )
    rules = memo.get(("rules of", namespace), (virtual_services, ranks), lambda: in_order(virtual_services, ranks))
    egress = tuple(
        Egress(
            port=offer.port,
            services=offer.services,
            virtual_services=offer.fitting(rules),
            bind=offer.bind,
            is_captured=offer.is_captured,
        )
        for offer in offers.egress
    )
    policy = spec.get("outboundTrafficPolicy") or mesh_config.get("outboundTrafficPolicy") or {}
    return Scope(
        namespace=namespace,
        egress=egress,
        services=offers.whole if offers.whole is not None else _reached(offers, egress, namespace, memo, key),
        allows_unknown=policy.get("mode", "ALLOW_ANY") != "REGISTRY_ONLY",
        inbound_pool=spec.get("inboundConnectionPool"),
        ingress=tuple(spec.get("ingress") or ()),
    )


class _Offer:
    """The hosts that one egress imports, independent of VirtualServices."""

    def __init__(self, spec: Mapping[str, Any], services: Sequence[Service], namespace: str) -> None:
        hosts = spec.get("hosts") or ()
        # One pattern of the namespace that nobody has makes all others idle.
        self._patterns = [] if any(h.startswith("~/") for h in hosts) else [_pattern(h, namespace) for h in hosts]
        self._is_all = EVERYTHING in self._patterns
        self.port: int | None = (spec.get("port") or {}).get("number")
        # Envoy takes no listener at what is no address; Istio's webhook looks at none.
        bind = str(spec.get("bind") or "")
        self.is_captured = spec.get("captureMode") != "NONE"
        given = bind if self.port and names.is_address(bind) else ""
        self.bind = given or ("" if self.is_captured else LOCALHOST)
        chosen = services if self._is_all else [s for s in services if self._fits(s.namespace, (s.host,))]
        self.services = tuple(_narrowed(preferred(chosen, namespace).values(), self.port))

    def _fits(self, namespace: str, hosts: Sequence[str]) -> bool:
        return any(_fits(pattern, namespace, hosts) for pattern in self._patterns)

    def fitting(self, rules: tuple[VirtualService, ...]) -> tuple[VirtualService, ...]:
        """The VirtualServices for hosts that it imports."""
        return rules if self._is_all else tuple(r for r in rules if self._fits(r.namespace, r.hosts))


class _Offers:
    """The hosts that one kind of workload imports, independent of VirtualServices."""

    def __init__(self, services: Sequence[Service], listed: Sequence[Mapping[str, Any]], namespace: str) -> None:
        visible = [s for s in services if visibility.is_for(s.exported_to, namespace)]
        self.egress = [_Offer(e, visible, namespace) for e in listed]
        self.named: dict[str, Service] = {}
        """The hosts that any egress imports."""
        for offer in self.egress:
            for service in offer.services:
                earlier = self.named.get(service.host)
                self.named[service.host] = _with_ports(earlier, service) if earlier else service
        is_open = len(self.egress) == 1 and self.egress[0].port is None
        has_all = is_open and len(self.named) == len({s.host for s in visible})
        self.whole = self.named if has_all else None
        """All hosts if no VirtualService can add any, else None."""
        self.reachable = {} if has_all else preferred(visible, namespace)


def _pattern(text: str, namespace: str) -> tuple[str, str]:
    place, _, host = text.rpartition("/")
    return (namespace if place in (".", "") else place), host


def _fits(pattern: tuple[str, str], namespace: str, hosts: Sequence[str]) -> bool:
    place, host = pattern
    return place in ("*", namespace) and any(names.common(host, h) for h in hosts)


def _narrowed(services: "Sequence[Service] | Any", port: int | None) -> Iterator[Service]:
    for service in services:
        if port is None:
            yield service
        elif own := service.port(port):
            yield replace(service, ports=(own,)) if len(service.ports) > 1 else service


def preferred(services: Sequence[Service], namespace: str) -> dict[str, Service]:
    """One service for each host: of several namespaces the client's own, then Kubernetes', then the first."""
    by_host: dict[str, Service] = {}
    for service in services:
        rival = by_host.get(service.host)
        if rival is None or _rank(service, namespace) > _rank(rival, namespace):
            by_host[service.host] = service
    return by_host


def _rank(service: Service, namespace: str) -> tuple[bool, bool]:
    return service.namespace == namespace, service.is_kubernetes


def _reached(
    offers: _Offers, egress: Sequence[Egress], namespace: str, memo: Memo, key: Hashable
) -> Mapping[str, Service]:
    """The hosts that an egress names, and with the ports that rules send to, the destinations of imported rules."""
    reached = dict(offers.named)
    for listener in egress:
        for rule in listener.virtual_services:
            for host, numbers in rule.ports_sent_to(namespace).items():
                whole, earlier = offers.reachable.get(host), reached.get(host)
                if whole is None or (earlier is not None and earlier.namespace != whole.namespace):
                    continue
                ports = _ports_sent_to(whole, {listener.port} if listener.port else numbers)
                if earlier is not None:
                    taken = {p.number for p in earlier.ports}
                    ports = (*earlier.ports, *(p for p in ports if p.number not in taken))
                if ports:
                    reached[host] = _of_ports(whole, ports, memo, key)
    return memo.get(("reached", key), tuple(reached.values()), lambda: reached)


def _ports_sent_to(service: Service, numbers: Collection[int]) -> tuple[Port, ...]:
    """The ports that destinations name; a destination without a port (0) means all of them."""
    return service.ports if 0 in numbers else tuple(p for p in service.ports if p.number in numbers)


def _of_ports(service: Service, ports: tuple[Port, ...], memo: Memo, key: Hashable) -> Service:
    """The host with some of its ports, the very same object while neither changes."""
    if ports == service.ports:
        return service
    name = "ports sent to", key, service.host, ports
    return memo.get(name, (service,), lambda: replace(service, ports=ports))


def _with_ports(one: Service, other: Service) -> Service:
    numbers = {p.number for p in one.ports}
    more = tuple(p for p in other.ports if p.number not in numbers)
    return replace(one, ports=(*one.ports, *more)) if more else one
