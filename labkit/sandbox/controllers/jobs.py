"""Jobs make pods that end; finished pods stay to be looked at."""

import asyncio
import contextlib
import time
from collections.abc import Sequence

from labkit.kube import informer, resources, status, times
from labkit.kube.resources import Object
from labkit.sandbox.controllers import job_counting, job_indexes, job_plan, queue
from labkit.sandbox.controllers.informers import Informers
from labkit.sandbox.controllers.job_counting import TRACKING
from labkit.sandbox.controllers.podcontrol import MANAGER, PodControl, pod_of

OURS = "kubernetes.io/job-controller"
"""``spec.managedBy`` of the Jobs that this controller runs."""


class Jobs:
    """Keeps the pods of each Job."""

    def __init__(self, informers: Informers) -> None:
        self._client = informers.client
        self._control = PodControl(informers, component="job-controller")
        self._jobs, self._pods = informers.of(resources.JOBS), informers.of(resources.PODS)
        self._memories: dict[str, job_counting.Memory] = {}
        """By uid of the Job."""

        self.queue = queue.Queue(self._sync, name="job")
        self._jobs.on_change(self._job_changed)
        self._pods.on_change(self._pod_changed)

    def _job_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            self._memories.pop(resources.uid_of(old or {}), None)
        else:
            self.queue.add(informer.key_of(new))

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        pod = new or old or {}
        owner = resources.owner_of(pod)
        if owner and owner["kind"] == "Job":
            self.queue.add((resources.namespace_of(pod), owner["name"]))

    async def _sync(self, key: informer.Key) -> None:
        job = self._jobs.cache.get(key)
        if job is None or job["metadata"].get("deletionTimestamp") or job["spec"].get("managedBy", OURS) != OURS:
            return
        if job_plan.is_finished(job):
            await self._expire(job)
            return
        uid, now = resources.uid_of(job), times.now()
        pods = [p for p in self._pods.all(key[0]) if (resources.owner_of(p) or {}).get("uid") == uid]
        memory = self._memories.setdefault(uid, job_counting.Memory())
        job_counting.note(job, pods, memory)
        if not self._control.is_settled(job):
            return
        seen = job_counting.seen(job, pods, memory)
        end = job_plan.verdict(job, seen, now)
        active = [pod for pod in pods if job_counting.is_active(pod)]
        if end is not None:
            await asyncio.gather(*(self._control.remove(job, pod) for pod in active))
            await self._tell(job, end)
            lost = len(active) if end.kind == "Failed" else 0
            seen = job_plan.Seen(
                succeeded=seen.succeeded,
                failed=seen.failed + lost,
                succeeded_indexes=seen.succeeded_indexes,
                failed_indexes=seen.failed_indexes,
            )
        else:
            await self._resize(job, seen, pods, memory)
        await self._report(job, job_plan.status(job, seen, end, now=now))

    async def _resize(
        self, job: Object, seen: job_plan.Seen, pods: Sequence[Object], memory: job_counting.Memory
    ) -> None:
        key, missing = informer.key_of(job), job_plan.missing(job, seen)
        active = [pod for pod in pods if job_counting.is_active(pod)]
        if missing < 0:
            await asyncio.gather(*(self._control.delete(job, pod) for pod in active[:-missing]))
        elif missing > 0 and (wait := memory.not_before.get(None, 0.0) - time.monotonic()) > 0:
            self.queue.add_later(key, wait)
        elif missing > 0 and job_indexes.is_indexed(job):
            await asyncio.gather(*(self._control.create(job, pod) for pod in self._indexed(job, seen, pods, missing)))
        elif missing > 0:
            await asyncio.gather(*(self._control.create(job, _pod(job)) for _ in range(missing)))
        if (left := job_plan.seconds_left(job, times.now())) is not None:
            self.queue.add_later(key, max(left, 0.0) + 0.1)

    def _indexed(self, job: Object, seen: job_plan.Seen, pods: Sequence[Object], number: int) -> list[Object]:
        """Pods for the lowest indexes that are free; one that failed just now waits, and holds up no other."""
        memory, now = self._memories[resources.uid_of(job)], time.monotonic()
        leaves = job_plan.replaces_when_gone(job["spec"])
        busy = {
            job_indexes.index_of(pod)
            for pod in pods
            if job_counting.is_active(pod) or (leaves and not job_counting.end_of(pod))
        }
        waiting = {index for index, when in memory.not_before.items() if index is not None and when > now}
        if waiting:
            self.queue.add_later(informer.key_of(job), min(memory.not_before[i] for i in waiting) - now)
        taken = ({i for i in busy | waiting if i is not None}, seen.succeeded_indexes, seen.failed_indexes)
        failures = {
            i: max((e.failures for e in memory.ends.values() if e.index == i), default=0) for i in memory.not_before
        }
        by_index = job["spec"].get("backoffLimitPerIndex") is not None
        return [
            job_indexes.pod_of(_pod(job), job, index, failures.get(index, 0) if by_index else None)
            for index in job_indexes.pending(job["spec"]["completions"], taken, number)
        ]

    async def _tell(self, job: Object, end: job_plan.Verdict) -> None:
        if end.kind == "Complete":
            await self._control.tell(job, "Completed", "Job completed")
        else:
            await self._control.tell(job, end.reason, end.message, type="Warning")

    async def _report(self, job: Object, state: Object) -> None:
        if state != job.get("status"):
            with contextlib.suppress(status.NotFound):
                body = {**job, "status": state}
                await self._client.replace(resources.JOBS, body, subresource="status", manager=MANAGER)

    async def _expire(self, job: Object) -> None:
        """Delete a finished Job that said how long it wants to be seen."""
        if (ttl := job["spec"].get("ttlSecondsAfterFinished")) is None:
            return
        age = job_plan.age(job, times.now())
        if age < ttl:
            self.queue.add_later(informer.key_of(job), ttl - age + 0.1)
            return
        with contextlib.suppress(status.NotFound):
            name, namespace = resources.name_of(job), resources.namespace_of(job)
            await self._client.delete(resources.JOBS, name, namespace, propagation="Foreground")


def _pod(job: Object) -> Object:
    template = job["spec"]["template"]
    kept = (template.get("metadata") or {}).get("finalizers") or []
    return pod_of(job, template, finalizers=[*kept, TRACKING])


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
        return job_plan.is_finished(job) or bool(job_counting.end_of(pod))
