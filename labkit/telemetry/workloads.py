"""Pods in a few words each: are they ready, and which of them have an Envoy?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labkit.kube import client, resources
from labkit.kube.resources import Object

if TYPE_CHECKING:
    import pandas as pd

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
    has_proxy: bool
    """Whether an Envoy runs in it: a sidecar, or the gateway itself."""

    phase: str

    ip: str
    """Its address; empty while it has none."""
    """``Running``, ``Pending`` …; ``Terminating`` of a pod that is being deleted, as kubectl says it."""

    @property
    def is_ready(self) -> bool:
        """Whether all of its containers are."""
        return self.ready == self.containers > 0


def pods(api: client.Client, namespace: str | None = None, *, labels: str = "") -> list[Workload]:
    """Every pod of a namespace, or of all, by name."""
    listed = api.list(resources.PODS, namespace, labels=labels)
    return sorted((workload(pod) for pod in listed), key=lambda w: (w.namespace, w.name))


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
        has_proxy=PROXY in counted,
        phase="Terminating" if "deletionTimestamp" in pod["metadata"] else str(state.get("phase", "")),
        ip=str(state.get("podIP", "")),
    )


def frame(workloads: Sequence[Workload]) -> "pd.DataFrame":
    """A row a pod, by name: app, version, ``ready`` as ``2/2``, phase, has_proxy."""
    import pandas as pd

    rows = [(w.name, w.app, w.version, f"{w.ready}/{w.containers}", w.phase, w.has_proxy) for w in workloads]
    columns = ["pod", "app", "version", "ready", "phase", "has_proxy"]
    return pd.DataFrame(rows, columns=columns).set_index("pod")
