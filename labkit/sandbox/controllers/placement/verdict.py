"""The scheduler's filters in their order, and its sentence about a pod that fits nowhere."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.sandbox.controllers import podstates
from labkit.sandbox.controllers.placement import neighbours, nodes, requests, taints

UNSCHEDULABLE = {"key": "node.kubernetes.io/unschedulable", "effect": taints.NO_SCHEDULE}
EFFECTS = (taints.NO_SCHEDULE, taints.NO_EXECUTE)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Nodes and the pods on them."""

    nodes: Sequence[Object]
    pods: Sequence[Object]
    """Pods that are bound and have not ended."""

    namespaces: dict[str, dict[str, str]] = field(default_factory=dict)
    """Labels of each namespace."""

    def neighbours(self) -> neighbours.Neighbours:
        """The pods with their nodes."""
        by_name = {resources.name_of(node): node for node in self.nodes}
        return neighbours.Neighbours(pods=self.pods, nodes=by_name, namespaces=self.namespaces)

    def on(self, node: Object) -> list[Object]:
        """The pods of a node."""
        return [pod for pod in self.pods if podstates.node_of(pod) == resources.name_of(node)]


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why a node does not take a pod."""

    reasons: tuple[str, ...]
    is_final: bool
    """Whether it would not either if other pods were gone."""


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where a pod goes."""

    node: str = ""
    message: str = ""
    """Why it goes nowhere."""


def place(pod: Object, scene: Scene, *, volumes: str = "") -> Placement:
    """The first node that takes the pod; ``volumes`` says what is wrong with its claims, whatever the node."""
    total = len(scene.nodes)
    if volumes:
        return Placement(message=_sentence(pod, total, f" {volumes}.", [Refusal(reasons=(), is_final=True)] * total))
    refusals = []
    for node in scene.nodes:
        refusal = refusal_of(pod, node, scene)
        if refusal is None:
            return Placement(node=resources.name_of(node))
        refusals.append(refusal)
    counts = Counter(reason for refusal in refusals for reason in refusal.reasons)
    text = ", ".join(sorted(f"{number} {reason}" for reason, number in counts.items()))
    return Placement(message=_sentence(pod, total, f" {text}." if text else "", refusals))


def refusal_of(pod: Object, node: Object, scene: Scene) -> Refusal | None:
    """What the first filter that refuses says; None where all take the pod."""
    spec, on_node = pod["spec"], scene.on(node)
    if node["spec"].get("unschedulable") and not any(
        taints.tolerates(t, UNSCHEDULABLE) for t in spec.get("tolerations") or []
    ):
        return Refusal(reasons=("node(s) were unschedulable",), is_final=True)
    if taints.untolerated(spec, node, EFFECTS):
        return Refusal(reasons=("node(s) had untolerated taint(s)",), is_final=True)
    if not nodes.admits(spec, node):
        return Refusal(reasons=("node(s) didn't match Pod's node affinity/selector",), is_final=True)
    if requests.ports_clash(spec, (p["spec"] for p in on_node)):
        return Refusal(reasons=("node(s) didn't have free ports for the requested pod ports",), is_final=False)
    allocatable = (node.get("status") or {}).get("allocatable")
    if allocatable is not None:
        lacking = list(requests.lacking(spec, (p["spec"] for p in on_node), allocatable))
        if lacking:
            return Refusal(reasons=tuple(text for text, _ in lacking), is_final=any(final for _, final in lacking))
    return _refusal_of_neighbours(pod, node, scene)


def _refusal_of_neighbours(pod: Object, node: Object, scene: Scene) -> Refusal | None:
    others = scene.neighbours()
    for text, is_final in neighbours.spread(pod, node, others):
        return Refusal(reasons=(text,), is_final=is_final)
    if not neighbours.affinity_holds(pod, node, others):
        return Refusal(reasons=("node(s) didn't match pod affinity rules",), is_final=True)
    if not neighbours.anti_affinity_holds(pod, node, others):
        return Refusal(reasons=("node(s) didn't match pod anti-affinity rules",), is_final=False)
    if not neighbours.is_accepted(pod, node, others):
        return Refusal(reasons=("node(s) didn't satisfy existing pods anti-affinity rules",), is_final=False)
    return None


def _sentence(pod: Object, total: int, reasons: str, refusals: Sequence[Refusal]) -> str:
    """``0/1 nodes are available: 1 Insufficient cpu. …``, and what preemption had to say."""
    if not total:
        return "no nodes available to schedule pods"
    if pod["spec"].get("preemptionPolicy") == "Never":
        help_ = "not eligible due to preemptionPolicy=Never."
    else:
        texts = Counter(
            "Preemption is not helpful for scheduling" if r.is_final else "No preemption victims found for incoming pod"
            for r in refusals
        )
        told = ", ".join(sorted(f"{number} {text}" for text, number in texts.items()))
        help_ = f"0/{total} nodes are available: {told}."
    return f"0/{total} nodes are available:{reasons} no new claims to deallocate, preemption: {help_}"
