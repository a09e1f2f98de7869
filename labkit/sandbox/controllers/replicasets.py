"""ReplicaSets and ReplicationControllers make pods that are alike."""

import asyncio
import contextlib

from labkit.kube import informer, resources, status, times
from labkit.kube.resources import Object, Resource
from labkit.sandbox.controllers import adoption, podstates, queue
from labkit.sandbox.controllers.informers import Informers
from labkit.sandbox.controllers.podcontrol import MANAGER, PodControl, pod_of

BURST = 500
"""Pods made or deleted in one go at the most, as the real controller."""


class ReplicaSets:
    """Keeps as many pods as each ReplicaSet, or each ReplicationController, asks for."""

    def __init__(
        self,
        informers: Informers,
        kind: Resource = resources.REPLICA_SETS,
        *,
        component: str = "replicaset-controller",
    ) -> None:
        self._client, self._kind = informers.client, kind
        self._control = PodControl(informers, component=component)
        self._sets = informers.of(kind)
        self._pods = informers.of(resources.PODS)
        self._failures: dict[str, Object] = {}
        """The condition that says why pods could not be made, by the uid of their owner."""

        self.queue = queue.Queue(self._sync, name=component)
        self._sets.on_change(lambda old, new: self.queue.add(informer.key_of(new or old or {})))
        self._pods.on_change(self._pod_changed)

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        for key in adoption.concerned(self._sets, old, new):
            self.queue.add(key)

    async def _sync(self, key: informer.Key) -> None:
        owner = self._sets.cache.get(key)
        if owner is None or owner["metadata"].get("deletionTimestamp"):
            return
        uid = resources.uid_of(owner)
        pods = await adoption.claimed(self._client, resources.PODS, owner, self._pods.all(key[0]))
        active = [p for p in pods if podstates.is_active(p)]
        missing = owner["spec"].get("replicas", 1) - len(active) if self._control.is_settled(owner) else 0
        if missing > 0:
            try:
                pod = pod_of(owner, owner["spec"]["template"])
                await asyncio.gather(*(self._control.create(owner, pod) for _ in range(min(missing, BURST))))
            except status.StatusError as e:
                self._failures[uid] = _failure(e)
                await self._report(owner, pods)
                raise
        elif missing < 0:
            doomed = sorted(active, key=_worth)[:-missing]
            await asyncio.gather(*(self._control.delete(owner, pod) for pod in doomed))
        self._failures.pop(uid, None)
        await self._report(owner, pods)
        pause = podstates.until_next_available(active, owner["spec"].get("minReadySeconds", 0), times.now())
        if pause is not None:
            self.queue.add_later(key, pause + 1)

    async def _report(self, owner: Object, pods: list[Object]) -> None:
        state = _status(owner, pods)
        if failure := self._failures.get(resources.uid_of(owner)):
            # The first refusal stays: each names another pod, and a status that always changes would never rest.
            state["conditions"] = (owner.get("status") or {}).get("conditions") or [failure]
        if self._kind.kind == "ReplicationController":
            state.pop("terminatingReplicas")
        if state != owner.get("status"):
            # With its resourceVersion: what somebody else wrote meanwhile is a Conflict, and a reason to look again.
            body = {**owner, "status": state}
            with contextlib.suppress(status.NotFound):
                await self._client.replace(self._kind, body, subresource="status", manager=MANAGER)


def _status(owner: Object, pods: list[Object]) -> Object:
    active = [pod for pod in pods if podstates.is_active(pod)]
    enough, now = owner["spec"].get("minReadySeconds", 0), times.now()
    labels = owner["spec"]["template"].get("metadata", {}).get("labels") or {}
    numbers = {
        "fullyLabeledReplicas": sum(labels.items() <= resources.labels_of(pod).items() for pod in active),
        "readyReplicas": sum(podstates.is_ready(pod) for pod in active),
        "availableReplicas": sum(podstates.is_available(pod, enough, now) for pod in active),
    }
    return {
        "replicas": len(active),
        **{name: number for name, number in numbers.items() if number},
        "terminatingReplicas": sum(podstates.is_leaving(pod) for pod in pods),
        "observedGeneration": owner["metadata"].get("generation", 1),
    }


def _failure(error: status.StatusError) -> Object:
    return {
        "type": "ReplicaFailure",
        "status": "True",
        "lastTransitionTime": times.now(),
        "reason": "FailedCreate",
        "message": str(error),
    }


def _worth(pod: Object) -> tuple[bool, bool, bool, str]:
    """Deleted first: not on a node, not running, not ready, youngest."""
    created = pod["metadata"].get("creationTimestamp", "")
    is_running = (pod.get("status") or {}).get("phase") == "Running"
    return (
        bool(podstates.node_of(pod)),
        is_running,
        podstates.is_ready(pod),
        "".join(chr(255 - ord(c)) for c in created),
    )
