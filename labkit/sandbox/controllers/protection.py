"""Small promises: a ready node takes pods, and a volume in use stays."""

import contextlib
from collections.abc import Iterator

from labkit.kube import api, informer, resources, status
from labkit.kube.resources import Object
from labkit.sandbox.controllers import queue
from labkit.sandbox.controllers.informers import Informers

MANAGER = "kube-controller-manager"
UNREADY = "node.kubernetes.io/not-ready"
OF_CLAIMS, OF_VOLUMES = "kubernetes.io/pvc-protection", "kubernetes.io/pv-protection"
"""Finalizers of what may be in use."""


class Taints:
    """Takes the taint off nodes that have become ready."""

    def __init__(self, informers: Informers) -> None:
        self._client, self._nodes = informers.client, informers.of(resources.NODES)
        self.queue = queue.Queue(self._sync, name="taints")
        self._nodes.on_change(lambda old, new: self.queue.add(informer.key_of(new)) if new else None)

    async def _sync(self, key: informer.Key) -> None:
        node = self._nodes.cache.get(key)
        taints = (node or {}).get("spec", {}).get("taints") or []
        rest = [taint for taint in taints if taint["key"] != UNREADY]
        if node is not None and len(rest) < len(taints) and _is_ready(node):
            with contextlib.suppress(status.NotFound):
                await self._client.patch(
                    resources.NODES, key[1], None, {"spec": {"taints": rest or None}}, manager=MANAGER
                )


class Claims:
    """Lets go of deleted claims that no pod uses."""

    def __init__(self, informers: Informers) -> None:
        self._client = informers.client
        self._claims, self._pods = informers.of(resources.CLAIMS), informers.of(resources.PODS)
        self.queue = queue.Queue(self._sync, name="claims")
        self._claims.on_change(lambda old, new: self.queue.add(informer.key_of(new)) if new else None)
        self._pods.on_change(self._pod_changed)

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        for name in _claims_of(old or {}):
            self.queue.add((resources.namespace_of(old or {}), name))

    async def _sync(self, key: informer.Key) -> None:
        claim = self._claims.cache.get(key)
        if claim is not None and not any(key[1] in _claims_of(pod) for pod in self._pods.all(key[0])):
            await _let_go(self._client, resources.CLAIMS, claim, OF_CLAIMS)


class Volumes:
    """Lets go of deleted volumes that no claim holds."""

    def __init__(self, informers: Informers) -> None:
        self._client, self._volumes = informers.client, informers.of(resources.VOLUMES)
        self.queue = queue.Queue(self._sync, name="volumes")
        self._volumes.on_change(lambda old, new: self.queue.add(informer.key_of(new)) if new else None)

    async def _sync(self, key: informer.Key) -> None:
        volume = self._volumes.cache.get(key)
        if volume is not None and (volume.get("status") or {}).get("phase") != "Bound":
            await _let_go(self._client, resources.VOLUMES, volume, OF_VOLUMES)


async def _let_go(client: api.Api, kind: resources.Resource, obj: Object, finalizer: str) -> None:
    """Take our finalizer off an object that is to go."""
    metadata = obj["metadata"]
    finalizers = metadata.get("finalizers") or []
    if not metadata.get("deletionTimestamp") or finalizer not in finalizers:
        return
    body = {"metadata": {"finalizers": [name for name in finalizers if name != finalizer] or None}}
    with contextlib.suppress(status.NotFound):
        await client.patch(kind, resources.name_of(obj), resources.namespace_of(obj), body, manager=MANAGER)


def _claims_of(pod: Object) -> Iterator[str]:
    """The claims that a pod's volumes use; one that has finished uses none."""
    if (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed"):
        for volume in (pod.get("spec") or {}).get("volumes") or ():
            if claim := volume.get("persistentVolumeClaim"):
                yield claim["claimName"]


def _is_ready(node: Object) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
