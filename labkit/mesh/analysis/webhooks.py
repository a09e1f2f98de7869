"""IST0139: webhooks that lead to no Service, or that would inject a pod twice."""

from collections.abc import Iterator
from itertools import combinations
from typing import Any

from labkit.mesh.analysis import snapshot
from labkit.mesh.analysis.messages import ERROR, Message, on
from labkit.mesh.analysis.snapshot import Object, Snapshot

Labels = dict[str, str]

NAMESPACES: tuple[Labels, ...] = ({}, {"istio-injection": "enabled"}, {"istio-injection": "disabled"})
PODS: tuple[Labels, ...] = ({}, {"sidecar.istio.io/inject": "true"}, {"sidecar.istio.io/inject": "false"})
"""Istio tries every combination of these labels on every webhook; revisions are those that webhooks name."""


def webhooks(objects: Snapshot) -> Iterator[Message]:
    """Every mutating webhook of an injector."""
    hooks = _hooks(objects)
    services = objects.names("Service")
    for owner, hook in hooks:
        service = (hook.get("clientConfig") or {}).get("service") or {}
        name = f"{service.get('namespace')}/{service.get('name')}"
        if service and name not in services:
            text = "Injector refers to a control plane service that does not exist: "
            yield on(owner, "IST0139", ERROR, f"{text}{service.get('name')}.{service.get('namespace')}.")
    for (owner, hook), (other, rival) in combinations(hooks, 2):
        if any(_takes(hook, *labels) and _takes(rival, *labels) for labels in _combinations(hooks)):
            for one, against in ((owner, other), (other, owner)):
                text = f"Webhook overlaps with others: [{snapshot.name_of(against)}]. This may cause injection to occur"
                yield on(one, "IST0139", ERROR, f"{text} twice.")


def is_injected(objects: Snapshot, namespace: Labels, pod: Labels) -> bool:
    """Whether any injector takes a pod with these labels in a namespace with those."""
    return any(_takes(hook, namespace, pod) for _, hook in _hooks(objects))


def _hooks(objects: Snapshot) -> list[tuple[Object, Any]]:
    """Each webhook of an injector, with its configuration."""
    injectors = [w for w in objects.of("Webhook") if snapshot.labels_of(w).get("app") == "sidecar-injector"]
    return [(owner, hook) for owner in injectors for hook in owner.get("webhooks") or []]


def _combinations(hooks: list[tuple[Object, Any]]) -> list[tuple[Labels, Labels]]:
    revisions = {str(value) for _, hook in hooks for value in _revisions(hook)}
    tags: list[Labels] = [{}, *({"istio.io/rev": revision} for revision in sorted(revisions))]
    return [({**space, **a}, {**pod, **b}) for space in NAMESPACES for pod in PODS for a in tags for b in tags]


def _revisions(hook: Any) -> Iterator[str]:
    for key in ("namespaceSelector", "objectSelector"):
        for expression in (hook.get(key) or {}).get("matchExpressions") or []:
            if expression["key"] == "istio.io/rev":
                yield from expression.get("values") or []


def _takes(hook: Any, space: Labels, pod: Labels) -> bool:
    return _matches(hook.get("namespaceSelector") or {}, space) and _matches(hook.get("objectSelector") or {}, pod)


def _matches(selector: Any, labels: Labels) -> bool:
    if not (selector.get("matchLabels") or {}).items() <= labels.items():
        return False
    return all(_holds(expression, labels) for expression in selector.get("matchExpressions") or [])


def _holds(expression: Any, labels: Labels) -> bool:
    key, values = expression["key"], expression.get("values") or []
    return {
        "In": labels.get(key) in values,
        "NotIn": labels.get(key) not in values,
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }[expression["operator"]]
