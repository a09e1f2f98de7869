"""CronJobs make Jobs by time: one timer for the next time of each, and no polling."""

import contextlib
import datetime
import email.utils
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from labkit.kube import informer, resources, status, times
from labkit.kube.resources import Object
from labkit.sandbox.controllers import cron_plan, job_plan, queue, recorder
from labkit.sandbox.controllers.cron_plan import Reason
from labkit.sandbox.controllers.informers import Informers
from labkit.sandbox.controllers.podcontrol import MANAGER


class CronJobs:
    """Carries out CronJobs."""

    def __init__(self, informers: Informers) -> None:
        self._client = informers.client
        self._cron_jobs, self._jobs = informers.of(resources.CRON_JOBS), informers.of(resources.JOBS)
        self.queue = queue.Queue(self._sync, name="cronjob")
        self._cron_jobs.on_change(lambda old, new: self.queue.add(informer.key_of(new or old or {})))
        self._jobs.on_change(self._job_changed)

    def _job_changed(self, old: Object | None, new: Object | None) -> None:
        job = new or old or {}
        owner = resources.owner_of(job)
        if owner and owner["kind"] == "CronJob":
            self.queue.add((resources.namespace_of(job), owner["name"]))

    async def _sync(self, key: informer.Key) -> None:
        cron_job = self._cron_jobs.cache.get(key)
        if cron_job is None:
            return
        uid = resources.uid_of(cron_job)
        jobs = [job for job in self._jobs.all(key[0]) if (resources.owner_of(job) or {}).get("uid") == uid]
        state = await self._seen(cron_job, jobs)
        cron_job = {**cron_job, "status": state}
        if not cron_job["metadata"].get("deletionTimestamp"):
            for job in cron_plan.superfluous(cron_job, jobs):
                state = await self._delete(cron_job, job, state)
            state = await self._start({**cron_job, "status": state}, jobs, key)
        await self._report(key, state)

    async def _seen(self, cron_job: Object, jobs: list[Object]) -> Object:
        """The status as its Jobs have it now."""
        state = dict(cron_job.get("status") or {})
        active = {one["uid"]: one for one in state.get("active") or []}
        for job in jobs:
            uid, ending = resources.uid_of(job), job_plan.ending_of(job)
            if not ending and uid not in active:
                text = f"Saw a job that the controller did not create or forgot: {resources.name_of(job)}"
                await self._tell(cron_job, "UnexpectedJob", text, type="Warning")
            elif ending and uid in active:
                del active[uid]
                text = f"Saw completed job: {resources.name_of(job)}, condition: {ending}"
                await self._tell(cron_job, "SawCompletedJob", text)
            if ending == "Complete" and (completed := job["status"].get("completionTime")):
                before = state.get("lastSuccessfulTime")
                state["lastSuccessfulTime"] = max(before, completed) if before else completed
        there = {resources.uid_of(job) for job in jobs}
        for uid in [uid for uid in active if uid not in there]:
            one = active.pop(uid)
            if await self._is_missing(one):
                await self._tell(cron_job, "MissingJob", f"Active job went missing: {one['name']}")
            else:
                active[uid] = one
        return _with_active(state, list(active.values()))

    async def _is_missing(self, reference: Object) -> bool:
        try:
            await self._client.get(resources.JOBS, reference["name"], reference["namespace"])
        except status.NotFound:
            return True
        return False

    async def _start(self, cron_job: Object, jobs: list[Object], key: informer.Key) -> Object:
        state: Object = cron_job["status"]
        if not await self._has_zone(cron_job) or cron_job["spec"].get("suspend"):
            return state
        now = datetime.datetime.now(datetime.UTC)
        decision = cron_plan.decide(cron_job, now)
        if decision.again is not None:
            self.queue.add_later(key, decision.again)
        if decision.missed:
            text = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
            await self._tell(cron_job, "TooManyMissedTimes", text, type="Warning")
        if decision.start is None:
            await self._explain(cron_job, decision)
            return state
        if cron_job["spec"].get("concurrencyPolicy") == "Replace":
            active = {one["uid"] for one in state.get("active") or []}
            for job in jobs:
                if resources.uid_of(job) in active:
                    state = await self._delete(cron_job, job, state)
        return await self._create(cron_job, decision.start, state)

    async def _create(self, cron_job: Object, due: datetime.datetime, state: Object) -> Object:
        template = cron_plan.job_of(cron_job, due)
        try:
            job = await self._client.create(resources.JOBS, template, manager=MANAGER)
            await self._tell(cron_job, "SuccessfulCreate", f"Created job {resources.name_of(job)}")
        except status.AlreadyExists:
            job = await self._client.get(resources.JOBS, resources.name_of(template), resources.namespace_of(template))
            if (resources.owner_of(job) or {}).get("uid") != resources.uid_of(cron_job):
                return state
        except status.StatusError as e:
            await self._tell(cron_job, "FailedCreate", f"Error creating job: {e}", type="Warning")
            raise
        active = [*(state.get("active") or []), cron_plan.reference(job)]
        at = times.written(due)
        return _with_active({**state, "lastScheduleTime": at}, active)

    async def _explain(self, cron_job: Object, decision: cron_plan.Decision) -> None:
        if decision.reason is Reason.TOO_LATE and decision.due is not None:
            at = email.utils.format_datetime(decision.due.astimezone(datetime.UTC), usegmt=False).replace(
                "+0000", "UTC"
            )
            await self._tell(cron_job, "MissSchedule", f"Missed scheduled time to start a job: {at}", type="Warning")
        elif decision.reason is Reason.ACTIVE:
            text = "Not starting job because prior execution is running and concurrency policy is Forbid"
            await self._tell(cron_job, "JobAlreadyActive", text)

    async def _has_zone(self, cron_job: Object) -> bool:
        name = cron_job["spec"].get("timeZone")
        try:
            ZoneInfo(name or "UTC")
        except (ZoneInfoNotFoundError, ValueError, OSError):
            text = f'invalid timeZone: "{name}": unknown time zone {name}'
            await self._tell(cron_job, "UnknownTimeZone", text, type="Warning")
            return False
        return True

    async def _delete(self, cron_job: Object, job: Object, state: Object) -> Object:
        name, namespace = resources.name_of(job), resources.namespace_of(job)
        with contextlib.suppress(status.NotFound):
            await self._client.delete(resources.JOBS, name, namespace, propagation="Background")
            await self._tell(cron_job, "SuccessfulDelete", f"Deleted job {name}")
        return _with_active(state, [o for o in state.get("active") or [] if o["uid"] != resources.uid_of(job)])

    async def _tell(self, cron_job: Object, reason: str, message: str, *, type: str = "Normal") -> None:
        await recorder.record(
            self._client, cron_job, component="cronjob-controller", reason=reason, message=message, type=type
        )

    async def _report(self, key: informer.Key, state: Object) -> None:
        cron_job = self._cron_jobs.cache.get(key)
        if cron_job is not None and state != (cron_job.get("status") or {}):
            with contextlib.suppress(status.NotFound):
                body = {**cron_job, "status": state}
                await self._client.replace(resources.CRON_JOBS, body, subresource="status", manager=MANAGER)


def _with_active(state: Object, active: list[Object]) -> Object:
    rest = {name: value for name, value in state.items() if name != "active"}
    return {**({"active": active} if active else {}), **rest}
