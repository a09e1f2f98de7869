"""Gateways: which servers a proxy carries out, and what becomes of requests to their hosts."""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import blame, ir, model, names
from labkit.mesh.hosts.services import Service
from labkit.mesh.listeners import server_tls
from labkit.mesh.listeners.entrance import Entrance
from labkit.mesh.memo import Memo
from labkit.mesh.routes import http_routes, tcp_routes
from labkit.mesh.routes.virtual_services import HIDDEN, MESH, VirtualService, in_order, rank

HTTP = ("HTTP", "HTTP2", "GRPC", "GRPC-WEB")
ENDS_TLS = ("SIMPLE", "MUTUAL", "OPTIONAL_MUTUAL", "ISTIO_MUTUAL", "OPTIONAL")
SERVICE = "internal.istio.io/gateway-service"
"""Annotation of a Gateway made from one of the Gateway API: the Services whose pods carry it out."""


@dataclass(frozen=True, kw_only=True)
class Declared:
    """One server as a Gateway declares it."""

    number: int
    """The port that the Gateway names."""

    port_name: str
    kind: str
    """``http``, ``https``, ``passthrough``, ``tls`` or ``tcp``."""

    hosts: tuple[str, ...]
    """As written: ``ns/host``, ``./host`` or ``host``."""

    tls: ir.EdgeTls | None
    """How it terminates TLS; None if it does not."""

    redirects: bool
    """Whether plaintext requests are redirected to HTTPS."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Gateway:
    """One Gateway object, parsed."""

    name: str
    namespace: str
    selector: Mapping[str, str]
    services: frozenset[str]
    """For one made from the Gateway API, hosts of the Services whose pods run it; else empty."""

    servers: tuple[Declared, ...]
    granted: frozenset[str]
    """Secrets of any namespace that it may use, since the Gateway API's references were verified."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """One server of a Gateway, on the port that a proxy's pod listens on."""

    gateway: Gateway
    declared: Declared
    port: int

    @property
    def bound(self) -> str:
        """``namespace/name`` of its Gateway, as VirtualServices are bound to it."""
        return f"{self.gateway.namespace}/{self.gateway.name}"

    @property
    def table(self) -> str:
        """The route table of its requests; empty where connections are not taken apart."""
        if self.declared.kind == "http":
            return f"http.{self.port}"
        if self.declared.kind == "https":
            own = f"{self.declared.number}.{self.declared.port_name}.{self.gateway.name}.{self.gateway.namespace}"
            return f"https.{own}"
        return ""

    @property
    def names(self) -> tuple[str, ...]:
        """The hosts without their namespaces."""
        return tuple(dict.fromkeys(h.rpartition("/")[2] for h in self.declared.hosts))

    def names_for(self, namespace: str) -> list[str]:
        """The hosts that a rule of this namespace may speak of."""
        places = ("", "*", namespace, *(["."] if namespace == self.gateway.namespace else []))
        split = (host.rpartition("/") for host in self.declared.hosts)
        return [host for place, _, host in split if place in places]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """All that a gateway's proxy listens on."""

    listeners: tuple[ir.Listener, ...]
    tables: tuple[ir.RouteTable, ...]


def read(obj: Object) -> Gateway:
    """A Gateway, read once for all proxies."""
    name, namespace = resources.name_of(obj), resources.namespace_of(obj)
    with blame.naming(f"Gateway {namespace}/{name}"):
        services = resources.annotations_of(obj).get(SERVICE) or ""
        declared = tuple(_declared(server) for server in obj["spec"].get("servers") or ())
        secrets = (s for d in declared if d.tls is not None for s in d.tls.certificates)
        return Gateway(
            name=name,
            namespace=namespace,
            selector=dict(obj["spec"].get("selector") or {}),
            services=frozenset(h.strip() for h in services.split(",") if h.strip()),
            servers=declared,
            granted=frozenset(secrets) if services else frozenset(),
        )


def _declared(server: Mapping[str, Any]) -> Declared:
    port, tls = server.get("port") or {}, server.get("tls") or {}
    protocol = str(port.get("protocol") or "").upper()
    mode = tls.get("mode", "PASSTHROUGH" if not tls else "SIMPLE")
    if protocol in HTTP:
        kind = "http"
    elif protocol in ("HTTPS", "TLS") and mode in ENDS_TLS:
        kind = "https" if protocol == "HTTPS" else "tls"
    else:
        kind = "passthrough" if protocol in ("HTTPS", "TLS") else "tcp"
    return Declared(
        number=port.get("number") or 0,
        port_name=port.get("name", ""),
        kind=kind,
        hosts=tuple(str(host) for host in server.get("hosts") or ()),
        tls=server_tls.read(tls, is_http=kind == "https") if kind in ("https", "tls") else None,
        redirects=bool(tls.get("httpsRedirect")),
    )


