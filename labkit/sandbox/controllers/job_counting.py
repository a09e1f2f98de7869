"""How the pods of a Job ended, remembered after the pods themselves are gone."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.sandbox.controllers import job_failures, job_indexes, job_plan, podstates

TRACKING = "batch.kubernetes.io/job-tracking"
"""The finalizer by which a pod stays until its end was counted."""


@dataclass(frozen=True, kw_only=True)
class End:
    """How one pod ended."""

    succeeded: bool
    is_counted: bool = True
    """Whether a failure counts towards ``backoffLimit``."""

    index: int | None = None
    failures: int = 0
    """Failures of its index, this one included."""

    is_last: bool = False
    """Whether its index is not tried again."""

    message: str = ""
    """Why it is the end of the Job."""


@dataclass
class Memory:
    """What is remembered of one Job."""

    ends: dict[str, End] = field(default_factory=dict)
    """By uid of the pod."""

    not_before: dict[int | None, float] = field(default_factory=dict)
    """Index (None: the whole Job) → when it may be tried again, by the clock that never goes back."""


def end_of(pod: Object) -> str:
    """``Succeeded`` or ``Failed``; one that was deleted has failed when nothing runs any more."""
    phase = (pod.get("status") or {}).get("phase", "")
    if phase in ("Succeeded", "Failed"):
        return str(phase)
    metadata = pod["metadata"]
    gone = metadata.get("deletionTimestamp") and not metadata.get("deletionGracePeriodSeconds")
    return "Failed" if gone else ""


def is_active(pod: Object) -> bool:
    """Whether a pod still works."""
    return not end_of(pod) and not pod["metadata"].get("deletionTimestamp")


def note(job: Object, pods: Sequence[Object], memory: Memory) -> None:
    """Remember the ends of pods that are new; a failure makes the next try wait."""
    for pod in pods:
        how, uid = end_of(pod), resources.uid_of(pod)
        if not how or uid in memory.ends:
            continue
        end = memory.ends[uid] = _end(job, pod, how)
        if not end.succeeded:
            by_index = job["spec"].get("backoffLimitPerIndex") is not None
            failures = end.failures if by_index else sum(not e.succeeded for e in memory.ends.values())
            place = end.index if by_index else None
            memory.not_before[place] = time.monotonic() + job_plan.backoff(failures)


def _end(job: Object, pod: Object, how: str) -> End:
    index = job_indexes.index_of(pod)
    if how == "Succeeded":
        return End(succeeded=True, index=index)
    action, message = job_failures.meaning(job, pod)
    limit = job["spec"].get("backoffLimitPerIndex")
    is_counted = action != job_failures.IGNORE
    is_last = limit is not None and is_counted and job_indexes.failures_of(pod) >= limit
    return End(
        succeeded=False,
        is_counted=is_counted,
        index=index,
        failures=job_indexes.failures_of(pod) + is_counted,
        is_last=is_last or action == job_failures.FAIL_INDEX,
        message=message,
    )


def seen(job: Object, pods: Sequence[Object], memory: Memory) -> job_plan.Seen:
    """The pods of a Job, counted: those that are there, and those that were."""
    before, ends = job.get("status") or {}, memory.ends.values()
    active = [pod for pod in pods if is_active(pod)]
    completions = job["spec"].get("completions") or 0
    done = job_indexes.parse(before.get("completedIndexes"), completions)
    done |= {e.index for e in ends if e.succeeded and e.index is not None and e.index < completions}
    lost = job_indexes.parse(before.get("failedIndexes"), completions)
    lost |= {e.index for e in ends if e.is_last and e.index is not None and e.index < completions}
    succeeded = len(done) if job_indexes.is_indexed(job) else sum(e.succeeded for e in ends)
    return job_plan.Seen(
        active=len(active),
        ready=sum(podstates.is_ready(pod) for pod in active),
        terminating=sum(not end_of(pod) and not is_active(pod) for pod in pods),
        succeeded=max(succeeded, before.get("succeeded", 0)),
        failed=max(sum(e.is_counted and not e.succeeded for e in ends), before.get("failed", 0)),
        succeeded_indexes=done if job_indexes.is_indexed(job) else frozenset(),
        failed_indexes=lost - done,
        restarts=sum(map(_restarts, active)),
        fatal=next((e.message for e in ends if e.message), ""),
    )


def _restarts(pod: Object) -> int:
    state = pod.get("status") or {}
    kinds = ("initContainerStatuses", "containerStatuses")
    return sum(one.get("restartCount", 0) for kind in kinds for one in state.get(kind) or [])
