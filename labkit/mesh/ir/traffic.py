"""How an upstream is called: its connections, endpoints that fail, the choice of the next one. Times are in seconds."""

from dataclasses import dataclass

from labkit.mesh.ir import bounds


@dataclass(frozen=True, kw_only=True)
class Keepalive:
    """Probes on idle TCP connections; what is None is the system's own."""

    probes: int | None = None
    time: float | None = None
    interval: float | None = None

    def __post_init__(self) -> None:
        bounds.require_not_negative(self, "probes", "time", "interval")


@dataclass(frozen=True, kw_only=True)
class ConnectionPool:
    """Limits of connections and requests to all endpoints together; None is no limit."""

    connect_timeout: float = 10.0
    keepalive: Keepalive | None = None
    idle_timeout: float | None = None
    max_duration: float | None = None
    """Seconds after which a connection ends, used or not."""

    connections: int | None = None
    pending_requests: int | None = None
    requests: int | None = None
    retries: int | None = None
    requests_per_connection: int | None = None
    streams: int | None = None
    """HTTP/2 requests at a time on one connection."""

    def __post_init__(self) -> None:
        bounds.require_not_negative(self, "connect_timeout", "idle_timeout", "max_duration")


@dataclass(frozen=True, kw_only=True)
class RetryBudget:
    """Retries allowed as a share of the requests in flight."""

    percent: float = 20.0
    least: int = 3
    """Retries that are always allowed."""

    def __post_init__(self) -> None:
        bounds.require_not_negative(self, "percent", "least")


@dataclass(frozen=True, kw_only=True)
class Outliers:
    """When an endpoint that fails is left alone; counts of None are not looked at."""

    interval: float | None = None
    ejection_time: float | None = None
    max_ejected_percent: int | None = None
    errors: int | None = None
    """5xx answers in a row."""

    gateway_errors: int | None = None
    """502, 503 and 504 in a row."""

    local_errors: int | None = None
    """Connections in a row that failed on this side; counted apart only where ``splits_local``."""

    splits_local: bool = False
    panic_percent: int | None = None
    """Per cent of healthy endpoints below which all are used again."""

    def __post_init__(self) -> None:
        bounds.require_not_negative(self, "interval", "ejection_time", "errors", "gateway_errors", "local_errors")


@dataclass(frozen=True, kw_only=True)
class SlowStart:
    """A new endpoint gets its share of requests little by little."""

    window: float
    least_percent: float | None = None
    aggression: float | None = None

    def __post_init__(self) -> None:
        bounds.require_not_negative(self, "window", "least_percent")


@dataclass(frozen=True, kw_only=True)
class Balancer:
    """Who gets the next request."""

    kind: str = "LEAST_REQUEST"
    """``LEAST_REQUEST``, ``ROUND_ROBIN``, ``RANDOM``, ``RING_HASH`` or ``MAGLEV``."""

    size: int | None = None
    """The size of the ring or the table."""

    slow_start: SlowStart | None = None


@dataclass(frozen=True, kw_only=True)
class TrafficPolicy:
    """All of it."""

    pool: ConnectionPool = ConnectionPool()
    outliers: Outliers | None = None
    balancer: Balancer = Balancer()
    retry_budget: RetryBudget | None = None
    proxy_protocol: str = ""
    """The version of the PROXY protocol that is spoken first; empty for none."""


NO_POLICY = TrafficPolicy()


@dataclass(frozen=True, kw_only=True)
class Hash:
    """What of a request decides which endpoint it goes to."""

    kind: str
    """``header``, ``cookie``, ``source`` or ``query``."""

    name: str = ""
    path: str = ""
    ttl: float | None = None
    attributes: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        bounds.require_not_negative(self, "ttl")
