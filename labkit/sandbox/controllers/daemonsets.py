"""DaemonSets: one pod on every node that they are for."""

import asyncio
import contextlib

from labkit.kube import informer, resources, status, times
from labkit.kube.resources import Object
from labkit.sandbox.controllers import adoption, daemon_plan, podstates, queue, revisions
from labkit.sandbox.controllers.informers import Informers
from labkit.sandbox.controllers.podcontrol import MANAGER, PodControl

KIND = "DaemonSet"


class DaemonSets:
    """Carries out DaemonSets."""

    def __init__(self, informers: Informers) -> None:
        self._client = informers.client
        self._control = PodControl(informers, component="daemonset-controller")
        self._sets, self._pods = informers.of(resources.DAEMON_SETS), informers.of(resources.PODS)
        self._nodes = informers.of(resources.NODES)
        self._revisions = informers.of(resources.CONTROLLER_REVISIONS)
        self.queue = queue.Queue(self._sync, name="daemonset")
        self._sets.on_change(lambda old, new: self.queue.add(informer.key_of(new or old or {})))
        self._pods.on_change(self._pod_changed)
        self._nodes.on_change(self._node_changed)

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        for key in adoption.concerned(self._sets, old, new):
            self.queue.add(key)

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if old is None or new is None or _offer(old) != _offer(new):
            for one in self._sets.all():
                self.queue.add(informer.key_of(one))

    async def _sync(self, key: informer.Key) -> None:
        owner = self._sets.cache.get(key)
        if owner is None or owner["metadata"].get("deletionTimestamp") or not self._control.is_settled(owner):
            return
        pods = await adoption.claimed(self._client, resources.PODS, owner, self._pods.all(key[0]))
        history = await revisions.claimed(self._client, owner, list(self._revisions.all(key[0])))
        current, collisions = await revisions.current(self._client, owner, history, label=daemon_plan.HASH)
        mark, now = resources.labels_of(current)[daemon_plan.HASH], times.now()
        nodes = list(self._nodes.all())
        seen = daemon_plan.Seen(owner=owner, pods=pods, nodes=nodes, mark=mark, now=now)
        plan = daemon_plan.plan(seen)
        try:
            await self._carry_out(owner, plan, mark)
        finally:
            await self._report(owner, daemon_plan.status(seen, collisions))
        live = {resources.name_of(current)} | {
            f"{key[1]}-{resources.labels_of(pod).get(daemon_plan.HASH, '')}" for pod in pods
        }
        for old in revisions.superfluous(history, live, owner["spec"].get("revisionHistoryLimit", 10)):
            with contextlib.suppress(status.NotFound):
                await self._client.delete(resources.CONTROLLER_REVISIONS, resources.name_of(old), key[0])
        pause = podstates.until_next_available(pods, owner["spec"].get("minReadySeconds", 0), now)
        if pause is not None:
            self.queue.add_later(key, pause + 1)

    async def _carry_out(self, owner: Object, plan: daemon_plan.Plan, mark: str) -> None:
        for pod in plan.ended:
            await self._tell_end(owner, pod)
        await asyncio.gather(*(self._control.delete(owner, pod) for pod in plan.delete))
        pods = [daemon_plan.pod_for(owner, node, mark) for node in plan.create]
        await asyncio.gather(*(self._control.create(owner, pod) for pod in pods))

    async def _tell_end(self, owner: Object, pod: Object) -> None:
        name = f"{resources.namespace_of(pod)}/{resources.name_of(pod)} on node {podstates.node_of(pod)}"
        if (pod.get("status") or {}).get("phase") == "Failed":
            text = f"Found failed daemon pod {name}, will try to kill it"
            await self._control.tell(owner, "FailedDaemonPod", text, type="Warning")
        else:
            text = f"Found succeeded daemon pod {name}, will try to delete it"
            await self._control.tell(owner, "SucceededDaemonPod", text)

    async def _report(self, owner: Object, state: Object) -> None:
        if state != owner.get("status"):
            body = {**owner, "status": state}
            with contextlib.suppress(status.NotFound):
                await self._client.replace(resources.DAEMON_SETS, body, subresource="status", manager=MANAGER)


def _offer(node: Object) -> object:
    """What daemons look for in a node."""
    return resources.labels_of(node), node["spec"].get("taints")