def servers(gateways: Sequence[Gateway], services: Sequence[Service], proxy: model.Proxy) -> list[Server]:
    """Every server for this proxy, the oldest Gateway first; a server that conflicts with an earlier one is skipped."""
    kept: list[Server] = []
    kinds: dict[int, str] = {}
    taken: dict[int, set[str]] = {}
    for gateway in gateways:
        for declared in gateway.servers if is_for(gateway, services, proxy) else ():
            port = target_port(services, proxy, declared.number)
            server = Server(gateway=gateway, declared=declared, port=port)
            family = "tls" if declared.kind in ("https", "passthrough", "tls") else declared.kind
            if kinds.setdefault(port, family) != family:
                continue
            if family == "tls":
                # Two certificates for one name cannot be told apart: the younger server goes whole.
                if taken.setdefault(port, set()) & set(server.names):
                    continue
                taken[port] |= set(server.names)
            kept.append(server)
    return kept


def is_for(gateway: Gateway, services: Sequence[Service], proxy: model.Proxy) -> bool:
    """Whether the proxy's pod is one that the Gateway selects."""
    if gateway.services:
        return any(s.host in gateway.services for s in _selecting(services, proxy))
    return gateway.selector.items() <= dict(proxy.labels).items()


def target_port(services: Sequence[Service], proxy: model.Proxy, number: int) -> int:
    """The port of the pod for a server's port: Services lead from 80 to 8080."""
    return next((s.targets[number] for s in _selecting(services, proxy) if number in s.targets), number)


def node_ports(services: Sequence[Service], proxy: model.Proxy) -> dict[int, tuple[int, ...]]:
    """Port of the pod → node ports that lead there."""
    leading: dict[int, list[int]] = {}
    for service in _selecting(services, proxy):
        for port, node_port in service.node_ports.items():
            if port in service.targets:
                leading.setdefault(service.targets[port], []).append(node_port)
    return {port: tuple(numbers) for port, numbers in leading.items()}


def _selecting(services: Sequence[Service], proxy: model.Proxy) -> list[Service]:
    labels = dict(proxy.labels)
    return [
        s for s in services if s.namespace == proxy.namespace and s.selector and s.selector.items() <= labels.items()
    ]


@dataclass(frozen=True, kw_only=True)
class Context:
    """For whom a gateway's entry is made, and with what of an earlier snapshot."""

    requests: http_routes.Context
    """The context of HTTP routes; port and gateway are set per server."""

    connections: tcp_routes.Context
    """The context of TCP routes; port and gateway are set per server."""

    parts_of: Callable[[str], tuple[object, ...]]
    """What the routes to a host depend on."""

    entrance: Entrance
    memo: Memo
    key: Hashable


def entry(served: Sequence[Server], rules: Sequence[VirtualService], context: Context) -> Entry:
    """Listeners and tables of a gateway's proxy."""
    bound = context.memo.each(
        ("bound", context.requests.namespace),
        (rules,),
        lambda _, rule: _bound(rule, context.requests.namespace),
    )
    by_gateway: dict[str, list[VirtualService]] = {}
    for rule in in_order(rules, bound):
        for gateway in _gateways_of(rule):
            by_gateway.setdefault(gateway, []).append(rule)
    tables: dict[str, list[Server]] = {}
    chains: dict[int, list[ir.Chain]] = {}
    for server in served:
        if server.table:
            tables.setdefault(server.table, []).append(server)
        into = chains.setdefault(server.port, [])
        where = replace(context.connections, port=server.declared.number, gateways={server.bound})
        for chain in _chains(server, by_gateway.get(server.bound, ()), where, context.entrance):
            if _is_apart(chain, into):
                into.append(chain)
    passed = {server.port for server in served if server.declared.kind == "passthrough"}
    every = [chain.carries for of_port in chains.values() for chain in of_port]
    asked = {carries.table for carries in every if isinstance(carries, ir.Http)}
    return Entry(
        listeners=tuple(
            _listener(port, of_port, context.entrance.telemetry, expects_tls=port in passed)
            for port, of_port in chains.items()
            if of_port
        ),
        tables=tuple(_table(name, same, by_gateway, context) for name, same in tables.items() if name in asked),
    )


def _listener(port: int, chains: Sequence[ir.Chain], telemetry: ir.Telemetry, *, expects_tls: bool) -> ir.Listener:
    return ir.Listener(
        name=f"{ir.ANYWHERE}_{port}",
        port=port,
        side=ir.GATEWAY,
        chains=tuple(chains),
        telemetry=telemetry,
        expects_tls=expects_tls,
    )


def _bound(rule: VirtualService, namespace: str) -> int:
    """The rank of a rule for gateways in a namespace; hidden if it is bound to none."""
    return rank(rule, namespace) if _gateways_of(rule) else HIDDEN


def _gateways_of(rule: VirtualService) -> tuple[str, ...]:
    """The gateways that a rule is bound to."""
    return tuple(g for g in rule.gateways if g != MESH)


def _is_apart(chain: ir.Chain, others: Sequence[ir.Chain]) -> bool:
    """Whether the chain shares no server name with others; Envoy rejects a listener with a name in two chains."""
    names = set(chain.match.server_names)
    if not names:
        return all(other.match.server_names for other in others)
    return not any(names & set(other.match.server_names) for other in others)


