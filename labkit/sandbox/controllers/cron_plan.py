"""What a CronJob needs next: a pure decision from its Jobs and the time."""

import datetime
import enum
from collections.abc import Sequence
from dataclasses import dataclass

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.sandbox.controllers import job_plan
from labkit.sandbox.controllers.deployment_plan import owner_reference
from labkit.sandbox.controllers.podstates import moment
from labkit.sandbox.controllers.schedules import Schedule

SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"
"""The annotation of a Job that says which time of the schedule it stands for."""

MANY = 100
"""Missed times beyond which the controller warns."""

DELTA = 0.1
"""Seconds after a scheduled time at which it is looked at, as in the real controller."""


class Reason(enum.Enum):
    """Why no Job starts now."""

    NOT_DUE = "not due"
    TOO_LATE = "too late"
    DONE = "done"
    ACTIVE = "active"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Whether a Job starts now, and when to look again."""

    start: datetime.datetime | None = None
    """The time of the schedule for which a Job starts."""

    due: datetime.datetime | None = None
    """The time of the schedule that was looked at."""

    reason: Reason = Reason.NOT_DUE
    missed: bool = False
    """Whether more than a hundred times were missed."""

    again: float | None = None
    """Seconds until the next time of the schedule; None where there is none."""


def schedule_of(cron_job: Object) -> Schedule:
    """Its schedule, in its time zone."""
    spec = cron_job["spec"]
    return Schedule(text=spec["schedule"], zone=spec.get("timeZone") or "UTC")


def decide(cron_job: Object, now: datetime.datetime) -> Decision:
    """Whether a Job is to start."""
    spec, state, schedule = cron_job["spec"], cron_job.get("status") or {}, schedule_of(cron_job)
    last = state.get("lastScheduleTime")
    earliest = moment(last or cron_job["metadata"]["creationTimestamp"])
    deadline = spec.get("startingDeadlineSeconds")
    if deadline is not None:
        earliest = max(earliest, now - datetime.timedelta(seconds=deadline))
    due = schedule.latest(earliest, now)
    following = schedule.next(due or max(earliest, now))
    again = (following - now).total_seconds() + DELTA if following else None
    if due is None:
        return Decision(again=again)
    many = schedule.missed(earliest, now, most=MANY + 1) > MANY
    if deadline is not None and due + datetime.timedelta(seconds=deadline) < now:
        return Decision(due=due, reason=Reason.TOO_LATE, missed=many, again=again)
    active = state.get("active") or []
    if any(one["name"] == job_name(cron_job, due) for one in active) or (last and moment(last) == due):
        return Decision(due=due, reason=Reason.DONE, again=again)
    if spec.get("concurrencyPolicy") == "Forbid" and active:
        return Decision(due=due, reason=Reason.ACTIVE, missed=many, again=again)
    return Decision(start=due, due=due, missed=many, again=again)


def job_name(cron_job: Object, due: datetime.datetime) -> str:
    """``tick-29730540``: the minutes since 1970 make it the same Job for the same time."""
    return f"{resources.name_of(cron_job)}-{int(due.timestamp()) // 60}"


def job_of(cron_job: Object, due: datetime.datetime) -> Object:
    """The Job of one time of the schedule."""
    template = cron_job["spec"]["jobTemplate"]
    metadata = template.get("metadata") or {}
    zoned = due.astimezone(datetime.UTC) if not cron_job["spec"].get("timeZone") else due
    at = zoned.isoformat(timespec="seconds").replace("+00:00", "Z")
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job_name(cron_job, due),
            "namespace": resources.namespace_of(cron_job),
            **({"labels": metadata["labels"]} if metadata.get("labels") else {}),
            "annotations": {**(metadata.get("annotations") or {}), SCHEDULED: at},
            "ownerReferences": [owner_reference(cron_job)],
        },
        "spec": template["spec"],
    }


def reference(job: Object) -> Object:
    """A Job as ``status.active`` lists it."""
    metadata = job["metadata"]
    return {
        "kind": "Job",
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "apiVersion": "batch/v1",
        "resourceVersion": metadata["resourceVersion"],
    }


def superfluous(cron_job: Object, jobs: Sequence[Object]) -> list[Object]:
    """Finished Jobs beyond the history limits, the oldest of each kind first."""
    limits = {
        "Complete": cron_job["spec"].get("successfulJobsHistoryLimit"),
        "Failed": cron_job["spec"].get("failedJobsHistoryLimit"),
    }
    doomed: list[Object] = []
    for ending, limit in limits.items():
        ended = sorted((job for job in jobs if job_plan.ending_of(job) == ending), key=_age)
        if limit is not None:
            doomed += ended[: max(0, len(ended) - limit)]
    return doomed


def _age(job: Object) -> tuple[str, str]:
    return (job.get("status") or {}).get("startTime") or "9", resources.name_of(job)
