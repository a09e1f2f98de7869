"""ReplicaSets make Pods."""

import asyncio
import contextlib

from labkit.kube import informer, resources, status
from labkit.kube.resources import Object
from labkit.sandbox.controllers import adoption, deployment_plan, queue, recorder
from labkit.sandbox.controllers.informers import Informers

BURST = 500
"""Pods made or deleted in one go at the most, as the real controller."""

MANAGER = "kube-controller-manager"


class ReplicaSets:
    """Keeps as many pods as each ReplicaSet asks for."""

    def __init__(self, informers: Informers) -> None:
        self._client = informers.client
        self._sets = informers.of(resources.REPLICA_SETS)
        self._pods = informers.of(resources.PODS)
        self._making: dict[str, set[str]] = {}
        """Names of pods made and not yet seen in the cache, by the uid of their owner."""

        self._failures: dict[str, Object] = {}
        """The condition that says why pods could not be made, by the uid of their owner."""

        self.queue = queue.Queue(self._sync, name="replicaset")
        self._sets.on_change(lambda old, new: self.queue.add(informer.key_of(new or old or {})))
        self._pods.on_change(self._pod_changed)

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        for pod in filter(None, (old, new)):
            owner, namespace = resources.owner_of(pod), resources.namespace_of(pod)
            if owner and owner["kind"] == "ReplicaSet":
                self._making.get(owner["uid"], set()).discard(resources.name_of(pod))
                self.queue.add((namespace, owner["name"]))
            elif owner is None and pod is new:
                for found in self._sets.all(namespace):
                    self.queue.add(informer.key_of(found))

    async def _sync(self, key: informer.Key) -> None:
        found = self._sets.cache.get(key)
        if found is None or found["metadata"].get("deletionTimestamp"):
            return
        uid = resources.uid_of(found)
        owned = await adoption.claimed(self._client, resources.PODS, found, self._pods.all(key[0]))
        active = [p for p in owned if _is_active(p)]
        missing = found["spec"].get("replicas", 1) - len(active) - len(self._making.get(uid, ()))
        if missing > 0:
            try:
                await asyncio.gather(*(self._create(found) for _ in range(min(missing, BURST))))
            except status.StatusError as e:
                self._failures[uid] = _failure(e)
                await self._report(found, owned)
                raise
        elif missing < 0:
            doomed = sorted(active, key=_worth)[:-missing]
            await asyncio.gather(*(self._delete(found, pod) for pod in doomed))
        self._failures.pop(uid, None)
        await self._report(found, owned)

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
            made = await self._client.create(resources.PODS, pod, manager=MANAGER)
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

    async def _report(self, found: Object, owned: list[Object]) -> None:
        wanted = _status(found, owned)
        if failure := self._failures.get(resources.uid_of(found)):
            known = (found.get("status") or {}).get("conditions") or [failure]
            same = all(known[0][key] == failure[key] for key in ("reason", "message"))
            wanted["conditions"] = known if same else [failure]
        if wanted != found.get("status"):
            # With its resourceVersion: what somebody else wrote meanwhile is a Conflict, and a reason to look again.
            body = {**found, "status": wanted}
            with contextlib.suppress(status.NotFound):
                await self._client.replace(resources.REPLICA_SETS, body, subresource="status", manager=MANAGER)


def _status(found: Object, owned: list[Object]) -> Object:
    active = [pod for pod in owned if _is_active(pod)]
    ready = sum(is_ready(pod) for pod in active)
    labels = found["spec"]["template"].get("metadata", {}).get("labels") or {}
    labelled = sum(labels.items() <= resources.labels_of(pod).items() for pod in active)
    numbers = {"fullyLabeledReplicas": labelled, "readyReplicas": ready, "availableReplicas": ready}
    return {
        "replicas": len(active),
        **{name: number for name, number in numbers.items() if number},
        "terminatingReplicas": sum(_is_leaving(pod) for pod in owned),
        "observedGeneration": found["metadata"].get("generation", 1),
    }


def _failure(error: status.StatusError) -> Object:
    return {
        "type": "ReplicaFailure",
        "status": "True",
        "lastTransitionTime": recorder.now(),
        "reason": "FailedCreate",
        "message": str(error),
    }


def _is_leaving(pod: Object) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp")) and not _has_ended(pod)


def _has_ended(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def _is_active(pod: Object) -> bool:
    return not _has_ended(pod) and not pod["metadata"].get("deletionTimestamp")


def is_ready(pod: Object) -> bool:
    """Whether the pod's Ready condition is true."""
    conditions = pod.get("status", {}).get("conditions") or []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _worth(pod: Object) -> tuple[bool, bool, str]:
    """Deleted first: not on a node, not ready, youngest."""
    created = pod["metadata"].get("creationTimestamp", "")
    return bool(pod["spec"].get("nodeName")), is_ready(pod), "".join(chr(255 - ord(c)) for c in created)
