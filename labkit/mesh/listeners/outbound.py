"""Outbound listeners of a sidecar: one per port for HTTP, one per address and port for everything else."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from labkit.mesh import ir, names, protocols
from labkit.mesh.hosts.services import Port, Service
from labkit.mesh.routes import plan, tcp_routes
from labkit.mesh.routes.choice import Choice
from labkit.mesh.routes.scopes import LOCALHOST, Egress
from labkit.mesh.routes.tables import HTTP_PROXY

NAME, PORT = "virtualOutbound", 15001
PASSTHROUGH, BLACK_HOLE = "PassthroughCluster", "BlackHoleCluster"
ALPN_PLAIN = ("http/1.1", "h2c")
"""The protocols that the HTTP inspector may detect."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """The proxy that listeners are made for."""

    connections: tcp_routes.Context
    """Its port is set for each port."""

    allows_unknown: bool
    """Whether connections to unknown destinations are passed through."""

    looks_up_hosts: bool = False
    normalization: str = ir.BASE
    http_proxy_port: int = 0
    """``proxyHttpPort`` of the mesh: where apps may call their sidecar as an HTTP proxy."""

    telemetry: ir.Telemetry = ir.NO_TELEMETRY

    @property
    def unknown(self) -> str:
        """The cluster for connections to unknown destinations."""
        return PASSTHROUGH if self.allows_unknown else BLACK_HOLE


@dataclass(frozen=True, kw_only=True)
class _Part:
    """What one host adds to a listener."""

    address: str
    port: int
    table: str = ""
    """The route table of its requests; empty where nothing is HTTP."""

    routes: tuple[ir.TcpRoute, ...] = ()
    """The routes of its connections that are not HTTP."""

    is_bound: bool = False


def listeners(
    ports: Sequence[plan.Called], egress: Sequence[Egress], choices: Sequence[Choice], context: Context
) -> Iterator[ir.Listener]:
    """virtualOutbound, which hands connections over by their destination, and the listeners that it hands them to."""
    yield _virtual(context)
    if context.http_proxy_port:
        yield _http_proxy(context)
    parts: dict[tuple[str, int], _Part] = {}
    for called in ports:
        of_port = _parts(called.service, called.port, choices[called.egress], context)
        for part in _bound(of_port, egress[called.egress]):
            key = part.address, part.port
            parts[key] = _joined(parts[key], part) if key in parts else part
    yield from (_listener(part, context) for part in parts.values())


def _bound(parts: Iterable[_Part], egress: Egress) -> Iterator[_Part]:
    """The parts, bound to the address that the Sidecar sets for their egress."""
    for part in parts:
        yield replace(part, address=egress.bind, is_bound=not egress.is_captured) if egress.bind else part


def _http_proxy(context: Context) -> ir.Listener:
    port = context.http_proxy_port
    carries = ir.Http(
        side=ir.OUTBOUND,
        stat=f"outbound_{LOCALHOST}_{port};",
        table=HTTP_PROXY,
        is_proxy=True,
        looks_up_hosts=context.looks_up_hosts,
        normalization=context.normalization,
        telemetry=context.telemetry,
    )
    return ir.Listener(
        name=f"{LOCALHOST}_{port}",
        address=LOCALHOST,
        port=port,
        side=ir.OUTBOUND,
        chains=(ir.Chain(carries=carries),),
    )


def _virtual(context: Context) -> ir.Listener:
    # Nobody means the listener itself: a connection to it would come back for ever.
    loop = ir.Chain(name=f"{NAME}-blackhole", match=ir.ChainMatch(port=PORT), carries=_tcp(BLACK_HOLE, context))
    rest = ir.Chain(
        name=f"{NAME}-catchall-tcp" if context.allows_unknown else f"{NAME}-blackhole-tcp",
        carries=_tcp(context.unknown, context),
    )
    return ir.Listener(
        name=NAME, port=PORT, side=ir.OUTBOUND, hands_over=True, chains=(loop, rest), telemetry=context.telemetry
    )


def _tcp(upstream: str, context: Context) -> ir.Tcp:
    return ir.Tcp(stat=upstream, destinations=(ir.Destination(upstream=upstream),), telemetry=context.telemetry)


def _parts(service: Service, port: Port, rules: Choice, context: Context) -> Iterator[_Part]:
    number = port.number
    if protocols.is_http(port.protocol):
        yield _Part(address=ir.ANYWHERE, port=number, table=str(number))
        return
    is_unknown = port.protocol == protocols.UNKNOWN
    routes = tcp_routes.routes(service, port, rules.every(service.host), replace(context.connections, port=number))
    if service.is_headless:
        for endpoint in service.endpoints.get(number, ()):
            # A name or a socket is no address that a connection could be meant for.
            if not names.is_host(endpoint.address) and not endpoint.address.startswith("unix:"):
                yield _Part(address=endpoint.address, port=number, routes=routes)
        return
    plain = [a for a in service.addresses if not names.is_range(a)]
    ranges = tuple(a for a in service.addresses if names.is_range(a))
    table = f"{service.host}:{number}" if is_unknown else ""
    for address in plain:
        yield _Part(address=address, port=number, table=table, routes=routes)
    if ranges:
        inside = tuple(
            ir.TcpRoute(destinations=r.destinations, server_names=r.server_names, ranges=ranges, source=r.source)
            for r in routes
        )
        yield _Part(address=ir.ANYWHERE, port=number, table=str(number) if is_unknown else "", routes=inside)
    if not service.addresses:
        own = str(number) if is_unknown else ""
        yield _Part(address=ir.ANYWHERE, port=number, table=own, routes=routes)


def _joined(one: _Part, other: _Part) -> _Part:
    """One port of several hosts: HTTP by name, connections by server name or range; the first comer stays."""
    taken = {(r.server_names, r.ranges) for r in one.routes}
    more = tuple(r for r in other.routes if (r.server_names, r.ranges) not in taken)
    return replace(one, table=one.table or other.table, routes=(*one.routes, *more))


def _listener(part: _Part, context: Context) -> ir.Listener:
    chains = [_chain(route, context) for route in _apart(part.routes) if route.destinations]
    fallback = next((c for c in chains if c.match.is_everything), None)
    matching = [c for c in chains if not c.match.is_everything]
    if part.table:
        matching.insert(0, _http(part, context))
    if not matching and fallback is not None:
        # Alone, it needs no default.
        matching, fallback = [fallback], None
    elif fallback is None and part.address == ir.ANYWHERE:
        name = "PassthroughFilterChain" if context.allows_unknown else "BlackHoleFilterChain"
        fallback = ir.Chain(name=name, carries=_tcp(context.unknown, context))
    return ir.Listener(
        name=f"{part.address}_{part.port}",
        address=part.address,
        port=part.port,
        side=ir.OUTBOUND,
        is_bound=part.is_bound,
        chains=tuple(matching),
        default=fallback,
        telemetry=context.telemetry,
    )


def _apart(routes: Sequence[ir.TcpRoute]) -> Iterator[ir.TcpRoute]:
    """Routes with only the server names that no earlier route has; Envoy rejects a listener with a name twice."""
    taken: set[tuple[str, tuple[str, ...]]] = set()
    for route in routes:
        server_names = names.server_names(route.server_names) if route.server_names else ()
        if server_names is None:
            continue
        own = tuple(n for n in server_names or ("",) if (n, route.ranges) not in taken)
        taken.update((n, route.ranges) for n in own)
        if own:
            yield replace(route, server_names=own if server_names else ())


def _http(part: _Part, context: Context) -> ir.Chain:
    return ir.Chain(
        match=ir.ChainMatch(transport="raw_buffer", alpn=ALPN_PLAIN),
        carries=ir.Http(
            side=ir.OUTBOUND,
            stat=f"outbound_{part.address}_{part.port};",
            table=part.table,
            looks_up_hosts=context.looks_up_hosts,
            normalization=context.normalization,
            telemetry=context.telemetry,
        ),
    )


def _chain(route: ir.TcpRoute, context: Context) -> ir.Chain:
    return ir.Chain(
        match=ir.ChainMatch(server_names=route.server_names, ranges=route.ranges),
        carries=ir.Tcp(
            stat=route.destinations[0].upstream, destinations=route.destinations, telemetry=context.telemetry
        ),
    )
