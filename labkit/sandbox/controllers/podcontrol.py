"""Making and deleting the pods of a controller's object, with the Events that tell of it."""

import time
from collections.abc import Mapping
from typing import Any

from labkit.kube import informer, resources, status
from labkit.kube.resources import Object
from labkit.sandbox.controllers import recorder
from labkit.sandbox.controllers.deployment_plan import owner_reference
from labkit.sandbox.controllers.informers import Informers

MANAGER = "kube-controller-manager"
PATIENCE = 30.0
"""Seconds after which a write that the cache never showed is no longer waited for."""


class PodControl:
    """Makes and deletes pods in the name of one controller, and knows which of it the cache does not show yet."""

    def __init__(self, informers: Informers, *, component: str) -> None:
        self._client, self._component = informers.client, component
        self._pods = informers.of(resources.PODS)
        self._unseen: dict[str, dict[informer.Key, float]] = {}
        """Uid of an owner → pods made or deleted and not seen yet → when, by the clock that never goes back."""

        self._pods.on_change(self._seen)

    def __repr__(self) -> str:
        return f"PodControl({self._component})"

    def is_settled(self, owner: Object) -> bool:
        """Whether the cache shows everything that was done for an owner: before, pods must not be counted."""
        oldest = time.monotonic() - PATIENCE
        return all(when < oldest for when in self._unseen.get(resources.uid_of(owner), {}).values())

    async def create(self, owner: Object, pod: Object) -> Object:
        """Make a pod and tell of it; a refusal is told on the owner and raised."""
        try:
            stored = await self.store(owner, pod)
        except status.StatusError as e:
            await self.tell(owner, "FailedCreate", f"Error creating: {e}", type="Warning")
            raise
        await self.tell(owner, "SuccessfulCreate", f"Created pod: {resources.name_of(stored)}")
        return stored

    async def delete(self, owner: Object, pod: Object) -> None:
        """Delete a pod and tell of it."""
        if await self.remove(owner, pod):
            await self.tell(owner, "SuccessfulDelete", f"Deleted pod: {resources.name_of(pod)}")

    async def store(self, owner: Object, pod: Object) -> Object:
        """Make a pod without telling."""
        stored = await self._client.create(resources.PODS, pod, manager=MANAGER)
        if informer.key_of(stored) not in self._pods.cache:
            self._note(owner, stored)
        return stored

    async def remove(self, owner: Object, pod: Object) -> bool:
        """Delete a pod without telling; False where it is gone already."""
        key = informer.key_of(pod)
        try:
            await self._client.delete(resources.PODS, key[1], key[0], uid=resources.uid_of(pod))
        except (status.NotFound, status.Conflict):
            return False
        cached = self._pods.cache.get(key)
        if cached is not None and not cached["metadata"].get("deletionTimestamp"):
            self._note(owner, pod)
        return True

    def _note(self, owner: Object, pod: Object) -> None:
        self._unseen.setdefault(resources.uid_of(owner), {})[informer.key_of(pod)] = time.monotonic()

    def _seen(self, old: Object | None, new: Object | None) -> None:
        pod = new or old or {}
        uid = (resources.owner_of(pod) or {}).get("uid", "")
        if uid in self._unseen and (old is None or new is None or new["metadata"].get("deletionTimestamp")):
            self._unseen[uid].pop(informer.key_of(pod), None)
            if not self._unseen[uid]:
                del self._unseen[uid]

    async def tell(self, owner: Object, reason: str, message: str, *, type: str = "Normal") -> None:
        """Write an Event about the owner."""
        await recorder.record(self._client, owner, component=self._component, reason=reason, message=message, type=type)


def pod_of(owner: Object, template: Object, *, name: str = "", **metadata: Any) -> Object:
    """A pod of a template; without a name of its own it gets a generated one."""
    given = template.get("metadata") or {}
    kept: Mapping[str, Any] = {k: given[k] for k in ("labels", "annotations", "finalizers") if given.get(k)}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            **({"name": name} if name else {}),
            "generateName": f"{resources.name_of(owner)}-",
            "namespace": resources.namespace_of(owner),
            **kept,
            "ownerReferences": [owner_reference(owner)],
            **metadata,
        },
        "spec": template["spec"],
    }
