"""How a pod takes part in a mesh: by a sidecar, in ambient mode, as a gateway, or not at all; and what it speaks."""

from dataclasses import dataclass, replace

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh.ambient import enrolment
from labkit.mesh.hosts import workloads

SIDECARS, AMBIENT, GATEWAY, OUTSIDE = "sidecars", "ambient", "gateway", "outside"
"""How a pod takes part in the mesh."""

PROXY = "istio-proxy"
ROUTER = ["proxy", "router"]
"""What the container of a gateway's Envoy is told to be."""

SENDS_TUNNELS = {"name": "ISTIO_META_ENABLE_HBONE", "value": "true"}
"""The variable of a proxy that calls pods in ambient by HBONE."""


@dataclass(frozen=True, kw_only=True)
class Participant:
    """One pod."""

    obj: Object
    kind: str

    takes_tunnels: bool
    """Whether others reach it by HBONE."""

    takes_mutual_tls: bool
    """Whether sidecars and gateways reach it by Istio's mutual TLS."""

    sends_tunnels: bool
    """Whether it calls by HBONE who takes it."""

    @property
    def name(self) -> str:
        """The pod's."""
        return resources.name_of(self.obj)

    @property
    def namespace(self) -> str:
        """The pod's."""
        return resources.namespace_of(self.obj)

    @property
    def has_envoy(self) -> bool:
        """Whether an Envoy of its own calls for it."""
        return self.kind in (SIDECARS, GATEWAY)

    def as_if(self, kind: str) -> "Participant":
        """The same pod, were it in the mesh by ``sidecars`` or ``ambient``."""
        is_ambient = kind == AMBIENT
        return replace(
            self, kind=kind, takes_tunnels=is_ambient, takes_mutual_tls=not is_ambient, sends_tunnels=is_ambient
        )


def of(pod: Object) -> Participant:
    """How a pod takes part."""
    kind, labels = _kind(pod), resources.labels_of(pod)
    return Participant(
        obj=pod,
        kind=kind,
        takes_tunnels=enrolment.speaks_hbone(resources.annotations_of(pod), labels),
        takes_mutual_tls=workloads.speaks_mtls(labels),
        sends_tunnels=kind == AMBIENT or SENDS_TUNNELS in (_proxy(pod).get("env") or ()),
    )


def _kind(pod: Object) -> str:
    if (_proxy(pod).get("args") or [])[:2] == ROUTER:
        return GATEWAY
    if enrolment.SIDECAR in resources.annotations_of(pod):
        return SIDECARS
    return AMBIENT if enrolment.is_redirected(pod) else OUTSIDE


def _proxy(pod: Object) -> Object:
    spec = pod.get("spec") or {}
    every = (c for part in ("initContainers", "containers") for c in spec.get(part) or ())
    return next((c for c in every if c.get("name") == PROXY), {})
