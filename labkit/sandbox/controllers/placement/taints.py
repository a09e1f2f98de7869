"""Taints of nodes, and the tolerations of pods."""

from collections.abc import Collection, Iterable

from labkit.kube.resources import Object

NO_SCHEDULE, NO_EXECUTE = "NoSchedule", "NoExecute"


def tolerates(toleration: Object, taint: Object) -> bool:
    """Whether one toleration is for a taint; no key is for all keys, no effect for all effects."""
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    key, value = toleration.get("key") or "", toleration.get("value") or ""
    if key and key != taint["key"]:
        return False
    match toleration.get("operator") or "Equal":
        case "Exists":
            return True
        case "Equal":
            return bool(key) and value == (taint.get("value") or "")
        case operator:
            return _compares(operator, taint.get("value") or "", value)


def _compares(operator: str, left: str, right: str) -> bool:
    try:
        return int(left) > int(right) if operator == "Gt" else int(left) < int(right)
    except ValueError:
        return False


def untolerated(pod_spec: Object, node: Object, effects: Collection[str]) -> Object | None:
    """The first taint of some effects that a pod does not tolerate."""
    tolerations = pod_spec.get("tolerations") or []
    taints = (taint for taint in node["spec"].get("taints") or [] if taint["effect"] in effects)
    return next((taint for taint in taints if not any(tolerates(t, taint) for t in tolerations)), None)


def seconds_left(pod_spec: Object, taints: Iterable[Object]) -> float | None:
    """How long a pod may stay on a node with these NoExecute taints; None for ever, 0 for not at all."""
    limits: list[float] = []
    for taint in taints:
        matching = [t for t in pod_spec.get("tolerations") or [] if tolerates(t, taint)]
        if not matching:
            return 0.0
        limits += [max(0.0, t["tolerationSeconds"]) for t in matching if t.get("tolerationSeconds") is not None]
    return min(limits, default=None)
