"""What a waypoint does with the connections of its hosts: chains by address and port, and routes by request."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from labkit.mesh import ir, names, protocols
from labkit.mesh.hosts.services import Port, Service
from labkit.mesh.listeners.entrance import Entrance
from labkit.mesh.routes import http_routes, tcp_routes
from labkit.mesh.routes.virtual_services import VirtualService
from labkit.mesh.upstreams import subsets

ENCAP = "encap"
DIRECT_HTTP, DIRECT_TCP = "direct-http", "direct-tcp"


@dataclass(frozen=True, kw_only=True)
class Behind:
    """One host behind a waypoint."""

    service: Service
    addresses: tuple[str, ...]
    """Under which it is called; without any nobody can ask the waypoint for it."""

    entrance: Entrance
    rules: Sequence[VirtualService] = ()
    """VirtualServices of the host, the best first; routes of the Gateway API come before others."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """For whom routes are made."""

    requests: http_routes.Context
    connections: tcp_routes.Context
    hash_of: Callable[[str, str, int], tuple[ir.Hash, ...]]
    trust_domains: tuple[str, ...]
    identities: tuple[str, ...]


def waypoint(hosts: Sequence[Behind], pods: Sequence[str], direct: Entrance, context: Context) -> ir.Waypoint:
    """All of one waypoint; ``pods`` are addresses whose own traffic goes through it, ``direct`` is for them."""
    return ir.Waypoint(
        chains=(*(chain for host in hosts for chain in _chains(host, context)), *_direct(direct, context)),
        hosts=tuple(_virtual_address(host) for host in hosts if host.addresses and _ports(host.service)),
        pods=tuple(pods),
        inspected_not=tuple(_spared(hosts)),
        trust_domains=context.trust_domains,
        identities=context.identities,
        logs=direct.telemetry.logs,
    )


def _ports(service: Service) -> list[Port]:
    return [port for port in service.ports if port.protocol != "UDP"]


def _name(service: Service, port: Port, kind: str) -> str:
    return names.waypoint_upstream(port.number, kind, service.host)


def _virtual_address(host: Behind) -> ir.VirtualAddress:
    ports: dict[int, tuple[str, str]] = {}
    for port in _ports(host.service):
        chains = {kind: _name(host.service, port, kind) for kind in subsets.kinds_behind_waypoint(port)}
        ports[port.number] = chains.get(subsets.HTTP, ""), chains.get(subsets.TCP, "")
    return ir.VirtualAddress(addresses=host.addresses, ports=ports)


def _spared(hosts: Sequence[Behind]) -> list[int]:
    """Ports whose protocol nobody must look for in the first bytes."""
    has_protocol: dict[int, bool] = {}
    for host in hosts:
        for port in _ports(host.service):
            has_protocol[port.number] = has_protocol.get(port.number, True) and port.protocol != protocols.UNKNOWN
    return sorted(port for port, is_typed in has_protocol.items() if is_typed)


def _chains(host: Behind, context: Context) -> Iterator[ir.Chain]:
    for port in _ports(host.service):
        for kind in subsets.kinds_behind_waypoint(port):
            carries = _http(host, port, context) if kind == subsets.HTTP else _tcp(host, port, context)
            yield ir.Chain(name=_name(host.service, port, kind), carries=carries)


def _http(host: Behind, port: Port, context: Context) -> ir.Http:
    upstream = _name(host.service, port, subsets.HTTP)
    return ir.Http(
        side=ir.WAYPOINT,
        stat=f"inbound_{ir.ANYWHERE}_{port.number};",
        upstream=upstream,
        port=port.number,
        routes=_routes(host, port, context) or (_default(host.service.host, port.number, upstream, context),),
        guard=host.entrance.guard,
        normalization=host.entrance.normalization,
        telemetry=host.entrance.telemetry,
    )


def _routes(host: Behind, port: Port, context: Context) -> tuple[ir.Route, ...]:
    rule = next((rule for rule in host.rules if rule.http), None)
    return http_routes.routes(rule, replace(context.requests, port=port.number)) if rule is not None else ()


def _default(host: str, port: int, upstream: str, context: Context) -> ir.Route:
    hashes = context.hash_of(host, "", port) if host else ()
    retries = context.requests.default_retries
    return http_routes.default_route(host, port, hashes, retries=retries, upstream=upstream)


def _tcp(host: Behind, port: Port, context: Context) -> ir.Tcp:
    upstream = _name(host.service, port, subsets.TCP)
    where = replace(context.connections, port=port.number)
    routes = (tcp_routes.gateway_tcp(rule, where) for rule in host.rules)
    route = next((route for route in routes if route is not None), None)
    return ir.Tcp(
        stat=upstream,
        destinations=route.destinations if route else (ir.Destination(upstream=upstream),),
        access=host.entrance.guard.access,
        telemetry=host.entrance.telemetry,
    )


def _direct(entrance: Entrance, context: Context) -> Iterator[ir.Chain]:
    """Connections to pods' own addresses: they go on as they are."""
    to_pod = (ir.Destination(upstream=ENCAP),)
    tcp = ir.Tcp(stat=ENCAP, destinations=to_pod, access=entrance.guard.access, telemetry=entrance.telemetry)
    yield ir.Chain(name=DIRECT_TCP, carries=tcp)
    http = ir.Http(
        side=ir.WAYPOINT,
        stat=f"inbound_{ir.ANYWHERE}_0;",
        upstream=ENCAP,
        routes=(_default("", 0, ENCAP, context),),
        guard=entrance.guard,
        normalization=entrance.normalization,
        telemetry=entrance.telemetry,
    )
    yield ir.Chain(name=DIRECT_HTTP, carries=http)


def upstream_names(served: Mapping[str, Service], kind: str) -> Callable[[int, str, str], str]:
    """How routes name the upstreams of hosts: those that the waypoint serves itself, and all others.

    A route to a host outside goes there as any client's would: so real Istio has it (``GetDestinationCluster``).
    """

    def name(port: int, subset: str, host: str) -> str:
        service = served.get(host)
        if service is None or service.is_external:
            return names.upstream_name(port, subset, host)
        return names.waypoint_upstream(port, f"{kind}/{subset}" if subset else kind, host)

    return name
