"""Deployments make ReplicaSets."""

import contextlib
import time

from labkit.kube import informer, resources, status, times
from labkit.kube.resources import Object
from labkit.sandbox.controllers import adoption, deployment_plan, deployment_status, queue, recorder
from labkit.sandbox.controllers.informers import Informers

MANAGER = "kube-controller-manager"
JUST_AFTER = 1.0
"""Seconds after a deadline at which it is looked at, as kube-controller-manager adds one: times are whole seconds."""


class Deployments:
    """Keeps each Deployment's ReplicaSets as planned."""

    def __init__(self, informers: Informers) -> None:
        self._client = informers.client
        self._deployments = informers.of(resources.DEPLOYMENTS)
        self._sets = informers.of(resources.REPLICA_SETS)
        self.queue = queue.Queue(self._sync, name="deployment")
        self._deployments.on_change(lambda old, new: self.queue.add(informer.key_of(new or old or {})))
        self._sets.on_change(self._set_changed)

    def _set_changed(self, old: Object | None, new: Object | None) -> None:
        for key in adoption.concerned(self._deployments, old, new):
            self.queue.add(key)

    async def _sync(self, key: informer.Key) -> None:
        deployment = self._deployments.cache.get(key)
        if deployment is None or deployment["metadata"].get("deletionTimestamp"):
            return
        owned = await adoption.claimed(self._client, resources.REPLICA_SETS, deployment, self._sets.all(key[0]))
        plan = deployment_plan.plan(deployment, owned)
        if plan.create is not None:
            owned.append(await self._create(deployment, plan.create))
        for name, size in plan.sizes:
            await self._scale(deployment, name, size, owned)
        if plan.notes:
            name, annotations = plan.notes
            body = {"metadata": {"annotations": annotations}}
            await self._client.patch(resources.REPLICA_SETS, name, key[0], body, manager=MANAGER)
        for name in plan.delete:
            await self._client.delete(resources.REPLICA_SETS, name, key[0], propagation="Background")
        await self._report(deployment, owned, plan.revision)

    async def _create(self, deployment: Object, replica_set: Object) -> Object:
        name, namespace = resources.name_of(replica_set), resources.namespace_of(replica_set)
        try:
            created = await self._client.create(resources.REPLICA_SETS, replica_set, manager=MANAGER)
        except status.AlreadyExists:
            # Made a moment ago, and not in the cache yet.
            return await self._client.get(resources.REPLICA_SETS, name, namespace)
        size = replica_set["spec"]["replicas"]
        if size:
            await self._tell(deployment, f"Scaled up replica set {name} from 0 to {size}")
        return created

    async def _scale(self, deployment: Object, name: str, size: int, owned: list[Object]) -> None:
        old = next(rs for rs in owned if resources.name_of(rs) == name)
        before = old["spec"].get("replicas", 0)
        body = {
            "metadata": {"annotations": deployment_plan.size_notes(deployment)},
            "spec": {"replicas": size},
        }
        namespace = resources.namespace_of(deployment)
        await self._client.patch(resources.REPLICA_SETS, name, namespace, body, manager=MANAGER)
        way = "up" if size > before else "down"
        await self._tell(deployment, f"Scaled {way} replica set {name} from {before} to {size}")

    async def _tell(self, deployment: Object, message: str) -> None:
        await recorder.record(
            self._client, deployment, component="deployment-controller", reason="ScalingReplicaSet", message=message
        )

    async def _report(self, deployment: Object, owned: list[Object], revision: str) -> None:
        template, now = deployment["spec"]["template"], times.now()
        same = (rs for rs in owned if deployment_plan.same_template(rs["spec"]["template"], template))
        newest = next(same, None)
        if newest is not None and not revision:
            revision = resources.annotations_of(newest).get(deployment_plan.REVISION, "")
        annotations = dict(resources.annotations_of(deployment))
        if revision:
            annotations[deployment_plan.REVISION] = revision
        current = deployment_status.status(deployment, newest, owned, now=now)
        left = deployment_status.deadline({**deployment, "status": current}, now)
        if left is not None:
            # Times are whole seconds, cut off: the last of them begins before the deadline is really over.
            self.queue.add_later(informer.key_of(deployment), left - time.time() % 1 + JUST_AFTER)
        if current == deployment.get("status") and annotations == resources.annotations_of(deployment):
            return
        # With its resourceVersion: what somebody else wrote meanwhile is a Conflict, and a reason to look again.
        # The revision goes along, for annotations written to the status make no new generation.
        body = {**deployment, "metadata": {**deployment["metadata"], "annotations": annotations}, "status": current}
        with contextlib.suppress(status.NotFound):
            await self._client.replace(resources.DEPLOYMENTS, body, subresource="status", manager=MANAGER)
