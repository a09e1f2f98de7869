"""What a Deployment's status says of its ReplicaSets: pure functions of both."""

import datetime
from collections.abc import Sequence

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.sandbox.controllers.deployment_plan import bounds

AVAILABLE, PROGRESSING, FAILURE = "Available", "Progressing", "ReplicaFailure"
COMPLETE, TIMED_OUT, PAUSED = "NewReplicaSetAvailable", "ProgressDeadlineExceeded", "DeploymentPaused"


def status(deployment: Object, newest: Object | None, owned: Sequence[Object], *, now: str) -> Object:
    """The Deployment's status at a time such as ``2026-11-24T10:00:00Z``."""

    def total(name: str) -> int:
        return sum(rs.get("status", {}).get(name, 0) for rs in owned)

    asked = deployment["spec"].get("replicas", 1)
    available, replicas = total("availableReplicas"), total("replicas")
    updated = newest.get("status", {}).get("replicas", 0) if newest else 0
    numbers = {
        "replicas": replicas,
        "updatedReplicas": updated,
        "readyReplicas": total("readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, max(asked, replicas) - available),
    }
    current: Object = {"observedGeneration": deployment["metadata"].get("generation", 1)}
    current |= {name: number for name, number in numbers.items() if number}
    current["terminatingReplicas"] = total("terminatingReplicas")
    current["conditions"] = _conditions(deployment, newest, owned, current, now=now)
    return current


def deadline(deployment: Object, now: str) -> float | None:
    """Seconds until the Deployment is late; None where it is complete, paused or late already."""
    progressing = _of(deployment.get("status", {}).get("conditions") or [], PROGRESSING)
    limit = deployment["spec"].get("progressDeadlineSeconds")
    if limit is None or progressing is None or progressing["reason"] in (COMPLETE, TIMED_OUT, PAUSED):
        return None
    return max(0.0, float(limit) - (_moment(now) - _moment(progressing["lastUpdateTime"])).total_seconds())


def condition(
    kind: str, value: str, reason: str, message: str, *, old: Object | None, now: str, updates: bool = True
) -> Object:
    """A condition; its times move only when it does. ``updates``: whether it knows when it last changed at all."""
    if old is not None and (old["status"], old["reason"], old["message"]) == (value, reason, message):
        return old
    moved = old["lastTransitionTime"] if old is not None and old["status"] == value else now
    times = {"lastUpdateTime": now} if updates else {}
    times["lastTransitionTime"] = moved
    return {"type": kind, "status": value, **times, "reason": reason, "message": message}


def _conditions(
    deployment: Object, newest: Object | None, owned: Sequence[Object], numbers: Object, *, now: str
) -> list[Object]:
    conditions = list(deployment.get("status", {}).get("conditions") or [])
    progress = _progress(deployment, newest, numbers, now=now)
    available = _availability(deployment, numbers)
    # One that has changed goes to the end, so the order tells which came last.
    order = (available, progress) if newest is not None else (progress, available)
    for row in filter(None, order):
        conditions = _with(conditions, row, now=now)
    for rs in owned:
        if failure := _of(rs.get("status", {}).get("conditions") or [], FAILURE):
            return _with(conditions, (FAILURE, failure["status"], failure["reason"], failure["message"]), now=now)
    return [c for c in conditions if c["type"] != FAILURE]


Row = tuple[str, str, str, str]
"""Type, status, reason, message."""


def _availability(deployment: Object, numbers: Object) -> Row:
    _, fewer = bounds(deployment)
    if numbers.get("availableReplicas", 0) >= deployment["spec"].get("replicas", 1) - fewer:
        return AVAILABLE, "True", "MinimumReplicasAvailable", "Deployment has minimum availability."
    return AVAILABLE, "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability."


def _progress(deployment: Object, newest: Object | None, numbers: Object, *, now: str) -> Row | None:
    """How the rollout goes; None for what was said before."""
    before = deployment.get("status", {})
    reason = (_of(before.get("conditions") or [], PROGRESSING) or {}).get("reason", "")
    if deployment["spec"].get("paused"):
        # A rollout that is through, or late, is not called paused.
        done = reason in (COMPLETE, TIMED_OUT)
        return None if done else (PROGRESSING, "Unknown", PAUSED, "Deployment is paused")
    if newest is None:
        return None
    name, asked = resources.name_of(newest), deployment["spec"].get("replicas", 1)
    updated, replicas = numbers.get("updatedReplicas", 0), numbers.get("replicas", 0)
    if reason == PAUSED:
        return PROGRESSING, "Unknown", "DeploymentResumed", "Deployment is resumed"
    if reason == COMPLETE and updated == replicas:
        return None
    if updated == asked and replicas == asked and numbers.get("availableReplicas", 0) >= asked:
        return PROGRESSING, "True", COMPLETE, f'ReplicaSet "{name}" has successfully progressed.'
    if _is_further(before, numbers):
        return PROGRESSING, "True", "ReplicaSetUpdated", f'ReplicaSet "{name}" is progressing.'
    if not reason:
        return PROGRESSING, "True", "NewReplicaSetCreated", f'Created new replica set "{name}"'
    if deadline(deployment, now) == 0.0:
        return PROGRESSING, "False", TIMED_OUT, f'ReplicaSet "{name}" has timed out progressing.'
    return None


def _is_further(before: Object, after: Object) -> bool:
    def grew(name: str) -> bool:
        return bool(after.get(name, 0) > before.get(name, 0))

    def old(numbers: Object) -> int:
        return int(numbers.get("replicas", 0) - numbers.get("updatedReplicas", 0))

    return any(map(grew, ("updatedReplicas", "readyReplicas", "availableReplicas"))) or old(after) < old(before)


def _with(conditions: list[Object], row: Row, *, now: str) -> list[Object]:
    old = _of(conditions, row[0])
    latest = condition(*row, old=old, now=now)
    return conditions if latest is old else [*(c for c in conditions if c["type"] != row[0]), latest]


def _of(conditions: Sequence[Object], kind: str) -> Object | None:
    return next((c for c in conditions if c["type"] == kind), None)


def _moment(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)
