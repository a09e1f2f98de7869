"""What the mesh shall do, between Istio's words and Envoy's: routes, virtual hosts, upstreams and listeners."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from labkit.mesh.hosts.services import Endpoint


@dataclass(frozen=True, kw_only=True)
class Text:
    """How a text is compared."""

    kind: str
    """``exact``, ``prefix``, ``regex`` or ``present``; of paths also ``elements``: a prefix of whole path elements."""

    value: str = ""


@dataclass(frozen=True, kw_only=True)
class Condition:
    """A header or a query parameter that a request must (not) have."""

    name: str
    text: Text
    is_inverted: bool = False


ANY_PATH = Text(kind="prefix", value="/")


@dataclass(frozen=True, kw_only=True)
class Match:
    """Which requests a route is for."""

    path: Text = ANY_PATH
    ignores_case: bool = False
    is_empty: bool = False
    """Whether the rule said nothing at all."""

    headers: tuple[Condition, ...] = ()
    query: tuple[Condition, ...] = ()
    claims: tuple[tuple[tuple[str, ...], Condition], ...] = ()
    """(path of a claim in the request's token, what it must be)."""

    @property
    def is_catch_all(self) -> bool:
        """Whether every request fits."""
        everything = self.path == ANY_PATH or self.path == Text(kind="regex", value="*")
        return everything and not self.headers and not self.query and not self.claims


Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class HeaderChange:
    """What happens to the headers of one direction."""

    set: Pairs = ()
    add: Pairs = ()
    remove: tuple[str, ...] = ()


NO_CHANGE = HeaderChange()


@dataclass(frozen=True, kw_only=True)
class Headers:
    """What happens to the headers of requests and responses."""

    request: HeaderChange = NO_CHANGE
    response: HeaderChange = NO_CHANGE
    authority: str = ""
    """The new Host."""


NO_HEADERS = Headers()


@dataclass(frozen=True, kw_only=True)
class Destination:
    """One upstream of a route."""

    upstream: str
    weight: int = 100
    headers: Headers = NO_HEADERS


@dataclass(frozen=True, kw_only=True)
class Retries:
    """When a failed request is sent again."""

    on: str
    attempts: int
    codes: tuple[int, ...] = ()
    per_try: str = ""
    back_off: str = ""
    avoids_previous_hosts: bool = True
    prefers_other_localities: bool = False


@dataclass(frozen=True, kw_only=True)
class Mirror:
    """Where copies of requests go."""

    upstream: str
    percent: float | None = None
    """None means every request."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """A part of requests, in percent."""

    percent: float
    is_whole: bool = False
    """Whether it is written in whole percents, as the deprecated field is."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Delays and errors on purpose. A share of None is not sent, and Envoy then injects nothing."""

    delay: str = ""
    delay_share: Share | None = None
    status: int | None = None
    grpc_status: int | None = None
    abort_share: Share | None = None


@dataclass(frozen=True, kw_only=True)
class Cors:
    """Which other origins' pages may call."""

    origins: tuple[Text, ...] = ()
    methods: str = ""
    headers: str = ""
    exposed: str = ""
    max_age: str = ""
    credentials: bool | None = None
    forwards_unmatched_preflights: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Forward:
    """A request goes on to an upstream."""

    destinations: tuple[Destination, ...]
    is_weighted: bool = False
    timeout: str = "0s"
    retries: Retries | None = None
    mirrors: tuple[Mirror, ...] = ()
    new_prefix: str = ""
    new_path: tuple[str, str] | None = None
    """Regular expression and what it becomes."""

    authority: str = ""
    hashes: tuple[Mapping[str, Any], ...] = ()
    """What decides which endpoint: Envoy's hash policies."""

    missing_upstream_status: str = ""


@dataclass(frozen=True, kw_only=True)
class Redirect:
    """The client is sent elsewhere."""

    path: str | None = None
    prefix: str | None = None
    authority: str = ""
    scheme: str = ""
    port: int = 0
    code: int = 301


@dataclass(frozen=True, kw_only=True)
class Reply:
    """The proxy answers itself."""

    status: int
    text: str | None = None
    data: str | None = None
    """Base64."""


@dataclass(frozen=True, kw_only=True)
class Route:
    """One way through a virtual host."""

    match: Match
    action: Forward | Redirect | Reply
    name: str = ""
    headers: Headers = NO_HEADERS
    fault: Fault | None = None
    cors: Cors | None = None
    source: str = ""
    """The path of the object that made it."""

    operation: str = ""
    """What traces call it."""


@dataclass(frozen=True, kw_only=True)
class VirtualHost:
    """One or several names with their routes."""

    name: str
    """``reviews.default.svc.cluster.local:9080``."""

    domains: tuple[str, ...]
    routes: tuple[Route, ...]
    needs_tls: bool = False
    is_by_content: bool = True
    """False where the port alone leads here, whatever name a request carries."""


@dataclass(frozen=True, kw_only=True)
class RouteTable:
    """A route configuration."""

    name: str
    hosts: tuple[VirtualHost, ...]
    allows_unknown: bool | None = None
    """What becomes of other names: passed on, refused, or None: nothing is said."""


@dataclass(frozen=True, kw_only=True)
class TcpRoute:
    """Where connections of a listener go."""

    destinations: tuple[Destination, ...]
    server_names: tuple[str, ...] = ()
    ranges: tuple[str, ...] = ()
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class TcpHost:
    """One port of a host that is not routed by request."""

    host: str
    port: int
    domains: tuple[str, ...]
    routes: tuple[TcpRoute, ...]


@dataclass(frozen=True, kw_only=True)
class OutboundListener:
    """A port of other hosts, as a sidecar with captured traffic listens on it."""

    address: str
    port: int
    table: str = ""
    """The route table of HTTP requests; empty where nothing is HTTP."""

    routes: tuple[TcpRoute, ...] = ()
    """Of connections that are not HTTP."""


@dataclass(frozen=True, kw_only=True)
class Tls:
    """How an upstream is called when it is called over TLS."""

    kind: str
    """``istio`` (the mesh's certificates), ``files`` or ``credential``."""

    sni: str = ""
    names: tuple[str, ...] = ()
    certificate: str = ""
    """The secret that holds our certificate; empty for none."""

    authority: str = ""
    """The secret that holds who is trusted; empty where nobody is asked."""

    is_http2: bool = False
    skips_verification: bool = False


@dataclass(frozen=True, kw_only=True)
class Upstream:
    """One Envoy cluster with its endpoints."""

    name: str
    host: str
    service: str
    namespace: str
    kind: str
    """``EDS``, ``STRICT_DNS``, ``LOGICAL_DNS``, ``ORIGINAL_DST``, or ``FORWARD``: where the request's host leads."""

    http: str = ""
    """``1``, ``2`` or ``client`` (whatever the client speaks); empty leaves it to Envoy."""

    tls: Tls | None = None
    is_tls_by_endpoint: bool = False
    """Whether TLS is used for exactly the endpoints that are marked for it."""

    policy: Mapping[str, Any] = field(default_factory=dict)
    endpoints: tuple[Endpoint, ...] = ()
    priorities: tuple[str, ...] = ()
    """Labels by which endpoints like the client come first."""

    source: str = ""


@dataclass(frozen=True, kw_only=True)
class GatewayChain:
    """One way into a gateway's port: by server name where it is TLS."""

    server_names: tuple[str, ...] = ()
    table: str = ""
    tcp: TcpRoute | None = None
    tls: Mapping[str, Any] | None = None
    """The server's ``tls`` where the gateway ends TLS itself."""

    credential_namespace: str = ""


@dataclass(frozen=True, kw_only=True)
class GatewayListener:
    """One port of a gateway."""

    port: int
    node_port: int = 0
    chains: tuple[GatewayChain, ...] = ()
