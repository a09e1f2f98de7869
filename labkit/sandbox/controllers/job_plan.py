"""What a Job needs next: a pure decision from its pods."""

from collections.abc import Sequence
from dataclasses import dataclass

from labkit.kube.resources import Object
from labkit.sandbox.controllers import job_indexes
from labkit.sandbox.controllers.podstates import seconds_between

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
    succeeded_indexes: frozenset[int] = frozenset()
    failed_indexes: frozenset[int] = frozenset()
    """Those that are not tried again."""

    restarts: int = 0
    """Restarts of containers in pods that go on."""

    fatal: str = ""
    """Why a pod's failure is the Job's, by its ``podFailurePolicy``."""


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
FAILED_INDEXES = Verdict(kind="Failed", reason="FailedIndexes", message="Job has failed indexes")
TOO_MANY_INDEXES = Verdict(
    kind="Failed",
    reason="MaxFailedIndexesExceeded",
    message="Job has exceeded the specified maximal number of failed indexes",
)


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
    if seen.fatal:
        return Verdict(kind="Failed", reason="PodFailurePolicy", message=seen.fatal)
    if _is_over_limit(spec, seen):
        return TOO_MANY
    left = seconds_left(job, now)
    if left is not None and left <= 0:
        return TOO_LONG
    completions = spec.get("completions")
    if completions is None:
        # A work queue: one success says that nothing is left to do.
        return COMPLETED if seen.succeeded and not seen.active else None
    if end := _by_indexes(spec, seen):
        return end
    return COMPLETED if seen.succeeded >= completions else None


def _is_over_limit(spec: Object, seen: Seen) -> bool:
    limit = spec.get("backoffLimit", 6)
    if seen.failed > limit:
        return True
    restarts_in_place = (spec.get("template") or {}).get("spec", {}).get("restartPolicy") == "OnFailure"
    return restarts_in_place and (seen.restarts > 0 if limit == 0 else seen.restarts >= limit)


def _by_indexes(spec: Object, seen: Seen) -> Verdict | None:
    failed, most = len(seen.failed_indexes), spec.get("maxFailedIndexes")
    if most is not None and failed > most:
        return TOO_MANY_INDEXES
    if failed and failed + len(seen.succeeded_indexes) >= spec["completions"]:
        return FAILED_INDEXES
    for at, rule in enumerate((spec.get("successPolicy") or {}).get("rules") or []):
        if _is_met(rule, spec["completions"], seen.succeeded_indexes):
            return Verdict(kind="Complete", reason="SuccessPolicy", message=f"Matched rules at index {at}")
    return None


def _is_met(rule: Object, completions: int, succeeded: frozenset[int]) -> bool:
    """Whether enough indexes of a ``successPolicy`` rule have succeeded."""
    count = rule.get("succeededCount")
    if rule.get("succeededIndexes") is None:
        return bool(succeeded) and count is not None and len(succeeded) >= count
    target = job_indexes.parse(rule["succeededIndexes"], completions)
    done = len(target & succeeded)
    return bool(target) and (done == len(target) or (count is not None and done >= count))


def missing(job: Object, seen: Seen) -> int:
    """How many pods to make; a negative number is how many to delete."""
    spec = job["spec"]
    if spec.get("suspend"):
        return -seen.active
    target: int = spec.get("parallelism", 1)
    if spec.get("completions") is not None:
        target = max(0, min(target, spec["completions"] - seen.succeeded - len(seen.failed_indexes)))
    elif seen.succeeded:
        target = seen.active
    lacking = target - seen.active
    return max(0, lacking - seen.terminating) if lacking > 0 and replaces_when_gone(spec) else lacking


def replaces_when_gone(spec: Object) -> bool:
    """Whether a pod that is leaving is replaced only when it is gone."""
    return spec.get("podReplacementPolicy") == "Failed"


def seconds_left(job: Object, now: str) -> float | None:
    """Until the Job's deadline; None where it has none or has not begun."""
    limit, start = job["spec"].get("activeDeadlineSeconds"), (job.get("status") or {}).get("startTime")
    if limit is None or not start or job["spec"].get("suspend"):
        return None
    return float(limit) - seconds_between(start, now)


def age(job: Object, now: str) -> float:
    """Seconds since a finished Job finished."""
    return max(seconds_between(c["lastTransitionTime"], now) for c in job["status"]["conditions"])


def backoff(failures: int) -> float:
    """Seconds to wait after so many failures."""
    return min(FIRST_BACKOFF * 2.0 ** (failures - 1), LONGEST_BACKOFF) if failures else 0.0


def status(job: Object, seen: Seen, end: Verdict | None, *, now: str) -> Object:
    """The Job's status."""
    before, spec = job.get("status") or {}, job["spec"]
    conditions = list(before.get("conditions") or [])
    if end:
        target = "SuccessCriteriaMet" if end.kind == "Complete" else "FailureTarget"
        conditions += [_condition(kind, "True", end.reason, end.message, now) for kind in (target, end.kind)]
    elif bool(spec.get("suspend")) != _is_suspended(conditions):
        conditions = [c for c in conditions if c["type"] != "Suspended"]
        word = "suspended" if spec.get("suspend") else "resumed"
        value = "True" if word == "suspended" else "False"
        conditions.append(_condition("Suspended", value, f"Job{word.title()}", f"Job {word}", now))
    numbers = {"active": 0 if end else seen.active, "succeeded": seen.succeeded, "failed": seen.failed}
    state: Object = {"conditions": conditions} if conditions else {}
    if not spec.get("suspend"):
        state["startTime"] = before.get("startTime") or now
    if end and end.kind == "Complete":
        state["completionTime"] = now
    state |= {name: number for name, number in numbers.items() if number}
    if seen.succeeded_indexes:
        state["completedIndexes"] = job_indexes.text(seen.succeeded_indexes)
    if spec.get("backoffLimitPerIndex") is not None:
        state["failedIndexes"] = job_indexes.text(seen.failed_indexes)
    return state | {"terminating": seen.terminating, "uncountedTerminatedPods": {}, "ready": seen.ready}


def _is_suspended(conditions: Sequence[Object]) -> bool:
    return any(c["type"] == "Suspended" and c["status"] == "True" for c in conditions)


def _condition(kind: str, value: str, reason: str, message: str, now: str) -> Object:
    times = {"lastProbeTime": now, "lastTransitionTime": now}
    return {"type": kind, "status": value, **times, "reason": reason, "message": message}
