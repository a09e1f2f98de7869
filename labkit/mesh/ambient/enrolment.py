"""Which pods are in ambient: what istio-cni redirects on the node, and what istiod then reads on the pod."""

from collections.abc import Mapping
from dataclasses import dataclass

from labkit.kube import resources
from labkit.kube.resources import Object

MODE = "istio.io/dataplane-mode"
"""The label of a namespace or pod; a pod's own wins."""

AMBIENT, NONE = "ambient", "none"

REDIRECTION = "ambient.istio.io/redirection"
"""The annotation that istio-cni sets on a pod once its connections go through ztunnel."""

ENABLED = "enabled"

SIDECAR = "sidecar.istio.io/status"
"""The annotation that injection leaves on a pod."""

TUNNEL, TUNNEL_HTTP = "networking.istio.io/tunnel", "http"
"""The label of a pod whose own proxy speaks HBONE."""


@dataclass(frozen=True, kw_only=True)
class Enrolment:
    """Whether a pod is in ambient, and why."""

    is_enrolled: bool
    reason: str
    """A sentence for people: the label that decides, or what keeps the pod out."""


def of(pod: Object, namespace: Object | None) -> Enrolment:
    """Whether istio-cni redirects a pod; ``namespace`` is the pod's Namespace object.

    The rule is istio-cni's: a pod without a sidecar and without the node's network, whose label says ambient, or whose
    namespace's label says so while the pod's does not say none.
    """
    own = resources.labels_of(pod).get(MODE, "")
    of_namespace = resources.labels_of(namespace or {}).get(MODE, "")
    if AMBIENT not in (own, of_namespace):
        return _out(f"neither the pod nor its namespace has the label {MODE}={AMBIENT}")
    if SIDECAR in resources.annotations_of(pod):
        return _out("the pod has a sidecar, and a pod with a sidecar stays out of ambient")
    if own == NONE:
        return _out(f"the pod's label {MODE}={NONE} keeps it out")
    if (pod.get("spec") or {}).get("hostNetwork"):
        return _out("the pod has the node's network (hostNetwork), which cannot be redirected")
    whose = "pod's" if own == AMBIENT else "namespace's"
    return Enrolment(is_enrolled=True, reason=f"the {whose} label {MODE}={AMBIENT}")


def is_redirected(pod: Object) -> bool:
    """Whether istio-cni has finished: from now on istiod tells everybody to call the pod by HBONE."""
    return resources.annotations_of(pod).get(REDIRECTION) == ENABLED


def speaks_hbone(annotations: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether istiod tells others to reach a workload by HBONE."""
    return annotations.get(REDIRECTION) == ENABLED or labels.get(TUNNEL) == TUNNEL_HTTP


def annotation(*, is_enrolled: bool) -> dict[str, str | None]:
    """The merge patch of a pod's annotations that tells istiod; None takes the annotation away."""
    return {REDIRECTION: ENABLED if is_enrolled else None}


def _out(reason: str) -> Enrolment:
    return Enrolment(is_enrolled=False, reason=reason)
