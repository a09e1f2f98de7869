"""Jobs make pods that end; finished pods stay to be looked at."""

import asyncio
import contextlib
import time

from labkit.kube import informer, resources, status
from labkit.kube.resources import Object
from labkit.sandbox.controllers import job_plan, queue, recorder
from labkit.sandbox.controllers.deployment_plan import owner_reference
from labkit.sandbox.controllers.informers import Informers
from labkit.sandbox.controllers.podstates import is_ready

MANAGER = "kube-controller-manager"
TRACKING = "batch.kubernetes.io/job-tracking"
"""The finalizer by which a pod stays until its end was counted."""


class Jobs:
    """Keeps the pods of each Job."""

    def __init__(self, informers: Informers) -> None:
        self._client = informers.client
        self._jobs, self._pods = informers.of(resources.JOBS), informers.of(resources.PODS)
        self._ends: dict[str, dict[str, str]] = {}
        """Uid of a Job → uids of its ended pods and how each ended, those that are gone included."""

        self._made: dict[str, set[str]] = {}
        """Names of pods made and not yet in the cache, by the uid of their Job."""

        self._not_before: dict[str, float] = {}
        """When a Job may try again after a failure, by the clock that never goes back."""

        self.queue = queue.Queue(self._sync, name="job")
        self._jobs.on_change(self._job_changed)
        self._pods.on_change(self._pod_changed)

    def _job_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None and old is not None:
            for known in (self._ends, self._made, self._not_before):
                known.pop(resources.uid_of(old), None)
        else:
            self.queue.add(informer.key_of(new or {}))

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        pod = new or old or {}
        owner = resources.owner_of(pod)
        if owner and owner["kind"] == "Job":
            self._made.get(owner["uid"], set()).discard(resources.name_of(pod))
            self.queue.add((resources.namespace_of(pod), owner["name"]))

    async def _sync(self, key: informer.Key) -> None:
        job = self._jobs.cache.get(key)
        if job is None or job["metadata"].get("deletionTimestamp"):
            return
        uid, now = resources.uid_of(job), recorder.now()
        owned = [p for p in self._pods.all(key[0]) if (resources.owner_of(p) or {}).get("uid") == uid]
        if job_plan.is_finished(job):
            await self._expire(job)
            return
        seen = self._seen(job, owned)
        end = job_plan.verdict(job, seen, now)
        active = [pod for pod in owned if _is_active(pod)]
        if end is not None:
            await asyncio.gather(*(self._delete(pod) for pod in active))
            await self._tell(job, end)
            lost = len(active) if end is not job_plan.COMPLETED else 0
            seen = job_plan.Seen(succeeded=seen.succeeded, failed=seen.failed + lost)
        else:
            await self._resize(job, seen, active)
        await self._report(job, job_plan.status(job, seen, end, now=now))

    def _seen(self, job: Object, owned: list[Object]) -> job_plan.Seen:
        uid, before = resources.uid_of(job), job.get("status") or {}
        ends = self._ends.setdefault(uid, {})
        failures = list(ends.values()).count("Failed")
        for pod in owned:
            if how := _end(pod):
                ends[resources.uid_of(pod)] = how
        counts = {how: list(ends.values()).count(how) for how in ("Succeeded", "Failed")}
        if counts["Failed"] > failures:
            self._not_before[uid] = time.monotonic() + job_plan.backoff(counts["Failed"])
        active = [pod for pod in owned if _is_active(pod)]
        return job_plan.Seen(
            active=len(active) + len(self._made.get(uid, ())),
            ready=sum(is_ready(pod) for pod in active),
            terminating=sum(not _end(pod) and not _is_active(pod) for pod in owned),
            succeeded=max(counts["Succeeded"], before.get("succeeded", 0)),
            failed=max(counts["Failed"], before.get("failed", 0)),
        )

    async def _resize(self, job: Object, seen: job_plan.Seen, active: list[Object]) -> None:
        uid, key = resources.uid_of(job), informer.key_of(job)
        missing = job_plan.missing(job, seen)
        wait = self._not_before.get(uid, 0.0) - time.monotonic()
        if missing > 0 and wait > 0:
            self.queue.add_later(key, wait)
        elif missing > 0:
            await asyncio.gather(*(self._create(job) for _ in range(missing)))
        elif missing < 0:
            await asyncio.gather(*(self._delete(pod) for pod in active[:-missing]))
        if (left := job_plan.seconds_left(job, recorder.now())) is not None:
            self.queue.add_later(key, max(left, 0.0) + 0.1)

    async def _create(self, job: Object) -> None:
        template, name = job["spec"]["template"], resources.name_of(job)
        metadata = template.get("metadata") or {}
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "generateName": f"{name}-",
                "namespace": resources.namespace_of(job),
                **{k: metadata[k] for k in ("labels", "annotations") if metadata.get(k)},
                "ownerReferences": [owner_reference(job)],
                "finalizers": [TRACKING],
            },
            "spec": template["spec"],
        }
        made = await self._client.create(resources.PODS, pod, manager=MANAGER)
        if informer.key_of(made) not in self._pods.cache:
            self._made.setdefault(resources.uid_of(job), set()).add(resources.name_of(made))
        await self._record(job, "SuccessfulCreate", f"Created pod: {resources.name_of(made)}")

    async def _delete(self, pod: Object) -> None:
        with contextlib.suppress(status.NotFound):
            await self._client.delete(resources.PODS, resources.name_of(pod), resources.namespace_of(pod))

    async def _tell(self, job: Object, end: job_plan.Verdict) -> None:
        if end is job_plan.COMPLETED:
            await self._record(job, "Completed", "Job completed")
        else:
            await self._record(job, end.reason, end.message, type="Warning")

    async def _record(self, job: Object, reason: str, message: str, *, type: str = "Normal") -> None:
        await recorder.record(self._client, job, component="job-controller", reason=reason, message=message, type=type)

    async def _report(self, job: Object, found: Object) -> None:
        if found != job.get("status"):
            with contextlib.suppress(status.NotFound):
                body = {**job, "status": found}
                await self._client.replace(resources.JOBS, body, subresource="status", manager=MANAGER)

    async def _expire(self, job: Object) -> None:
        """Delete a finished Job that said how long it wants to be seen."""
        if (ttl := job["spec"].get("ttlSecondsAfterFinished")) is None:
            return
        age = job_plan.age(job, recorder.now())
        if age < ttl:
            self.queue.add_later(informer.key_of(job), ttl - age + 0.1)
            return
        with contextlib.suppress(status.NotFound):
            name, namespace = resources.name_of(job), resources.namespace_of(job)
            await self._client.delete(resources.JOBS, name, namespace, propagation="Foreground")


