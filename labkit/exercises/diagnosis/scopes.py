"""Which Sidecar object decides what a pod's proxy knows."""

from labkit.exercises.diagnosis import cause, objects
from labkit.exercises.diagnosis.cause import Cause
from labkit.exercises.diagnosis.objects import Objects
from labkit.kube import resources
from labkit.kube.resources import Object


def sidecar_of(pod: Object, mesh: Objects) -> Object | None:
    """The oldest that selects the pod, else the oldest of its namespace that selects nobody in particular."""
    own = [s for s in mesh.sidecars if resources.namespace_of(s) == resources.namespace_of(pod)]
    chosen = [s for s in own if labels_of(s) and labels_of(s).items() <= resources.labels_of(pod).items()]
    general = [s for s in own if not labels_of(s)]
    return next(iter([*chosen, *general]), None)


def labels_of(sidecar: Object) -> dict[str, str]:
    """Its workloadSelector; empty where it is for the whole namespace."""
    return (objects.spec_of(sidecar).get("workloadSelector") or {}).get("labels") or {}


def hosts_of(sidecar: Object) -> list[str]:
    """What it lets its pods know, ``namespace/host``."""
    return [str(host) for part in objects.spec_of(sidecar).get("egress") or [] for host in part.get("hosts") or []]


def without_a_say(pod: Object, mesh: Objects) -> list[Cause]:
    """Why Sidecars do not decide about a pod, newest first."""
    deciding = sidecar_of(pod, mesh)
    return [_why(s, pod, deciding, mesh) for s in reversed(mesh.sidecars) if s is not deciding]


def _why(sidecar: Object, pod: Object, deciding: Object | None, mesh: Objects) -> Cause:
    title, labels = objects.title(sidecar), labels_of(sidecar)
    place, own = resources.namespace_of(sidecar), resources.namespace_of(pod)
    if place != own:
        return cause.silent(f"{title} is for the pods of namespace {place}; this pod is in {own}")
    if labels and not labels.items() <= resources.labels_of(pod).items():
        key, value = next((k, v) for k, v in labels.items() if resources.labels_of(pod).get(k) != v)
        has = resources.labels_of(pod).get(key)
        told = f"{key}={has}" if has else f"no label {key}"
        return cause.silent(f"the workloadSelector of {title} asks for {key}={value}, and the pod has {told}")
    if not labels and deciding is not None:
        return cause.silent(
            f"{title} has no workloadSelector, so it is for the whole namespace, where the older "
            f"{objects.title(deciding)} "
            "decides: of several such Sidecars only one has effect"
        )
    older = objects.title(deciding) if deciding is not None else "another"
    return cause.silent(f"{title} selects the pod too, and the older {older} decides")
