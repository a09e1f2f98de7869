"""``nodeSelector`` and node affinity: which nodes a pod asks for."""

from collections.abc import Mapping

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.sandbox.apiserver.labels import Requirement


def admits(pod_spec: Object, node: Object) -> bool:
    """Whether a node is one that the pod asks for; preferences exclude none."""
    labels = resources.labels_of(node)
    if not (pod_spec.get("nodeSelector") or {}).items() <= labels.items():
        return False
    affinity = (pod_spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        return True
    return any(_term_holds(term, labels, resources.name_of(node)) for term in required.get("nodeSelectorTerms") or [])


def _term_holds(term: Object, labels: Mapping[str, str], name: str) -> bool:
    expressions, fields = term.get("matchExpressions") or [], term.get("matchFields") or []
    # A term that says nothing fits no node.
    return bool(expressions or fields) and (
        all(_requirement(e).holds(labels) for e in expressions)
        and all(_requirement(f).holds({"metadata.name": name}) for f in fields)
    )


def _requirement(expression: Object) -> Requirement:
    values = tuple(expression.get("values") or ())
    return Requirement(key=expression["key"], operator=expression["operator"], values=values)
