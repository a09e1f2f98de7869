"""Upstreams: where requests and connections go, and how the endpoints there are called."""

from dataclasses import dataclass

from labkit.mesh.hosts.services import Endpoint, Service
from labkit.mesh.ir import bounds
from labkit.mesh.ir.traffic import NO_POLICY, TrafficPolicy

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

    def __post_init__(self) -> None:
        bounds.require_filled(self, "upstream")
        bounds.require_not_negative(self, "weight")


@dataclass(frozen=True, kw_only=True)
class Tls:
    """The TLS settings of connections to an upstream."""

    kind: str
    """``istio`` (the mesh's certificates), ``files`` or ``credential``."""

    sni: str = ""
    names: tuple[str, ...] = ()
    certificate: str = ""
    """The secret with the client certificate; empty for none."""

    authority: str = ""
    """The secret with the trusted authorities; empty if the server is not verified."""

    revoked_file: str = ""
    """The proxy's file with the certificate revocation list."""

    is_http2: bool = False
    skips_verification: bool = False

    def __post_init__(self) -> None:
        bounds.require_one_of(self, "kind", "istio", "files", "credential")


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
    """Whether only endpoints that are marked for TLS get TLS."""

    policy: TrafficPolicy = NO_POLICY
    endpoints: tuple[Endpoint, ...] = ()
    priorities: tuple[str, ...] = ()
    """Labels by which endpoints like the client come first."""

    source: str = ""
    subset: str = ""
    """For a waypoint's upstream, ``http`` or ``tcp``, then a slash and the DestinationRule's subset, if any."""

    tunnels: bool = False
    """Whether any endpoint may be reached by HBONE."""

    tunnels_by_endpoint: bool = False
    """Whether only endpoints that are marked for HBONE are reached by HBONE."""

    def __post_init__(self) -> None:
        bounds.require_filled(self, "name")
        bounds.require_one_of(self, "kind", "EDS", "STRICT_DNS", "LOGICAL_DNS", "ORIGINAL_DST", "FORWARD")
        bounds.require_one_of(self, "http", "", "1", "2", "client")


@dataclass(frozen=True, kw_only=True)
class AppUpstream:
    """The app behind a sidecar, on one of its ports."""

    port: int
    address: str = ""
    """Where a Sidecar object says the app listens; empty for the destination that the connection was meant for."""

    number: int
    """The port that clients call."""

    http: str = ""
    """See ``Upstream.http``."""

    policy: TrafficPolicy = NO_POLICY
    services: tuple[Service, ...] = ()
    """The Services whose ports lead to the app's port."""

    def __post_init__(self) -> None:
        bounds.require_port(self, "port")
        bounds.require_port(self, "number")

    @property
    def name(self) -> str:
        """``inbound|9080||``."""
        return f"inbound|{self.number}||"
