"""Pods in a few words each: are they ready, and which of them carry a sidecar?"""

from dataclasses import dataclass

from labkit.kube import client, resources
from labkit.kube.resources import Object

PROXY = "istio-proxy"
"""The container's name in every pod of the data plane."""


@dataclass(frozen=True, kw_only=True)
class Workload:
    """One pod."""

    name: str
    namespace: str
    app: str
    """Its label ``app``."""

    version: str
    """Its label ``version``."""

    ready: int
    """Containers that are ready; a sidecar counts."""

    containers: int
    has_sidecar: bool
    phase: str

    @property
    def is_ready(self) -> bool:
        """Whether all of its containers are."""
        return self.ready == self.containers > 0


def pods(api: client.Client, namespace: str | None = None, *, labels: str = "") -> list[Workload]:
    """Every pod of a namespace, or of all, by name."""
    found = api.list(resources.PODS, namespace, labels=labels)
    return sorted((workload(pod) for pod in found), key=lambda w: (w.namespace, w.name))


def workload(pod: Object) -> Workload:
    """The words about one pod. A sidecar may be an init container that keeps running, as Istio's is."""
    spec, state = pod.get("spec", {}), pod.get("status", {})
    running = [c for c in spec.get("initContainers") or [] if c.get("restartPolicy") == "Always"]
    counted = {c["name"] for c in [*running, *(spec.get("containers") or [])]}
    statuses = [*(state.get("initContainerStatuses") or []), *(state.get("containerStatuses") or [])]
    labels = resources.labels_of(pod)
    return Workload(
        name=resources.name_of(pod),
        namespace=resources.namespace_of(pod),
        app=labels.get("app", ""),
        version=labels.get("version", ""),
        ready=sum(bool(s.get("ready")) for s in statuses if s["name"] in counted),
        containers=len(counted),
        has_sidecar=PROXY in counted,
        phase=str(state.get("phase", "")),
    )
