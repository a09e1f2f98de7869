"""Rules about other pods: affinity, anti-affinity, and spreading over topologies."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.sandbox.apiserver import labels
from labkit.sandbox.controllers import podstates
from labkit.sandbox.controllers.placement import nodes as wishes
from labkit.sandbox.controllers.placement import taints

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """The pods that are on nodes."""

    pods: Sequence[Object]
    nodes: Mapping[str, Object]
    namespaces: Mapping[str, Mapping[str, str]]
    """Labels of each namespace."""

    def value(self, pod: Object, key: str) -> str | None:
        """The value of a topology label on a pod's node."""
        node = self.nodes.get(podstates.node_of(pod))
        return resources.labels_of(node).get(key) if node else None

    def fits(self, term: Object, of: Object, pod: Object) -> bool:
        """Whether a term of one pod's (anti-)affinity is about another pod."""
        namespace = resources.namespace_of(pod)
        listed = set(term.get("namespaces") or [])
        selector = term.get("namespaceSelector")
        if not listed and selector is None:
            listed = {resources.namespace_of(of)}
        if namespace not in listed and (
            selector is None or not labels.matches(selector, self.namespaces.get(namespace, {}))
        ):
            return False
        return labels.matches(_selector(term, of), resources.labels_of(pod)) if term.get("labelSelector") else False


def _selector(term: Object, of: Object) -> Object:
    """The label selector of a term, with the pod's own values of ``matchLabelKeys``."""
    selector, own = dict(term["labelSelector"]), resources.labels_of(of)
    more = [{"key": k, "operator": "In", "values": [own[k]]} for k in term.get("matchLabelKeys") or [] if k in own]
    more += [
        {"key": k, "operator": "NotIn", "values": [own[k]]} for k in term.get("mismatchLabelKeys") or [] if k in own
    ]
    return {**selector, "matchExpressions": [*(selector.get("matchExpressions") or []), *more]}


def _terms(pod: Object, kind: str) -> list[Object]:
    affinity = (pod["spec"].get("affinity") or {}).get(kind) or {}
    terms: list[Object] = affinity.get(REQUIRED) or []
    return terms


def affinity_holds(pod: Object, node: Object, others: Neighbours) -> bool:
    """Whether every required neighbour is there; the first of a group that wants itself may begin."""
    terms, topology = _terms(pod, "podAffinity"), resources.labels_of(node)
    if not terms:
        return True
    if any(term["topologyKey"] not in topology for term in terms):
        return False
    near = [p for p in others.pods if all(others.fits(term, pod, p) for term in terms)]
    if all(any(others.value(p, t["topologyKey"]) == topology[t["topologyKey"]] for p in near) for t in terms):
        return True
    return not near and all(others.fits(term, pod, pod) for term in terms)


def anti_affinity_holds(pod: Object, node: Object, others: Neighbours) -> bool:
    """Whether no neighbour that the pod refuses is there."""
    return not any(_is_near(term, pod, p, node, others) for term in _terms(pod, "podAntiAffinity") for p in others.pods)


def is_accepted(pod: Object, node: Object, others: Neighbours) -> bool:
    """Whether no neighbour refuses the pod."""
    topology = resources.labels_of(node)
    return not any(
        others.fits(term, p, pod) and others.value(p, term["topologyKey"]) == topology.get(term["topologyKey"])
        for p in others.pods
        for term in _terms(p, "podAntiAffinity")
        if term["topologyKey"] in topology
    )


def _is_near(term: Object, of: Object, pod: Object, node: Object, others: Neighbours) -> bool:
    value = resources.labels_of(node).get(term["topologyKey"])
    return value is not None and others.value(pod, term["topologyKey"]) == value and others.fits(term, of, pod)


def spread(pod: Object, node: Object, others: Neighbours) -> Iterator[tuple[str, bool]]:
    """(reason, whether no other pod's end would help) for the first constraint that a node breaks."""
    topology = resources.labels_of(node)
    for constraint in pod["spec"].get("topologySpreadConstraints") or []:
        if constraint.get("whenUnsatisfiable", "DoNotSchedule") != "DoNotSchedule":
            continue
        key = constraint["topologyKey"]
        if key not in topology:
            yield "node(s) didn't match pod topology spread constraints (missing required label)", True
            return
        if _skew(constraint, pod, topology[key], others) > constraint["maxSkew"]:
            yield "node(s) didn't match pod topology spread constraints", False
            return


def _skew(constraint: Object, pod: Object, value: str, others: Neighbours) -> int:
    """How many more pods a topology would have than the emptiest one has now."""
    key, selector = constraint["topologyKey"], _selector({"labelSelector": {}, **constraint}, pod)
    has_selector = constraint.get("labelSelector") is not None
    counts = {v: 0 for n in _eligible(constraint, pod, others) if (v := resources.labels_of(n).get(key)) is not None}
    for other in others.pods:
        if resources.namespace_of(other) != resources.namespace_of(pod) or other["metadata"].get("deletionTimestamp"):
            continue
        place = others.value(other, key)
        if place in counts and has_selector and labels.matches(selector, resources.labels_of(other)):
            counts[place] += 1
    least = min(counts.values(), default=0) if len(counts) >= (constraint.get("minDomains") or 1) else 0
    is_own = has_selector and labels.matches(selector, resources.labels_of(pod))
    return counts.get(value, 0) + is_own - least


def _eligible(constraint: Object, pod: Object, others: Neighbours) -> Iterator[Object]:
    """Nodes that count as topologies."""
    effects = (taints.NO_SCHEDULE, taints.NO_EXECUTE)
    for node in others.nodes.values():
        if constraint.get("nodeAffinityPolicy", "Honor") == "Honor" and not wishes.admits(pod["spec"], node):
            continue
        if constraint.get("nodeTaintsPolicy") == "Honor" and taints.untolerated(pod["spec"], node, effects):
            continue
        yield node
