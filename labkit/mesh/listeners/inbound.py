"""Inbound traffic of a sidecar: one listener with chains for each port of the app."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from labkit.mesh import ir, model, protocols
from labkit.mesh.hosts.services import Service
from labkit.mesh.listeners.entrance import Entrance

HELD = frozenset({15000, 15001, 15006, 15008, 15020, 15021, 15090})
"""Ports of the proxy itself, which istio-iptables excludes from capture."""

NAME, PORT = "virtualInbound", 15006
PASSTHROUGH, BLACK_HOLE = "InboundPassthroughCluster", "BlackHoleCluster"

STRICT, PERMISSIVE, DISABLE = "STRICT", "PERMISSIVE", "DISABLE"
HTTP, TCP, SNIFFED = "http", "tcp", "sniffed"
"""How the protocol of a port is known: by its name, or only by the first bytes of each connection."""

# ALPN by which Istio's proxies tell each other what mutual TLS carries (Istio, pilot/pkg/security/authn).
ALPN_HTTP = ("istio-http/1.0", "istio-http/1.1", "istio-h2")
ALPN_TCP = ("istio-peer-exchange", "istio")
ALPN_ANY = ("istio", "istio-peer-exchange", *ALPN_HTTP)
ALPN_PLAIN = ("http/1.1", "h2c")


@dataclass(frozen=True, kw_only=True)
class Inbound:
    """One port of a pod."""

    port: int
    protocol: str
    """Istio's word."""

    services: tuple[Service, ...] = ()
    """The Services whose ports lead to this port, the oldest first."""

    app_address: str = ""
    """Where a Sidecar object says the app listens; empty for the port itself."""

    app_port: int = 0
    pool: Mapping[str, Any] | None = None
    """``connectionPool`` of the Sidecar's listener."""

    @property
    def service(self) -> Service | None:
        """The first Service that leads there: the port carries its name."""
        return self.services[0] if self.services else None

    @property
    def kind(self) -> str:
        """``http``, ``tcp`` or ``sniffed``."""
        if self.protocol == protocols.UNKNOWN:
            return SNIFFED
        return HTTP if protocols.is_http(self.protocol) else TCP


class Selected:
    """The Services that select a pod, indexed by one label of their selectors."""

    def __init__(self, services: Sequence[Service]) -> None:
        self._by_label: dict[tuple[str, str, str], list[tuple[int, Service]]] = {}
        for number, service in enumerate(services):
            if service.is_kubernetes and service.selector:
                key, value = next(iter(service.selector.items()))
                self._by_label.setdefault((service.namespace, key, value), []).append((number, service))

    def by(self, proxy: model.Proxy) -> list[Service]:
        """The Services of a pod, in their order."""
        labels = dict(proxy.labels)
        candidates = [
            numbered
            for key, value in labels.items()
            for numbered in self._by_label.get((proxy.namespace, key, value), ())
            if numbered[1].selector.items() <= labels.items()
        ]
        return [service for _, service in sorted(candidates, key=lambda numbered: numbered[0])]


def ports(own: Sequence[Service], ingress: Sequence[Mapping[str, Any]] = ()) -> list[Inbound]:
    """The ports that the pod's Services target; a Sidecar's ingress listeners replace them."""
    if ingress:
        of_sidecar = (_of_sidecar(i, own) for i in ingress)
        # Of two listeners for one port the first counts.
        first = {port.port: port for port in reversed([p for p in of_sidecar if p.port not in HELD])}
        return list(first.values())
    leading: dict[int, list[tuple[Service, str]]] = {}
    for service in own:
        for number, target in service.targets.items():
            port = service.port(number)
            if port is not None:
                leading.setdefault(target, []).append((service, port.protocol))
    return [
        Inbound(port=target, protocol=behind[0][1], services=tuple(service for service, _ in behind))
        for target, behind in leading.items()
        if target not in HELD
    ]


def _of_sidecar(listener: Mapping[str, Any], own: Sequence[Service]) -> Inbound:
    port = listener.get("port") or {}
    number = int(port.get("number") or 0)
    address, _, app_port = str(listener.get("defaultEndpoint") or "").rpartition(":")
    is_socket = address == "unix"
    return Inbound(
        port=number,
        protocol=protocols.BY_NAME.get(str(port.get("protocol") or "").lower(), protocols.UNKNOWN),
        services=tuple(s for s in own if number in s.targets.values())[:1],
        app_address=f"unix:{app_port}" if is_socket else _local(address),
        app_port=int(app_port) if app_port.isdecimal() else number,
        pool=listener.get("connectionPool"),
    )


def _local(address: str) -> str:
    """``0.0.0.0`` and ``[::]`` stand for the pod's own address: no other than the one that was called."""
    return "" if address in ("", "0.0.0.0", "[::]") else address


def listener(
    ports: Sequence[Inbound],
    modes: Mapping[int, str],
    *,
    default: str,
    entrance: Entrance,
    trust_domains: tuple[str, ...],
) -> ir.Listener:
    """virtualInbound: chains for each port of the app, and for all others.

    ``modes`` is the mutual TLS mode of each port that has one of its own, ``default`` that of all others.
    """
    chains = [_black_hole(entrance.telemetry.metrics)]
    chains += _chains(0, _passthrough(entrance), default, SNIFFED, trust_domains)
    numbers = {port.port for port in ports}
    for number in sorted(modes.keys() - numbers - HELD):
        chains += _chains(number, _passthrough(entrance), modes[number], SNIFFED, trust_domains)
    for port in ports:
        mode = modes.get(port.port, default)
        chains += _chains(port.port, _to_app(port, entrance), mode, port.kind, trust_domains)
    return ir.Listener(name=NAME, port=PORT, side=ir.INBOUND, chains=tuple(chains), telemetry=entrance.telemetry)


