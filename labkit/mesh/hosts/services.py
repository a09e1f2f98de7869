"""The hosts of the mesh as records: ports, endpoints, and who may see them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from labkit.mesh.hosts import visibility


@dataclass(frozen=True, kw_only=True)
class Port:
    """One port of a host."""

    number: int
    name: str
    protocol: str
    """Istio's word: ``HTTP``, ``HTTP2``, ``GRPC``, ``TCP``, ``TLS``, ``UNSUPPORTED`` …"""


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One ready address behind a port."""

    address: str
    port: int
    labels: Mapping[str, str]
    account: str
    """``namespace/service account``; empty when unknown."""

    speaks_mtls: bool
    weight: int = 1
    locality: tuple[str, ...] = ()
    """Region, zone, sub-zone; as many as are known."""

    speaks_hbone: bool = False
    """Whether it is reached through a tunnel, as ambient's pods are."""

    waypoint: str = ""
    """``10.0.0.9:15008``: where its tunnel ends, when that is not the endpoint itself."""

    workload: str = ""
    """``reviews-v1;default;reviews;v1;Kubernetes``, as Istio notes it on endpoints."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """One host: a Kubernetes Service or one name of a ServiceEntry."""

    host: str
    """``reviews.default.svc.cluster.local``."""

    name: str
    namespace: str
    ports: tuple[Port, ...]
    endpoints: Mapping[int, tuple[Endpoint, ...]]
    """By service port."""

    address: str = ""
    """ClusterIP; empty for a headless one."""

    addresses: tuple[str, ...] = ()
    """All addresses under which it is called, of a ServiceEntry also ranges."""

    resolution: str = "STATIC"
    """``STATIC``, ``DNS``, ``DNS_ROUND_ROBIN``, or ``NONE``: wherever the client wanted to go."""

    certified_names: tuple[str, ...] = ()
    """``subjectAltNames`` of a ServiceEntry: names that certificates of its endpoints must have."""

    is_external: bool = False
    """Outside the mesh: no mutual TLS by itself."""

    is_plain: bool = False
    """Whether mutual TLS is switched off for its whole namespace."""

    is_kubernetes: bool = True
    is_headless: bool = False
    exported_to: visibility.Audience = visibility.EVERYONE
    aliases: tuple[tuple[str, str], ...] = ()
    """(name, namespace) of ExternalName Services that stand for this host."""

    entrances: Mapping[int, tuple[Endpoint, ...]] = field(default_factory=dict)
    """By service port: its waypoint's pods, where gateways send requests first; empty where they do not."""

    selector: Mapping[str, str] = field(default_factory=dict)
    targets: Mapping[int, int] = field(default_factory=dict)
    """Service port → port of the pods."""

    node_ports: Mapping[int, int] = field(default_factory=dict)
    """Service port → node port."""

    def port(self, number: int) -> Port | None:
        """The port of a number."""
        return next((p for p in self.ports if p.number == number), None)

    @property
    def accounts(self) -> tuple[str, ...]:
        """The service accounts behind the host: whoever answers must be one of them."""
        every = {e.account for ready in self.endpoints.values() for e in ready if e.account}
        return tuple(sorted(every))
