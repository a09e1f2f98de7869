"""Deployments make ReplicaSets, ReplicaSets make Pods."""

import asyncio
import contextlib

from labkit.kube import api, informer, resources, status
from labkit.kube.resources import Object
from labkit.sandbox.controllers import deployment_plan, queue, recorder
from labkit.sandbox.controllers.informers import Informers

BURST = 500
"""Pods made or deleted in one go at the most, as the real controller."""


class Deployments:
    """Keeps each Deployment's ReplicaSets as planned."""

    def __init__(self, client: api.Api, informers: Informers) -> None:
        self._client = client
        self._deployments = informers.of(resources.DEPLOYMENTS)
        self._sets = informers.of(resources.REPLICA_SETS)
        self.queue = queue.Queue(self._sync, name="deployment")
        self._deployments.on_change(lambda old, new: self.queue.add(informer.key_of(new or old or {})))
        self._sets.on_change(self._owner_changed)

    def _owner_changed(self, old: Object | None, new: Object | None) -> None:
        owner = resources.owner_of(new or old or {})
        if owner and owner["kind"] == "Deployment":
            self.queue.add((resources.namespace_of(new or old or {}), owner["name"]))

    async def _sync(self, key: informer.Key) -> None:
        deployment = self._deployments.cache.get(key)
        if deployment is None or deployment["metadata"].get("deletionTimestamp"):
            return
        uid = resources.uid_of(deployment)
        owned = [rs for rs in self._sets.all(key[0]) if (resources.owner_of(rs) or {}).get("uid") == uid]
        plan = deployment_plan.plan(deployment, owned)
        if plan.create is not None:
            await self._create(deployment, plan.create)
            return
        for name, size in plan.sizes:
            await self._scale(deployment, name, size, owned)
        if plan.adopt:
            note = {"metadata": {"annotations": {deployment_plan.REVISION: plan.revision}}}
            await self._client.patch(
                resources.REPLICA_SETS, plan.adopt, key[0], note, manager="kube-controller-manager"
            )
        for name in plan.delete:
            await self._client.delete(resources.REPLICA_SETS, name, key[0])
        await self._report(deployment, owned, plan.revision)

    async def _create(self, deployment: Object, made: Object) -> None:
        with contextlib.suppress(status.AlreadyExists):
            await self._client.create(resources.REPLICA_SETS, made, manager="kube-controller-manager")
            message = f"Scaled up replica set {made['metadata']['name']} from 0 to {made['spec']['replicas']}"
            await self._tell(deployment, message)

    async def _scale(self, deployment: Object, name: str, size: int, owned: list[Object]) -> None:
        old = next(rs for rs in owned if resources.name_of(rs) == name)
        before = old["spec"].get("replicas", 0)
        asked = deployment["spec"].get("replicas", 1)
        notes = {
            "deployment.kubernetes.io/desired-replicas": str(asked),
            "deployment.kubernetes.io/max-replicas": str(asked + deployment_plan.bounds(deployment)[0]),
        }
        body = {"metadata": {"annotations": notes}, "spec": {"replicas": size}}
        namespace = resources.namespace_of(deployment)
        await self._client.patch(resources.REPLICA_SETS, name, namespace, body, manager="kube-controller-manager")
        way = "up" if size > before else "down"
        await self._tell(deployment, f"Scaled {way} replica set {name} from {before} to {size}")

    async def _tell(self, deployment: Object, message: str) -> None:
        await recorder.record(
            self._client, deployment, component="deployment-controller", reason="ScalingReplicaSet", message=message
        )

    async def _report(self, deployment: Object, owned: list[Object], revision: str) -> None:
        template = deployment["spec"]["template"]
        same = (rs for rs in owned if deployment_plan.same_template(rs["spec"]["template"], template))
        newest = next(same, None)
        name, namespace = resources.name_of(deployment), resources.namespace_of(deployment)
        if revision and resources.annotations_of(deployment).get(deployment_plan.REVISION) != revision:
            note = {"metadata": {"annotations": {deployment_plan.REVISION: revision}}}
            deployment = await self._client.patch(
                resources.DEPLOYMENTS, name, namespace, note, manager="kube-controller-manager"
            )
        found = deployment_plan.status(deployment, newest, owned, recorder.now())
        if found != deployment.get("status"):
            # With its resourceVersion: what somebody else wrote meanwhile is a Conflict, and a reason to look again.
            body = {**deployment, "status": found}
            await self._client.replace(
                resources.DEPLOYMENTS, body, subresource="status", manager="kube-controller-manager"
            )


