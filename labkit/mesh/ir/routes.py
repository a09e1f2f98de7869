"""Requests: what is matched, what happens to it, and the tables that hold the routes."""

from dataclasses import dataclass

from labkit.mesh.ir import bounds
from labkit.mesh.ir.traffic import Hash
from labkit.mesh.ir.upstreams import NO_HEADERS, Destination, Headers


@dataclass(frozen=True, kw_only=True)
class Text:
    """How a text is compared."""

    kind: str
    """``exact``, ``prefix``, ``suffix``, ``regex`` or ``present``; of paths also ``elements`` (a prefix of whole path
    elements) and ``template`` (``/v/*/items/**``); of addresses ``range``."""

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


@dataclass(frozen=True, kw_only=True)
class Retries:
    """When a failed request is sent again."""

    on: str
    attempts: int
    codes: tuple[int, ...] = ()
    per_try: float | None = None
    """Seconds that each try may take; None for as long as the request."""

    back_off: float | None = None
    """Seconds before the first retry, more before each further one; None for Envoy's own 25 ms."""

    avoids_previous_hosts: bool = True
    prefers_other_localities: bool = False

    def __post_init__(self) -> None:
        bounds.require_not_negative(self, "attempts", "per_try", "back_off")


@dataclass(frozen=True, kw_only=True)
class Mirror:
    """Where copies of requests go."""

    upstream: str
    percent: float | None = None
    """None means every request."""

    def __post_init__(self) -> None:
        bounds.require_not_negative(self, "percent")


@dataclass(frozen=True, kw_only=True)
class Share:
    """A part of requests, in percent."""

    percent: float
    is_whole: bool = False
    """Whether it is written in whole percents, as the deprecated field is."""

    def __post_init__(self) -> None:
        bounds.require_not_negative(self, "percent")


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Delays and errors on purpose. A share of None is not sent, and Envoy then injects nothing."""

    delay: float | None = None
    """Seconds."""

    delay_share: Share | None = None
    status: int | None = None
    grpc_status: int | None = None
    abort_share: Share | None = None

    def __post_init__(self) -> None:
        bounds.require_not_negative(self, "delay")


@dataclass(frozen=True, kw_only=True)
class Cors:
    """Which other origins' pages may call."""

    origins: tuple[Text, ...] = ()
    methods: str = ""
    headers: str = ""
    exposed: str = ""
    max_age: float | None = None
    """Seconds for which a browser may remember the answer."""

    credentials: bool | None = None
    forwards_unmatched_preflights: bool | None = None

    def __post_init__(self) -> None:
        bounds.require_not_negative(self, "max_age")


@dataclass(frozen=True, kw_only=True)
class Forward:
    """A request goes on to an upstream."""

    destinations: tuple[Destination, ...]
    is_weighted: bool = False
    timeout: float = 0.0
    """Seconds for the whole request with its retries; 0 for no limit."""

    retries: Retries | None = None
    mirrors: tuple[Mirror, ...] = ()
    new_prefix: str = ""
    new_path: tuple[str, str] | None = None
    """Regular expression and what it becomes."""

    authority: str = ""
    hashes: tuple[Hash, ...] = ()
    """What decides which endpoint, all of it together."""

    missing_upstream_status: str = ""

    def __post_init__(self) -> None:
        bounds.require_filled(self, "destinations")
        bounds.require_not_negative(self, "timeout")


@dataclass(frozen=True, kw_only=True)
class Redirect:
    """The client is sent elsewhere."""

    path: str | None = None
    prefix: str | None = None
    authority: str = ""
    scheme: str = ""
    port: int = 0
    code: int = 301

    def __post_init__(self) -> None:
        bounds.require_port(self, "port")


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

    def __post_init__(self) -> None:
        bounds.require_filled(self, "name", "domains")


@dataclass(frozen=True, kw_only=True)
class RouteTable:
    """A route configuration."""

    name: str
    hosts: tuple[VirtualHost, ...]
    allows_unknown: bool | None = None
    """What becomes of other names: passed on, refused, or None: nothing is said."""

    def __post_init__(self) -> None:
        bounds.require_filled(self, "name")
