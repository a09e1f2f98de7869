"""Listeners: what a proxy accepts, how it tells connections apart, and what becomes of each."""

from dataclasses import dataclass

from labkit.mesh.ir import bounds
from labkit.mesh.ir.access import FREE, Access
from labkit.mesh.ir.routes import Route
from labkit.mesh.ir.telemetry import NO_TELEMETRY, Telemetry
from labkit.mesh.ir.tokens import Tokens
from labkit.mesh.ir.upstreams import Destination

ANYWHERE = "0.0.0.0"
"""The address of listeners for every destination of a port."""

INBOUND, OUTBOUND, GATEWAY, WAYPOINT = "inbound", "outbound", "gateway", "waypoint"
"""The sides of a proxy: what comes in for a sidecar's app, what the app sends, what comes in at a gateway, and what
goes through a waypoint."""


@dataclass(frozen=True, kw_only=True)
class TcpRoute:
    """The destinations of connections that are not routed per request."""

    destinations: tuple[Destination, ...]
    server_names: tuple[str, ...] = ()
    ranges: tuple[str, ...] = ()
    """Destination addresses: ``203.0.113.0/24``."""

    source: str = ""
    """The path of the object that made it."""


@dataclass(frozen=True, kw_only=True)
class ChainMatch:
    """The connections a filter chain takes; what is empty matches everything."""

    port: int = 0
    """The destination port."""

    transport: str = ""
    """``tls`` or ``raw_buffer``."""

    alpn: tuple[str, ...] = ()
    """Protocols offered by TLS, or found in the first bytes."""

    server_names: tuple[str, ...] = ()
    ranges: tuple[str, ...] = ()
    """Destination addresses."""

    @property
    def is_everything(self) -> bool:
        """Whether it matches every connection."""
        return self == EVERYTHING

    def __post_init__(self) -> None:
        bounds.require_port(self, "port")


EVERYTHING = ChainMatch()


@dataclass(frozen=True, kw_only=True)
class MeshTls:
    """A sidecar ends mutual TLS with clients of the mesh."""

    is_http: bool
    trust_domains: tuple[str, ...]

    def __post_init__(self) -> None:
        bounds.require_filled(self, "trust_domains")


@dataclass(frozen=True, kw_only=True)
class EdgeTls:
    """A gateway ends TLS with its clients."""

    is_http: bool
    certificates: tuple[str, ...]
    """The Secrets with its certificates, one per key type."""

    authority: str = ""
    """The secret with the authorities it trusts; empty if it requests no client certificate."""

    revoked_file: str = ""
    """The proxy's file with the certificate revocation list."""

    requires_certificate: bool = False
    names: tuple[str, ...] = ()
    """A client's certificate must carry one of these names; empty accepts any."""

    least_version: str = ""
    """``1.2``; empty for Envoy's own."""

    last_version: str = ""
    suites: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for field in ("least_version", "last_version"):
            bounds.require_one_of(self, field, "", "1.0", "1.1", "1.2", "1.3")


@dataclass(frozen=True, kw_only=True)
class Guard:
    """The checks that a proxy applies to incoming requests."""

    tokens: Tokens | None = None
    access: Access = FREE


OPEN = Guard()
"""Nothing."""

BASE = "BASE"
"""How paths are normalised unless the mesh says otherwise: ``.`` and ``..`` are resolved, backslashes turned."""


@dataclass(frozen=True, kw_only=True)
class Http:
    """Connections whose requests are routed one by one."""

    side: str
    stat: str
    """The prefix of its statistics."""

    table: str = ""
    """The route table; empty where every request goes to one upstream."""

    upstream: str = ""
    routes: tuple[Route, ...] = ()
    """A waypoint's routes, which are inline in its listener."""

    port: int = 0
    """The port under which clients call the app behind ``upstream``; 0 where it is not known beforehand."""

    operation: str = ""
    """The name of such requests in traces: ``reviews.default.svc.cluster.local:9080/*``."""

    is_proxy: bool = False
    """Whether requests name their destination in the request line, as to an HTTP proxy."""

    looks_up_hosts: bool = False
    """Whether some upstream of its routes resolves the host name of each request."""

    guard: Guard = OPEN
    is_tunneled: bool = False
    """Whether these connections leave a tunnel, which has recorded the caller's identity."""

    normalization: str = BASE
    """``NONE``, ``BASE``, ``MERGE_SLASHES`` or ``DECODE_AND_MERGE_SLASHES``; each does what those before it do."""

    telemetry: Telemetry = NO_TELEMETRY

    def __post_init__(self) -> None:
        bounds.require_one_of(self, "side", INBOUND, OUTBOUND, GATEWAY, WAYPOINT)
        bounds.require_filled(self, "stat")
        bounds.require_port(self, "port")


@dataclass(frozen=True, kw_only=True)
class Tcp:
    """Connections that are carried on byte by byte."""

    stat: str
    destinations: tuple[Destination, ...]
    access: Access = FREE
    is_tunneled: bool = False
    """See ``Http.is_tunneled``."""

    telemetry: Telemetry = NO_TELEMETRY


@dataclass(frozen=True, kw_only=True)
class Chain:
    """One way into a listener."""

    carries: Http | Tcp
    match: ChainMatch = EVERYTHING
    tls: MeshTls | EdgeTls | None = None
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class Listener:
    """One listener."""

    name: str
    port: int
    side: str
    chains: tuple[Chain, ...]
    default: Chain | None = None
    """The chain for connections that no other chain matches."""

    address: str = ANYWHERE
    is_bound: bool = True
    """Whether it listens itself; others are handed connections by their original destination."""

    hands_over: bool = False
    """Whether connections go to the listener of their original destination."""

    expects_tls: bool = False
    """Whether it inspects TLS although no chain requires it."""

    telemetry: Telemetry = NO_TELEMETRY
    """Its access logs cover connections that no chain matches."""

    def __post_init__(self) -> None:
        bounds.require_filled(self, "name")
        bounds.require_port(self, "port")