def tunneled(ports: Sequence[Inbound], entrance: Entrance) -> ir.Listener:
    """The chains of each port of the app for what comes out of tunnels, which have no TLS inside.

    Envoy takes no listener without a chain: an app without ports has one that nothing matches, as in Istio.
    """
    chains = [
        replace(chain, carries=replace(chain.carries, is_tunneled=True))
        for port in ports
        for chain in _chains(port.port, _to_app(port, entrance), DISABLE, port.kind, ())
    ]
    return ir.Listener(name=NAME, port=PORT, side=ir.INBOUND, chains=tuple(chains) or (_black_hole(None),))


@dataclass(frozen=True, kw_only=True)
class _Way:
    """The filter chains' content for one port: HTTP and TCP."""

    http: ir.Http
    http_name: str
    tcp: ir.Tcp
    tcp_name: str


def _black_hole(metrics: ir.Metrics | None) -> ir.Chain:
    """The chain that drops connections to the listener's own port, which would loop."""
    destinations = (ir.Destination(upstream=BLACK_HOLE),)
    nowhere = ir.Tcp(stat=BLACK_HOLE, destinations=destinations, telemetry=ir.Telemetry(metrics=metrics))
    return ir.Chain(name=f"{NAME}-blackhole", match=ir.ChainMatch(port=PORT), carries=nowhere)


def _passthrough(entrance: Entrance) -> _Way:
    return _Way(
        http=ir.Http(
            side=ir.INBOUND,
            stat=f"{PASSTHROUGH};",
            upstream=PASSTHROUGH,
            operation=":0/*",
            guard=entrance.guard,
            normalization=entrance.normalization,
            telemetry=entrance.telemetry,
        ),
        http_name=f"{NAME}-catchall-http",
        tcp=_tcp(PASSTHROUGH, entrance),
        tcp_name=NAME,
    )


def _tcp(upstream: str, entrance: Entrance) -> ir.Tcp:
    to = (ir.Destination(upstream=upstream),)
    return ir.Tcp(stat=upstream, destinations=to, access=entrance.guard.access, telemetry=entrance.telemetry)


def _to_app(port: Inbound, entrance: Entrance) -> _Way:
    upstream, name = f"inbound|{port.port}||", f"{ir.ANYWHERE}_{port.port}"
    host = port.service.host if port.service else ""
    number = service_port(port)
    http = ir.Http(
        side=ir.INBOUND,
        stat=f"inbound_{name};",
        upstream=upstream,
        port=number,
        operation=f"{host}:{number}/*",
        guard=entrance.guard,
        normalization=entrance.normalization,
        telemetry=entrance.telemetry,
    )
    return _Way(http=http, http_name=name, tcp=_tcp(upstream, entrance), tcp_name=name)


def service_port(port: Inbound) -> int:
    """The port under which clients call it: the Service's, where there is one."""
    targets = port.service.targets if port.service else {}
    return next((number for number, target in targets.items() if target == port.port), port.port)


def _chains(port: int, way: _Way, mode: str, kind: str, trust_domains: tuple[str, ...]) -> Iterator[ir.Chain]:
    """The chains of one port, in Istio's order (authn's ``getFilterChainMatchOptions``)."""

    def http(transport: str, *alpn: str, is_mutual: bool = False) -> ir.Chain:
        return _chain(port, way.http_name, way.http, transport, alpn, trust_domains if is_mutual else None)

    def tcp(transport: str, *alpn: str, is_mutual: bool = False) -> ir.Chain:
        return _chain(port, way.tcp_name, way.tcp, transport, alpn, trust_domains if is_mutual else None)

    tls, raw = "tls", "raw_buffer"
    if mode == STRICT:
        if kind == HTTP:
            yield http(tls, is_mutual=True)
            return
        if kind == SNIFFED:
            yield http(tls, *ALPN_HTTP, is_mutual=True)
        yield tcp(tls, is_mutual=True)
    elif mode == DISABLE:
        if kind == SNIFFED:
            yield http(raw, *ALPN_PLAIN)
        yield http(raw) if kind == HTTP else tcp(raw)
    elif kind == HTTP:
        yield http(tls, *ALPN_ANY, is_mutual=True)
        yield http(raw)
    elif kind == TCP:
        yield tcp(tls, *ALPN_ANY, is_mutual=True)
        yield tcp(tls)
        yield tcp(raw)
    else:
        yield http(tls, *ALPN_HTTP, is_mutual=True)
        yield http(raw, *ALPN_PLAIN)
        yield tcp(tls, *ALPN_TCP, is_mutual=True)
        yield tcp(raw)
        yield tcp(tls)


def _chain(
    port: int,
    name: str,
    carries: ir.Http | ir.Tcp,
    transport: str,
    alpn: tuple[str, ...],
    trust_domains: tuple[str, ...] | None,
) -> ir.Chain:
    is_http = isinstance(carries, ir.Http)
    return ir.Chain(
        name=name,
        match=ir.ChainMatch(port=port, transport=transport, alpn=alpn),
        tls=None if trust_domains is None else ir.MeshTls(is_http=is_http, trust_domains=trust_domains),
        carries=carries,
    )
