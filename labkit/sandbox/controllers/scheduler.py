"""Scheduling: a pod goes to a node that has what it asks for, or says why it waits."""

import contextlib
from collections.abc import Iterator

from labkit.kube import informer, resources, status, times
from labkit.kube.resources import Object
from labkit.sandbox.controllers import placement, podstates, queue, recorder, volume_plan, volumes
from labkit.sandbox.controllers.informers import Informers
from labkit.sandbox.controllers.placement import preemption

NAME = "default-scheduler"
MANAGER = "kube-scheduler"
PREEMPTED = {
    "type": "DisruptionTarget",
    "status": "True",
    "reason": "PreemptionByScheduler",
    "message": "default-scheduler: preempting to accommodate a higher priority pod",
}
"""The condition of a pod that makes room."""


class Scheduler:
    """Binds pods."""

    def __init__(self, informers: Informers) -> None:
        self._client = informers.client
        self._pods, self._nodes = informers.of(resources.PODS), informers.of(resources.NODES)
        self._namespaces, self._claims = informers.of(resources.NAMESPACES), informers.of(resources.CLAIMS)
        self._waiting: set[informer.Key] = set()
        """Pods that fit nowhere; they are looked at again when something changes that may help."""

        self._assumed: dict[str, Object] = {}
        """Pods bound by us, by uid, as they will look, until the cache shows them on their node."""

        self.queue = queue.Queue(self._sync, name="scheduler")
        self._pods.on_change(self._pod_changed)
        self._nodes.on_change(self._node_changed)
        self._classes = informers.of(resources.STORAGE_CLASSES)
        self._claims.on_change(lambda old, new: self._try_again())

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        pod = new or old or {}
        if new is None or podstates.node_of(new):
            self._assumed.pop(resources.uid_of(pod), None)
        if new is not None and _is_waiting(new):
            self.queue.add(informer.key_of(new))
            return
        self._waiting.discard(informer.key_of(pod))
        if _matters(old) != _matters(new):
            self._try_again()

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if old is None:
            for pod in self._pods.all():
                self.queue.add(informer.key_of(pod))
        elif new is None or _offer(old) != _offer(new):
            self._try_again()

    def _try_again(self) -> None:
        for key in self._waiting:
            self.queue.add(key)

    async def _sync(self, key: informer.Key) -> None:
        pod = self._pods.cache.get(key)
        if pod is None or not _is_waiting(pod) or resources.uid_of(pod) in self._assumed:
            return
        if not self._nodes.cache:
            # Without a node there is nothing to say yet: the first one is about to register.
            return
        placed = placement.place(pod, self._scene(pod), volumes=self._problem(pod))
        if not placed.node:
            self._waiting.add(key)
            await self._tell_waiting(pod, placed.message)
            await self._make_room(pod)
            return
        if not await self._prepare(pod, placed.node):
            self._waiting.add(key)
            return
        self._waiting.discard(key)
        await self._bind(pod, placed.node)

    def _scene(self, pod: Object) -> placement.Scene:
        """What is on the nodes, and what of higher priority is about to be."""
        bound = [p for p in self._pods.all() if podstates.node_of(p) and not podstates.has_ended(p)]
        there = {resources.uid_of(p) for p in bound}
        bound += [pod for uid, pod in self._assumed.items() if uid not in there]
        bound += [
            {**other, "spec": {**other["spec"], "nodeName": preemption.nominated(other)}}
            for key in self._waiting
            if (other := self._pods.cache.get(key)) is not None
            and preemption.nominated(other)
            and preemption.priority_of(other) > preemption.priority_of(pod)
        ]
        labels = {resources.name_of(n): resources.labels_of(n) for n in self._namespaces.all()}
        return placement.Scene(nodes=list(self._nodes.all()), pods=bound, namespaces=labels)

    def _problem(self, pod: Object) -> str:
        """What is wrong with the claims of a pod."""
        for name in _claims_of(pod):
            claim = self._claims.get(name, resources.namespace_of(pod))
            if claim is None:
                return f'persistentvolumeclaim "{name}" not found'
            if claim["metadata"].get("deletionTimestamp"):
                return f'persistentvolumeclaim "{name}" is being deleted'
            if not volumes.is_bound(claim) and not self._waits(claim):
                return "pod has unbound immediate PersistentVolumeClaims"
        return ""

    def _waits(self, claim: Object) -> bool:
        """Whether a claim gets its volume only when its pod has a node."""
        storage_class = self._classes.get(claim["spec"].get("storageClassName") or "")
        return (storage_class or {}).get("volumeBindingMode") == "WaitForFirstConsumer"

    async def _prepare(self, pod: Object, node: str) -> bool:
        """Say of claims where their pod will be; False while one of them has no volume yet."""
        claims = [self._claims.get(name, resources.namespace_of(pod)) for name in _claims_of(pod)]
        waiting = [claim for claim in claims if claim is not None and not volumes.is_bound(claim)]
        for claim in waiting:
            if volume_plan.SELECTED_NODE not in resources.annotations_of(claim):
                body = {"metadata": {"annotations": {volume_plan.SELECTED_NODE: node}}}
                namespace, name = informer.key_of(claim)
                await self._client.patch(resources.CLAIMS, name, namespace, body, manager=MANAGER)
        return not waiting

    async def _make_room(self, pod: Object) -> None:
        """Delete pods of lower priority where the pod would fit without them, unless that is under way."""
        scene = self._scene(pod)
        if preemption.waits_for_room(pod, scene) or self._problem(pod):
            return
        room = preemption.victims(pod, scene)
        if room is None:
            return
        node, leaving = room
        namespace, name = informer.key_of(pod)
        with contextlib.suppress(status.NotFound, status.Conflict):
            body = {"status": {"nominatedNodeName": node}}
            await self._client.patch(resources.PODS, name, namespace, body, subresource="status", manager=MANAGER)
        for victim in leaving:
            await self._preempt(victim, pod, node)

    async def _preempt(self, victim: Object, pod: Object, node: str) -> None:
        namespace, name = informer.key_of(victim)
        others = [c for c in (victim.get("status") or {}).get("conditions") or [] if c["type"] != PREEMPTED["type"]]
        body = {"status": {"conditions": [*others, {**PREEMPTED, "lastTransitionTime": times.now()}]}}
        with contextlib.suppress(status.NotFound, status.Conflict):
            await self._client.patch(resources.PODS, name, namespace, body, subresource="status", manager=MANAGER)
            await self._client.delete(resources.PODS, name, namespace, uid=resources.uid_of(victim))
            text = f"Preempted by pod {resources.uid_of(pod)} on node {node}"
            await recorder.record(self._client, victim, component=NAME, reason="Preempted", message=text)

    async def _bind(self, pod: Object, node: str) -> None:
        namespace, name = informer.key_of(pod)
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": name, "namespace": namespace},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        place = resources.Resource(api_version="v1", kind="Binding", plural=f"pods/{name}/binding")
        self._assumed[resources.uid_of(pod)] = {**pod, "spec": {**pod["spec"], "nodeName": node}}
        try:
            await self._client.create(place, binding, manager=MANAGER)
        except (status.Conflict, status.NotFound):
            self._assumed.pop(resources.uid_of(pod), None)
            return
        except BaseException:
            self._assumed.pop(resources.uid_of(pod), None)
            raise
        message = f"Successfully assigned {namespace}/{name} to {node}"
        await recorder.record(self._client, pod, component=NAME, reason="Scheduled", message=message)

    async def _tell_waiting(self, pod: Object, message: str) -> None:
        conditions = (pod.get("status") or {}).get("conditions") or []
        before = next((c for c in conditions if c["type"] == "PodScheduled"), None)
        if before is not None and before.get("message") == message:
            return
        unscheduled = {
            "type": "PodScheduled",
            "status": "False",
            "lastProbeTime": None,
            "lastTransitionTime": (before or {}).get("lastTransitionTime") or times.now(),
            "reason": "Unschedulable",
            "message": message,
        }
        namespace, name = informer.key_of(pod)
        others = [c for c in conditions if c["type"] != "PodScheduled"]
        body = {"status": {"conditions": [*others, unscheduled]}}
        with contextlib.suppress(status.NotFound):
            await self._client.patch(resources.PODS, name, namespace, body, subresource="status", manager=MANAGER)
        await recorder.record(
            self._client, pod, component=NAME, reason="FailedScheduling", message=message, type="Warning"
        )


def _is_waiting(pod: Object) -> bool:
    """Whether it is for this scheduler to place."""
    spec = pod["spec"]
    held = spec.get("nodeName") or spec.get("schedulingGates") or pod["metadata"].get("deletionTimestamp")
    return not held and spec.get("schedulerName", NAME) == NAME and not podstates.has_ended(pod)


def _claims_of(pod: Object) -> Iterator[str]:
    """Names of the claims that a pod's volumes use."""
    for volume in pod["spec"].get("volumes") or []:
        if claim := volume.get("persistentVolumeClaim"):
            yield claim["claimName"]


def _matters(pod: Object | None) -> object:
    """What other pods' places depend on."""
    if pod is None or podstates.has_ended(pod) or not podstates.node_of(pod):
        return None
    return podstates.node_of(pod), resources.labels_of(pod), bool(pod["metadata"].get("deletionTimestamp"))


def _offer(node: Object) -> object:
    """What the pods on a node depend on."""
    spec = node["spec"]
    return (
        resources.labels_of(node),
        spec.get("taints"),
        spec.get("unschedulable"),
        (node.get("status") or {}).get("allocatable"),
    )
