"""What a DaemonSet needs next: a pure decision from its pods and the nodes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.sandbox.controllers import placement, podstates
from labkit.sandbox.controllers.deployment_plan import part
from labkit.sandbox.controllers.podcontrol import pod_of

HASH, GENERATION = "controller-revision-hash", "pod-template-generation"
TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"
"""The annotation by which a DaemonSet counts its templates."""

_NODE = "node.kubernetes.io"
TOLERATED = (
    ("not-ready", "NoExecute"),
    ("unreachable", "NoExecute"),
    ("disk-pressure", "NoSchedule"),
    ("memory-pressure", "NoSchedule"),
    ("pid-pressure", "NoSchedule"),
    ("unschedulable", "NoSchedule"),
)
"""Taints that keep no daemon away: what looks after a node must run on a bad one too."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A DaemonSet, its pods and the nodes at one moment."""

    owner: Object
    pods: Sequence[Object]
    nodes: Sequence[Object]
    mark: str
    """The hash of the present template's revision."""

    now: str

    def on(self, node: str) -> list[Object]:
        """Its pods for a node, the oldest first."""
        there = [p for p in self.pods if target_of(p) == node and not (podstates.has_ended(p) and _is_leaving(p))]
        return sorted(there, key=lambda p: (not p["spec"].get("nodeName"), p["metadata"].get("creationTimestamp", "")))

    def is_available(self, pod: Object) -> bool:
        """Whether a pod has been ready for ``minReadySeconds``."""
        return podstates.is_available(pod, self.owner["spec"].get("minReadySeconds", 0), self.now)

    def is_updated(self, pod: Object) -> bool:
        """Whether it was made of the present template."""
        return resources.labels_of(pod).get(HASH) == self.mark


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Nodes that get a pod, and pods that go."""

    create: tuple[str, ...] = ()
    delete: tuple[Object, ...] = ()
    ended: tuple[Object, ...] = field(default=())
    """Those of ``delete`` that have ended by themselves, which an Event tells."""


def target_of(pod: Object) -> str:
    """The node that a pod is on or is meant for."""
    if name := podstates.node_of(pod):
        return name
    affinity = ((pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    ) or {}
    fields = (f for term in affinity.get("nodeSelectorTerms") or [] for f in term.get("matchFields") or [])
    return next((f["values"][0] for f in fields if f["key"] == "metadata.name"), "")


def should_run(owner: Object, node: Object) -> tuple[bool, bool]:
    """(whether a pod belongs on a node, whether one that is there may stay)."""
    spec = {**owner["spec"]["template"]["spec"]}
    name = spec.get("nodeName")
    spec["tolerations"] = [*(spec.get("tolerations") or []), *_tolerations(spec)]
    if (name and name != resources.name_of(node)) or not placement.admits(spec, node):
        return False, False
    if placement.untolerated(spec, node, ("NoSchedule", "NoExecute")) is None:
        return True, True
    return False, placement.untolerated(spec, node, ("NoExecute",)) is None


def plan(seen: Seen) -> Plan:
    """The next step: pods for nodes that lack one, and the end of those that have no place."""
    create, delete, ended = [], [], []
    for node in seen.nodes:
        belongs, may_stay = should_run(seen.owner, node)
        there = seen.on(resources.name_of(node))
        if belongs and not there:
            create.append(resources.name_of(node))
        elif not may_stay:
            delete += [pod for pod in there if not _is_leaving(pod)]
        else:
            staying = [pod for pod in there if not _is_leaving(pod)]
            ended += [pod for pod in staying if podstates.has_ended(pod)]
            running = [pod for pod in staying if not podstates.has_ended(pod)]
            if not _surges(seen):
                delete += running[1:]
            elif not running and belongs:
                create.append(resources.name_of(node))
            else:
                delete += _beyond_two(seen, running)
    first = Plan(create=tuple(create), delete=(*delete, *ended), ended=tuple(ended))
    return first if create or delete or ended else _rolled(seen)


def _surges(seen: Seen) -> bool:
    return _bounds(seen)[1] > 0


def _beyond_two(seen: Seen, running: Sequence[Object]) -> Iterator[Object]:
    """While a node has an old pod and a new one: all others, and the old one once the new one is available."""
    new = [pod for pod in running if seen.is_updated(pod)]
    old = [pod for pod in running if not seen.is_updated(pod)]
    yield from [*new[1:], *old[1:]]
    if new and old and (not podstates.is_ready(old[0]) or seen.is_available(new[0])):
        yield old[0]


def _bounds(seen: Seen) -> tuple[int, int]:
    """(how many pods may be unavailable, how many nodes may have two) during an update."""
    rolling = (seen.owner["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
    total = sum(should_run(seen.owner, node)[0] for node in seen.nodes)
    unavailable = part(rolling.get("maxUnavailable", 1), total, up=True)
    surge = part(rolling.get("maxSurge", 0), total, up=True)
    return (unavailable if unavailable or surge else 1), surge


def _rolled(seen: Seen) -> Plan:
    """Old pods go, as many at a time as may be unavailable; or new ones come beside them."""
    if (seen.owner["spec"].get("updateStrategy") or {}).get("type", "RollingUpdate") == "OnDelete":
        return Plan()
    most, surge = _bounds(seen)
    unwell: list[tuple[str, Object]] = []
    candidates: list[tuple[str, Object]] = []
    lacking = waiting = 0
    for node in seen.nodes:
        if not should_run(seen.owner, node)[0]:
            continue
        name = resources.name_of(node)
        staying = [pod for pod in seen.on(name) if not _is_leaving(pod)]
        new = [pod for pod in staying if seen.is_updated(pod)]
        old = [pod for pod in staying if not seen.is_updated(pod)]
        waiting += bool(old and new)
        if old and not new:
            (candidates if seen.is_available(old[0]) else unwell).append((name, old[0]))
        elif bool(old) == bool(new) or not seen.is_available(new[0]):
            lacking += 1
    if surge:
        return Plan(create=tuple(name for name, _ in [*unwell, *candidates[: max(0, surge - waiting)]]))
    chosen = [*unwell, *candidates[: max(0, most - lacking - len(unwell))]]
    return Plan(delete=tuple(pod for _, pod in chosen))


def _is_leaving(pod: Object) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp"))


def pod_for(owner: Object, node: str, mark: str) -> Object:
    """The pod of one node, which the scheduler binds to no other."""
    template = owner["spec"]["template"]
    generation = resources.annotations_of(owner).get(TEMPLATE_GENERATION, "1")
    labels = {**((template.get("metadata") or {}).get("labels") or {}), GENERATION: generation, HASH: mark}
    spec = dict(template["spec"])
    spec["tolerations"] = [*(spec.get("tolerations") or []), *_tolerations(spec)]
    spec["affinity"] = _only_on(spec.get("affinity") or {}, node)
    return {**pod_of(owner, template, labels=labels), "spec": spec}


def _tolerations(spec: Mapping[str, object]) -> list[Object]:
    names = [*TOLERATED, *([("network-unavailable", "NoSchedule")] if spec.get("hostNetwork") else [])]
    return [{"key": f"{_NODE}/{name}", "operator": "Exists", "effect": effect} for name, effect in names]


def _only_on(affinity: Object, node: str) -> Object:
    """An affinity whose terms all name the node too."""
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    rest = affinity.get("nodeAffinity") or {}
    only = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    # The wishes of the template were looked at when the node was chosen.
    return {**affinity, "nodeAffinity": {**rest, required: {"nodeSelectorTerms": [only]}}}


def status(seen: Seen, collisions: int | None = None) -> Object:
    """The DaemonSet's status."""
    numbers = dict.fromkeys(("desired", "current", "misscheduled", "ready", "updated", "available"), 0)
    for node in seen.nodes:
        there = seen.on(resources.name_of(node))
        if not should_run(seen.owner, node)[0]:
            numbers["misscheduled"] += bool(there)
            continue
        numbers["desired"] += 1
        if there:
            numbers["current"] += 1
            numbers["ready"] += podstates.is_ready(there[0])
            numbers["available"] += seen.is_available(there[0])
            numbers["updated"] += seen.is_updated(there[0])
    optional = {
        "updatedNumberScheduled": numbers["updated"],
        "numberAvailable": numbers["available"],
        "numberUnavailable": numbers["desired"] - numbers["available"],
        "collisionCount": collisions,
    }
    return {
        "currentNumberScheduled": numbers["current"],
        "numberMisscheduled": numbers["misscheduled"],
        "desiredNumberScheduled": numbers["desired"],
        "numberReady": numbers["ready"],
        "observedGeneration": seen.owner["metadata"].get("generation", 1),
        **{name: value for name, value in optional.items() if value},
    }
