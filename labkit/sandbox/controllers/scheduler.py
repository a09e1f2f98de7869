"""Scheduling: every pod goes to the only node, once it is there and takes pods."""

import contextlib

from labkit.kube import informer, resources, status
from labkit.kube.resources import Object
from labkit.sandbox.controllers import queue, recorder
from labkit.sandbox.controllers.informers import Informers

NODE = "sandbox"
NAME = "default-scheduler"


class Scheduler:
    """Binds pods."""

    def __init__(self, informers: Informers) -> None:
        self._client = informers.client
        self._pods, self._nodes = informers.of(resources.PODS), informers.of(resources.NODES)
        self.queue = queue.Queue(self._sync, name="scheduler")
        self._pods.on_change(lambda old, new: self.queue.add(informer.key_of(new)) if new else None)
        self._nodes.on_change(self._node_changed)

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and (old is None or _is_closed(old) != _is_closed(new)):
            for pod in self._pods.all():
                self.queue.add(informer.key_of(pod))

    async def _sync(self, key: informer.Key) -> None:
        pod, node = self._pods.cache.get(key), self._nodes.get(NODE)
        if pod is None or node is None or not _is_waiting(pod):
            return
        if _is_closed(node):
            await self._tell_waiting(pod)
            return
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": key[1], "namespace": key[0]},
            "target": {"apiVersion": "v1", "kind": "Node", "name": NODE},
        }
        place = resources.Resource(api_version="v1", kind="Binding", plural=f"pods/{key[1]}/binding")
        with contextlib.suppress(status.Conflict, status.NotFound):
            await self._client.create(place, binding, manager="kube-scheduler")
            message = f"Successfully assigned {key[0]}/{key[1]} to {NODE}"
            await recorder.record(self._client, pod, component=NAME, reason="Scheduled", message=message)

    async def _tell_waiting(self, pod: Object) -> None:
        message = "0/1 nodes are available: 1 node(s) were unschedulable. no new claims to deallocate, preemption: "
        message += "0/1 nodes are available: 1 Preemption is not helpful for scheduling."
        conditions = (pod.get("status") or {}).get("conditions") or []
        if any(c["type"] == "PodScheduled" for c in conditions):
            return
        unscheduled = {
            "type": "PodScheduled",
            "status": "False",
            "lastTransitionTime": recorder.now(),
            "reason": "Unschedulable",
            "message": message,
        }
        name, namespace = resources.name_of(pod), resources.namespace_of(pod)
        body = {"status": {"conditions": [*conditions, unscheduled]}}
        with contextlib.suppress(status.NotFound):
            await self._client.patch(
                resources.PODS, name, namespace, body, subresource="status", manager="kube-scheduler"
            )
        await recorder.record(
            self._client, pod, component=NAME, reason="FailedScheduling", message=message, type="Warning"
        )


def _is_waiting(pod: Object) -> bool:
    """Whether it is for this scheduler to place."""
    spec = pod["spec"]
    held = spec.get("nodeName") or spec.get("schedulingGates") or pod["metadata"].get("deletionTimestamp")
    return not held and spec.get("schedulerName", NAME) == NAME


def _is_closed(node: Object) -> bool:
    """Whether it was cordoned."""
    return bool(node["spec"].get("unschedulable"))
