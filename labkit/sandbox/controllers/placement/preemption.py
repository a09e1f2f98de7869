"""Which pods make room for one of a higher priority. Pure."""

from dataclasses import replace

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.sandbox.controllers.placement.verdict import Scene, refusal_of


def priority_of(pod: Object) -> int:
    """The number behind its priority class."""
    return int(pod["spec"].get("priority") or 0)


def nominated(pod: Object) -> str:
    """The node on which room is being made for a pod."""
    return str((pod.get("status") or {}).get("nominatedNodeName") or "")


def victims(pod: Object, scene: Scene) -> tuple[str, list[Object]] | None:
    """The first node on which a pod fits without some of lower priority, and those; None where none would do."""
    if pod["spec"].get("preemptionPolicy") == "Never":
        return None
    for node in scene.nodes:
        lower = [p for p in scene.on(node) if priority_of(p) < priority_of(pod)]
        if lower and refusal_of(pod, node, _without(scene, lower)) is None:
            return resources.name_of(node), _needed(pod, node, scene, lower)
    return None


def _needed(pod: Object, node: Object, scene: Scene, lower: list[Object]) -> list[Object]:
    """Pods of the highest priority are spared first, of one priority the oldest."""
    gone = sorted(lower, key=lambda p: (-priority_of(p), p["metadata"].get("creationTimestamp", "")))
    for spared in list(gone):
        rest = [p for p in gone if p is not spared]
        if refusal_of(pod, node, _without(scene, rest)) is None:
            gone = rest
    return gone


def _without(scene: Scene, pods: list[Object]) -> Scene:
    uids = {resources.uid_of(p) for p in pods}
    return replace(scene, pods=[p for p in scene.pods if resources.uid_of(p) not in uids])


def waits_for_room(pod: Object, scene: Scene) -> bool:
    """Whether a pod of lower priority is leaving the node on which room is being made."""
    return any(
        p["spec"].get("nodeName") == nominated(pod)
        and p["metadata"].get("deletionTimestamp")
        and priority_of(p) < priority_of(pod)
        for p in scene.pods
    )
