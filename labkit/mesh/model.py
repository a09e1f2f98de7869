"""What goes into a translation and what comes out."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from labkit.base import versions
from labkit.kube.resources import Object

if TYPE_CHECKING:
    from labkit.mesh.place import Place

Resource = dict[str, Any]
"""One Envoy resource in proto3 JSON with snake_case names."""

ISTIO_VERSION = versions.istio()
"""The version of Istio that is followed."""

TRUST_DOMAIN = "cluster.local"
DOMAIN = "cluster.local"
"""The DNS domain of Services."""


def trust_domain(mesh_config: Mapping[str, Any]) -> str:
    """The domain in front of every identity: ``spiffe://DOMAIN/ns/…``."""
    return str(mesh_config.get("trustDomain") or TRUST_DOMAIN)


def trust_domains(mesh_config: Mapping[str, Any]) -> tuple[str, ...]:
    """The trust domain, and those that count as the same one."""
    aliases = map(str, mesh_config.get("trustDomainAliases") or ())
    return tuple(dict.fromkeys((trust_domain(mesh_config), *aliases)))


@dataclass(frozen=True, kw_only=True)
class Proxy:
    """One Envoy."""

    name: str
    """Its pod."""

    namespace: str

    role: str
    """``sidecar``, ``router`` or ``waypoint``."""

    ip: str
    """The pod's address."""

    labels: Mapping[str, str] = field(default_factory=dict)
    """The pod's labels."""

    service_account: str = "default"
    certificate_seconds: float = 0.0
    """The life of the certificate that it asks for; 0 leaves it to the authority."""
    workload: str = ""
    """The Deployment or other owner of the pod, by its node's metadata."""

    version: str = ISTIO_VERSION
    """The version of Istio's proxy."""

    metadata: Mapping[str, str] = field(default_factory=dict)
    """What of the node's metadata is text."""

    place: "Place | None" = None
    """Where it runs, if in a sandbox; elsewhere Istio's own addresses are right."""

    @property
    def key(self) -> str:
        """``pod.namespace``, as istiod's pages call it."""
        return f"{self.name}.{self.namespace}"


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Every object that matters, at one moment."""

    objects: Mapping[str, Sequence[Object]]
    """By plural and group: ``services``, ``virtualservices.networking.istio.io``."""

    root_namespace: str = "istio-system"
    mesh_config: Mapping[str, Any] = field(default_factory=dict)
    is_ambient: bool = False
    """Whether istiod runs with ``PILOT_ENABLE_AMBIENT``: without it nobody is in ambient, and no waypoint counts."""

    keys: Mapping[str, str] = field(default_factory=dict)
    """Keys of token issuers that were fetched: URI → JWKS."""

    secret_readers: Container[tuple[str, str]] | None = None
    """Service accounts, by namespace and name, that may list the Secrets of their namespace; None for all of them."""

    def of(self, name: str) -> Sequence[Object]:
        """Objects of one resource, oldest first: where two say different things, the older one wins."""
        return self.objects.get(name, ())


@dataclass(frozen=True, kw_only=True)
class Config:
    """All resources of one Envoy, by name."""

    clusters: Mapping[str, Resource] = field(default_factory=dict)
    endpoints: Mapping[str, Resource] = field(default_factory=dict)
    listeners: Mapping[str, Resource] = field(default_factory=dict)
    routes: Mapping[str, Resource] = field(default_factory=dict)
    extensions: Mapping[str, Resource] = field(default_factory=dict)
    secrets: Mapping[str, Resource] = field(default_factory=dict)
    """Certificates of others; a proxy's own come from the authority."""

    denied_secrets: tuple[str, ...] = ()
    """Secrets that its configuration names and that it may not have."""
