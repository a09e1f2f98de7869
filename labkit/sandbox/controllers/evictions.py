"""NoExecute taints: pods that do not tolerate one leave the node, at once or when their time is over."""

import contextlib
import time

from labkit.kube import informer, resources, status, times
from labkit.kube.resources import Object
from labkit.sandbox.controllers import podstates, queue, recorder
from labkit.sandbox.controllers.informers import Informers
from labkit.sandbox.controllers.placement import taints
from labkit.sandbox.controllers.podcontrol import MANAGER

COMPONENT = "taint-eviction-controller"
CONDITION = {
    "type": "DisruptionTarget",
    "status": "True",
    "reason": "DeletionByTaintManager",
    "message": "Taint manager: deleting due to NoExecute taint",
}


class Evictions:
    """Deletes pods from tainted nodes."""

    def __init__(self, informers: Informers) -> None:
        self._client = informers.client
        self._pods, self._nodes = informers.of(resources.PODS), informers.of(resources.NODES)
        self._doomed: dict[str, float] = {}
        """Uid of a pod that may stay for a while → when it goes, by the clock that never goes back."""

        self.queue = queue.Queue(self._sync, name="taint eviction")
        self._pods.on_change(self._pod_changed)
        self._nodes.on_change(self._node_changed)

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            self._doomed.pop(resources.uid_of(old or {}), None)
        elif podstates.node_of(new) and (old is None or old["spec"] != new["spec"]):
            self.queue.add(informer.key_of(new))

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and _executing(old) != _executing(new):
            for pod in self._pods.all():
                if podstates.node_of(pod) == resources.name_of(new):
                    self.queue.add(informer.key_of(pod))

    async def _sync(self, key: informer.Key) -> None:
        pod = self._pods.cache.get(key)
        if pod is None or pod["metadata"].get("deletionTimestamp"):
            return
        executing = _executing(self._nodes.get(podstates.node_of(pod)))
        left = taints.seconds_left(pod["spec"], executing) if executing else None
        uid, now = resources.uid_of(pod), time.monotonic()
        if left is None:
            if self._doomed.pop(uid, None) is not None:
                await self._tell(pod, f"Cancelling deletion of Pod {key[0]}/{key[1]}")
            return
        end = self._doomed.setdefault(uid, now + left)
        if end > now:
            self.queue.add_later(key, end - now)
            return
        self._doomed.pop(uid, None)
        await self._evict(pod)

    async def _evict(self, pod: Object) -> None:
        namespace, name = informer.key_of(pod)
        await self._tell(pod, f"Marking for deletion Pod {namespace}/{name}")
        before = (pod.get("status") or {}).get("conditions") or []
        others = [c for c in before if c["type"] != CONDITION["type"]]
        body = {"status": {"conditions": [*others, {**CONDITION, "lastTransitionTime": times.now()}]}}
        with contextlib.suppress(status.NotFound, status.Conflict):
            await self._client.patch(resources.PODS, name, namespace, body, subresource="status", manager=MANAGER)
            await self._client.delete(resources.PODS, name, namespace, uid=resources.uid_of(pod))

    async def _tell(self, pod: Object, message: str) -> None:
        await recorder.record(self._client, pod, component=COMPONENT, reason="TaintManagerEviction", message=message)


def _executing(node: Object | None) -> list[Object]:
    """The taints of a node that drive pods out."""
    listed = ((node or {}).get("spec") or {}).get("taints") or []
    return [taint for taint in listed if taint["effect"] == taints.NO_EXECUTE]