class Tracking:
    """Lets go of pods of Jobs whose end was seen, or whose Job is no longer theirs."""

    def __init__(self, informers: Informers) -> None:
        self._client = informers.client
        self._jobs, self._pods = informers.of(resources.JOBS), informers.of(resources.PODS)
        self.queue = queue.Queue(self._sync, name="job tracking")
        self._pods.on_change(self._pod_changed)
        self._jobs.on_change(self._job_changed)

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and TRACKING in (new["metadata"].get("finalizers") or ()):
            self.queue.add(informer.key_of(new))

    def _job_changed(self, old: Object | None, new: Object | None) -> None:
        for pod in self._pods.all(resources.namespace_of(new or old or {})):
            self._pod_changed(None, pod)

    async def _sync(self, key: informer.Key) -> None:
        pod = self._pods.cache.get(key)
        finalizers = ((pod or {}).get("metadata") or {}).get("finalizers") or []
        if pod is None or TRACKING not in finalizers or not self._is_counted(pod):
            return
        rest = [name for name in finalizers if name != TRACKING]
        with contextlib.suppress(status.NotFound):
            body = {"metadata": {"finalizers": rest or None}}
            await self._client.patch(resources.PODS, key[1], key[0], body, manager=MANAGER)

    def _is_counted(self, pod: Object) -> bool:
        owner = resources.owner_of(pod)
        job = self._jobs.get(owner["name"], resources.namespace_of(pod)) if owner else None
        if owner is None or job is None or resources.uid_of(job) != owner["uid"]:
            return True
        return job_plan.is_finished(job) or bool(_end(pod))


def _end(pod: Object) -> str:
    """``Succeeded`` or ``Failed``; one that was deleted has failed when nothing runs any more."""
    phase = (pod.get("status") or {}).get("phase", "")
    if phase in ("Succeeded", "Failed"):
        return str(phase)
    metadata = pod["metadata"]
    gone = metadata.get("deletionTimestamp") and not metadata.get("deletionGracePeriodSeconds")
    return "Failed" if gone else ""


def _is_active(pod: Object) -> bool:
    return not _end(pod) and not pod["metadata"].get("deletionTimestamp")