class ReplicaSets:
    """Keeps as many pods as each ReplicaSet asks for."""

    def __init__(self, client: api.Api, informers: Informers) -> None:
        self._client = client
        self._sets = informers.of(resources.REPLICA_SETS)
        self._pods = informers.of(resources.PODS)
        self._making: dict[str, set[str]] = {}
        """Names of pods made and not yet seen in the cache, by the uid of their owner."""
        self.queue = queue.Queue(self._sync, name="replicaset")
        self._sets.on_change(lambda old, new: self.queue.add(informer.key_of(new or old or {})))
        self._pods.on_change(self._owner_changed)

    def _owner_changed(self, old: Object | None, new: Object | None) -> None:
        pod = new or old or {}
        owner = resources.owner_of(pod)
        if owner and owner["kind"] == "ReplicaSet":
            self._making.get(owner["uid"], set()).discard(resources.name_of(pod))
            self.queue.add((resources.namespace_of(pod), owner["name"]))

    async def _sync(self, key: informer.Key) -> None:
        found = self._sets.cache.get(key)
        if found is None or found["metadata"].get("deletionTimestamp"):
            return
        uid = resources.uid_of(found)
        owned = [p for p in self._pods.all(key[0]) if (resources.owner_of(p) or {}).get("uid") == uid]
        active = [p for p in owned if _is_active(p)]
        missing = found["spec"].get("replicas", 1) - len(active) - len(self._making.get(uid, ()))
        if missing > 0:
            await asyncio.gather(*(self._create(found) for _ in range(min(missing, BURST))))
        elif missing < 0:
            doomed = sorted(active, key=_worth)[:-missing]
            await asyncio.gather(*(self._delete(found, pod) for pod in doomed))
        await self._report(found, active)

    async def _create(self, owner: Object) -> None:
        template = owner["spec"]["template"]
        metadata = template.get("metadata") or {}
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "generateName": f"{resources.name_of(owner)}-",
                "namespace": resources.namespace_of(owner),
                **{k: metadata[k] for k in ("labels", "annotations") if metadata.get(k)},
                "ownerReferences": [deployment_plan.owner_reference(owner)],
            },
            "spec": template["spec"],
        }
        try:
            made = await self._client.create(resources.PODS, pod, manager="kube-controller-manager")
        except status.StatusError as e:
            await self._tell(owner, "FailedCreate", f"Error creating: {e}", type="Warning")
            raise
        name = resources.name_of(made)
        if (resources.namespace_of(owner), name) not in self._pods.cache:
            self._making.setdefault(resources.uid_of(owner), set()).add(name)
        await self._tell(owner, "SuccessfulCreate", f"Created pod: {name}")

    async def _delete(self, owner: Object, pod: Object) -> None:
        with contextlib.suppress(status.NotFound):
            await self._client.delete(resources.PODS, resources.name_of(pod), resources.namespace_of(pod))
            await self._tell(owner, "SuccessfulDelete", f"Deleted pod: {resources.name_of(pod)}")

    async def _tell(self, owner: Object, reason: str, message: str, *, type: str = "Normal") -> None:
        await recorder.record(
            self._client, owner, component="replicaset-controller", reason=reason, message=message, type=type
        )

    async def _report(self, found: Object, active: list[Object]) -> None:
        ready = sum(is_ready(p) for p in active)
        numbers = {"readyReplicas": ready, "availableReplicas": ready, "fullyLabeledReplicas": len(active)}
        wanted: Object = {
            "replicas": len(active),
            "observedGeneration": found["metadata"].get("generation", 1),
            **{k: v for k, v in numbers.items() if v},
        }
        if wanted != found.get("status"):
            # With its resourceVersion: what somebody else wrote meanwhile is a Conflict, and a reason to look again.
            body = {**found, "status": wanted}
            await self._client.replace(
                resources.REPLICA_SETS, body, subresource="status", manager="kube-controller-manager"
            )


def _is_active(pod: Object) -> bool:
    finished = pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
    return not finished and not pod["metadata"].get("deletionTimestamp")


def is_ready(pod: Object) -> bool:
    """Whether the pod's Ready condition is true."""
    conditions = pod.get("status", {}).get("conditions") or []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _worth(pod: Object) -> tuple[bool, bool, str]:
    """Deleted first: not on a node, not ready, youngest."""
    created = pod["metadata"].get("creationTimestamp", "")
    return bool(pod["spec"].get("nodeName")), is_ready(pod), "".join(chr(255 - ord(c)) for c in created)
