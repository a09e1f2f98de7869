"""What a pod's status says to a controller: pure questions."""

import datetime

from labkit.kube.resources import Object


def has_ended(pod: Object) -> bool:
    """Whether all of its containers have ended for good."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def is_leaving(pod: Object) -> bool:
    """Whether its deletion was asked for and something may still run."""
    return bool(pod["metadata"].get("deletionTimestamp")) and not has_ended(pod)


def is_active(pod: Object) -> bool:
    """Whether it counts as one of those that should run."""
    return not has_ended(pod) and not pod["metadata"].get("deletionTimestamp")


def condition(pod: Object, kind: str) -> Object | None:
    """One condition of a pod."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    return next((c for c in conditions if c["type"] == kind), None)


def is_ready(pod: Object) -> bool:
    """Whether the pod's Ready condition is true."""
    return (condition(pod, "Ready") or {}).get("status") == "True"


def seconds_to_available(pod: Object, min_ready_seconds: float, now: str) -> float | None:
    """Seconds until a ready pod has been ready long enough: 0 when it has, None when it is not ready."""
    ready = condition(pod, "Ready")
    if ready is None or ready["status"] != "True":
        return None
    if not min_ready_seconds:
        return 0.0
    return max(0.0, min_ready_seconds - seconds_between(ready["lastTransitionTime"], now))


def is_available(pod: Object, min_ready_seconds: float, now: str) -> bool:
    """Whether it has been ready for so many seconds."""
    return seconds_to_available(pod, min_ready_seconds, now) == 0.0


def until_next_available(pods: list[Object], min_ready_seconds: float, now: str) -> float | None:
    """Seconds until one more of the pods is available; None where none will be by time alone."""
    waits = (seconds_to_available(pod, min_ready_seconds, now) for pod in pods)
    return min((wait for wait in waits if wait), default=None)


def seconds_between(earlier: str, later: str) -> float:
    """Seconds from one time of an object to another."""
    return (moment(later) - moment(earlier)).total_seconds()


def moment(text: str) -> datetime.datetime:
    """A time as objects carry it."""
    return datetime.datetime.fromisoformat(text)


def node_of(pod: Object) -> str:
    """The node it is bound to; empty for none."""
    return str(pod["spec"].get("nodeName") or "")
