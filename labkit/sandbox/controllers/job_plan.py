"""What a Job needs next: a pure decision from its pods."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from labkit.kube.resources import Object

FIRST_BACKOFF, LONGEST_BACKOFF = 10.0, 360.0
"""Seconds between a failure and the next pod, doubling, as the real controller."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The pods of a Job, counted."""

    active: int = 0
    ready: int = 0
    terminating: int = 0
    succeeded: int = 0
    failed: int = 0


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How a Job has ended."""

    kind: str
    """``Complete`` or ``Failed``."""

    reason: str
    message: str


COMPLETED = Verdict(kind="Complete", reason="CompletionsReached", message="Reached expected number of succeeded pods")
TOO_MANY = Verdict(kind="Failed", reason="BackoffLimitExceeded", message="Job has reached the specified backoff limit")
TOO_LONG = Verdict(kind="Failed", reason="DeadlineExceeded", message="Job was active longer than specified deadline")


def ending_of(job: Object) -> str:
    """``Complete`` or ``Failed``; empty while it goes on."""
    conditions = (job.get("status") or {}).get("conditions") or []
    ends = (c["type"] for c in conditions if c["type"] in ("Complete", "Failed") and c["status"] == "True")
    return str(next(ends, ""))


def is_finished(job: Object) -> bool:
    """Whether it is complete or has failed."""
    return bool(ending_of(job))


def verdict(job: Object, seen: Seen, now: str) -> Verdict | None:
    """How the Job has ended; None while it goes on."""
    spec = job["spec"]
    if seen.failed > spec.get("backoffLimit", 6):
        return TOO_MANY
    left = seconds_left(job, now)
    if left is not None and left <= 0:
        return TOO_LONG
    completions = spec.get("completions")
    if completions is None:
        # A work queue: one success says that nothing is left to do.
        return COMPLETED if seen.succeeded and not seen.active else None
    return COMPLETED if seen.succeeded >= completions else None


def missing(job: Object, seen: Seen) -> int:
    """How many pods to make; a negative number is how many to delete."""
    spec = job["spec"]
    if spec.get("suspend"):
        return -seen.active
    wanted: int = spec.get("parallelism", 1)
    if spec.get("completions") is not None:
        wanted = min(wanted, spec["completions"] - seen.succeeded)
    elif seen.succeeded:
        wanted = 0
    return wanted - seen.active


def seconds_left(job: Object, now: str) -> float | None:
    """Until the Job's deadline; None where it has none or has not begun."""
    limit, start = job["spec"].get("activeDeadlineSeconds"), (job.get("status") or {}).get("startTime")
    if limit is None or not start or job["spec"].get("suspend"):
        return None
    return float(limit) - (_moment(now) - _moment(start)).total_seconds()


def age(job: Object, now: str) -> float:
    """Seconds since a finished Job finished."""
    conditions = job["status"]["conditions"]
    return max((_moment(now) - _moment(c["lastTransitionTime"])).total_seconds() for c in conditions)


def backoff(failures: int) -> float:
    """Seconds to wait after so many failures."""
    return min(FIRST_BACKOFF * 2.0 ** (failures - 1), LONGEST_BACKOFF) if failures else 0.0


def status(job: Object, seen: Seen, end: Verdict | None, *, now: str) -> Object:
    """The Job's status."""
    before = job.get("status") or {}
    conditions = list(before.get("conditions") or [])
    if end:
        target = "SuccessCriteriaMet" if end is COMPLETED else "FailureTarget"
        conditions += [_condition(kind, "True", end.reason, end.message, now) for kind in (target, end.kind)]
    elif bool(job["spec"].get("suspend")) != _is_suspended(conditions):
        conditions = [c for c in conditions if c["type"] != "Suspended"]
        word = "suspended" if job["spec"].get("suspend") else "resumed"
        value = "True" if word == "suspended" else "False"
        conditions.append(_condition("Suspended", value, f"Job{word.title()}", f"Job {word}", now))
    numbers = {"active": 0 if end else seen.active, "succeeded": seen.succeeded, "failed": seen.failed}
    found: Object = {"conditions": conditions} if conditions else {}
    if not job["spec"].get("suspend"):
        found["startTime"] = before.get("startTime") or now
    if end is COMPLETED:
        found["completionTime"] = now
    found |= {name: number for name, number in numbers.items() if number}
    return found | {"terminating": seen.terminating, "uncountedTerminatedPods": {}, "ready": seen.ready}


def _is_suspended(conditions: Sequence[Object]) -> bool:
    return any(c["type"] == "Suspended" and c["status"] == "True" for c in conditions)


def _condition(kind: str, value: str, reason: str, message: str, now: str) -> Object:
    times = {"lastProbeTime": now, "lastTransitionTime": now}
    return {"type": kind, "status": value, **times, "reason": reason, "message": message}


def _moment(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)
