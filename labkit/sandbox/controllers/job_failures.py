"""``podFailurePolicy``: what the end of a pod means for its Job. Pure."""

from collections.abc import Iterator
from typing import NamedTuple

from labkit.kube import resources
from labkit.kube.resources import Object

COUNT, IGNORE, FAIL_INDEX, FAIL_JOB = "Count", "Ignore", "FailIndex", "FailJob"


class Meaning(NamedTuple):
    """What a failed pod means."""

    action: str = COUNT
    message: str = ""
    """Why the whole Job fails."""


def meaning(job: Object, pod: Object) -> Meaning:
    """By the first rule that fits a failed pod; without one its failure counts."""
    for at, rule in enumerate((job["spec"].get("podFailurePolicy") or {}).get("rules") or []):
        reason = _by_exit_code(rule, pod) or _by_condition(rule, pod)
        if reason:
            message = f"{reason} matching {rule['action']} rule at index {at}" if rule["action"] == FAIL_JOB else ""
            return Meaning(rule["action"], message)
    return Meaning()


def _by_exit_code(rule: Object, pod: Object) -> str:
    pattern = rule.get("onExitCodes")
    if not pattern:
        return ""
    for name, code in _exit_codes(pod):
        if pattern.get("containerName") in (None, name) and (code in pattern["values"]) == (
            pattern["operator"] == "In"
        ):
            place = f"{resources.namespace_of(pod)}/{resources.name_of(pod)}"
            return f"Container {name} for pod {place} failed with exit code {code}"
    return ""


def _exit_codes(pod: Object) -> Iterator[tuple[str, int]]:
    """(container, exit code) of those that failed."""
    status = pod.get("status") or {}
    for kind in ("containerStatuses", "initContainerStatuses"):
        for container in status.get(kind) or []:
            ended = (container.get("state") or {}).get("terminated")
            if ended and ended.get("exitCode"):
                yield container["name"], ended["exitCode"]


def _by_condition(rule: Object, pod: Object) -> str:
    conditions = (pod.get("status") or {}).get("conditions") or []
    for pattern in rule.get("onPodConditions") or []:
        value = pattern.get("status") or "True"
        if any((c["type"], c["status"]) == (pattern["type"], value) for c in conditions):
            place = f"{resources.namespace_of(pod)}/{resources.name_of(pod)}"
            return f"Pod {place} has condition {pattern['type']}"
    return ""