def _chains(
    server: Server, rules: Sequence[VirtualService], context: tcp_routes.Context, entrance: Entrance
) -> Iterator[ir.Chain]:
    kind = server.declared.kind
    of_server = names.server_names(server.names) if kind in ("https", "tls") else ()
    if of_server is None:
        return
    if kind == "http":
        yield ir.Chain(carries=_http(server, entrance))
    elif kind == "https":
        match = ir.ChainMatch(server_names=of_server)
        yield ir.Chain(match=match, carries=_http(server, entrance), tls=server.declared.tls)
    elif kind == "passthrough":
        for rule in rules:
            if not names.common_hosts(server.names_for(rule.namespace), rule.hosts):
                continue
            for route in tcp_routes.by_server_name(rule, context):
                # What names a rule has, a server that has one of its hosts takes whole.
                if (of_route := names.server_names(route.server_names)) is not None:
                    yield ir.Chain(match=ir.ChainMatch(server_names=of_route), carries=_tcp(server, route, entrance))
    else:
        for rule in rules:
            route_of_rule = tcp_routes.gateway_tcp(rule, context)
            if route_of_rule is not None and names.common_hosts(server.names_for(rule.namespace), rule.hosts):
                yield ir.Chain(
                    match=ir.ChainMatch(server_names=of_server),
                    carries=_tcp(server, route_of_rule, entrance),
                    tls=server.declared.tls,
                )
                return


def _http(server: Server, entrance: Entrance) -> ir.Http:
    return ir.Http(
        side=ir.GATEWAY,
        stat=f"outbound_{ir.ANYWHERE}_{server.port};",
        table=server.table,
        guard=entrance.guard,
        normalization=entrance.normalization,
        telemetry=entrance.telemetry,
    )


def _tcp(server: Server, route: ir.TcpRoute, entrance: Entrance) -> ir.Tcp:
    stat = route.destinations[0].upstream if route.destinations else f"tcp_{server.port}"
    return ir.Tcp(
        stat=stat, destinations=route.destinations, access=entrance.guard.access, telemetry=entrance.telemetry
    )


@dataclass(kw_only=True)
class _Host:
    """A virtual host while its routes are collected."""

    name: str
    domains: list[str]
    routes: list[tuple[ir.Route, ...]] = field(default_factory=list)
    """The routes of each rule, in order."""

    needs_tls: bool = False


def _table(
    name: str, of_table: Sequence[Server], rules: Mapping[str, Sequence[VirtualService]], context: Context
) -> ir.RouteTable:
    hosts: dict[str, _Host] = {}

    def host_of(host: str, server: Server) -> _Host:
        return hosts.setdefault(host, _Host(name=f"{host}:{server.declared.number}", domains=[host]))

    for server in of_table:
        redirects = server.declared.redirects
        for rule in rules.get(server.bound, ()):
            common = names.common_hosts(server.names_for(rule.namespace), rule.hosts)
            routes = _routes(rule, server, context) if common and rule.http else ()
            for host in common if routes else ():
                into = host_of(host, server)
                into.needs_tls |= redirects
                if not any(routes is other for other in into.routes):
                    into.routes.append(routes)
        for host in server.names if redirects else ():
            host_of(host, server).needs_tls = True
    if not hosts:
        number = of_table[0].declared.number if of_table[0].declared.kind == "https" else of_table[0].port
        alone = ir.VirtualHost(name=f"blackhole:{number}", domains=("*",), routes=())
        return ir.RouteTable(name=name, hosts=(alone,))
    return ir.RouteTable(name=name, hosts=tuple(_collapsed(name, list(hosts.values()), context)))


def _routes(rule: VirtualService, server: Server, context: Context) -> tuple[ir.Route, ...]:
    where = replace(context.requests, port=server.declared.number, gateways={server.bound})
    parts = (rule, *(p for h in rule.destinations for p in context.parts_of(h)))
    key = "gateway", context.key, server.bound, server.declared.number, rule.namespace, rule.name
    return context.memo.get(key, parts, lambda: http_routes.routes(rule, where))


def _collapsed(table: str, hosts: Sequence[_Host], context: Context) -> Iterator[ir.VirtualHost]:
    """Hosts with the same routes share one virtual host; catch-all routes come last."""
    same: dict[object, _Host] = {}
    for host in hosts:
        ids = tuple(id(routes) for routes in host.routes)
        key: Hashable = (ids, host.needs_tls) if ids else host.name
        if key in same:
            same[key].domains += host.domains
        else:
            same[key] = host
    for host in same.values():
        name = "gateway host", context.key, table, host.name, tuple(host.domains), host.needs_tls
        yield context.memo.get(name, tuple(host.routes), lambda host=host: _finished(host))  # type: ignore[misc]


def _finished(host: _Host) -> ir.VirtualHost:
    ordered = sorted((r for routes in host.routes for r in routes), key=lambda r: r.match.is_catch_all)
    return ir.VirtualHost(name=host.name, domains=tuple(host.domains), routes=tuple(ordered), needs_tls=host.needs_tls)
