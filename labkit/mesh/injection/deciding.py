"""Whether a pod gets a sidecar."""

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import revisions

NEVER = frozenset({"kube-system", "kube-public", "kube-node-lease", "local-path-storage"})
"""Namespaces whose pods are never injected."""

YES = ("true", "yes", "y", "on", "1")


def is_willing(pod: Object) -> bool:
    """Whether a pod that a webhook's selectors chose takes the proxy: by what it says itself, as istiod decides."""
    choice = resources.labels_of(pod).get("sidecar.istio.io/inject")
    choice = choice or resources.annotations_of(pod).get("sidecar.istio.io/inject", "true")
    return choice.lower() in YES and not pod.get("spec", {}).get("hostNetwork")


def is_wanted(pod: Object, namespace: Object, *, revision: str = revisions.DEFAULT) -> bool:
    """By the pod's labels and those of its namespace; the namespace's no is final.

    ``revision`` is the control plane whose labels are asked for; ``istio-injection`` asks for the default one.
    """
    space, own = resources.labels_of(namespace), resources.labels_of(pod)
    if resources.name_of(namespace) in NEVER or pod.get("spec", {}).get("hostNetwork"):
        return False
    switch = space.get("istio-injection")
    if switch == "disabled":
        return False
    choice = own.get("sidecar.istio.io/inject")
    if choice is None and resources.annotations_of(pod).get("sidecar.istio.io/inject") == "false":
        return False
    if choice is not None:
        return choice.lower() in YES
    if switch == "enabled":
        return True
    if switch is None and "istio.io/rev" in space:
        return space["istio.io/rev"] == revision
    return switch is None and own.get("istio.io/rev") == revision
