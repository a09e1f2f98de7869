"""Scheduling, namespaces and garbage: the small duties of a control plane."""

import asyncio
import contextlib

from labkit.kube import api, informer, resources, status
from labkit.kube.resources import Object
from labkit.sandbox.controllers import queue, recorder
from labkit.sandbox.controllers.informers import Informers

NODE = "sandbox"
SCHEDULER = "default-scheduler"
BINDINGS = "pods/{name}/binding"


class Scheduler:
    """Puts every pod on the only node."""

    def __init__(self, client: api.Api, informers: Informers) -> None:
        self._client = client
        self._pods = informers.of(resources.PODS)
        self.queue = queue.Queue(self._sync, name="scheduler")
        self._pods.on_change(lambda old, new: self.queue.add(informer.key_of(new)) if new else None)

    async def _sync(self, key: informer.Key) -> None:
        pod = self._pods.cache.get(key)
        if pod is None or not _is_waiting(pod):
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
            await recorder.record(self._client, pod, component=SCHEDULER, reason="Scheduled", message=message)


def _is_waiting(pod: Object) -> bool:
    """Whether it is for this scheduler to place."""
    spec = pod["spec"]
    held = spec.get("nodeName") or spec.get("schedulingGates") or pod["metadata"].get("deletionTimestamp")
    return not held and spec.get("schedulerName", SCHEDULER) == SCHEDULER


class Namespaces:
    """Gives a namespace its ServiceAccount and the cluster's certificate; empties one that is to go."""

    def __init__(self, client: api.Api, informers: Informers, *, root_ca: str) -> None:
        self._client, self._root_ca = client, root_ca
        self._namespaces = informers.of(resources.NAMESPACES)
        self._accounts = informers.of(resources.SERVICE_ACCOUNTS)
        self.queue = queue.Queue(self._sync, name="namespace")
        self._namespaces.on_change(lambda old, new: self.queue.add(informer.key_of(new)) if new else None)
        self._accounts.on_change(
            lambda old, new: None if new else self.queue.add(("", resources.namespace_of(old or {})))
        )

    async def _sync(self, key: informer.Key) -> None:
        namespace = self._namespaces.cache.get(key)
        if namespace is None:
            return
        name = key[1]
        if namespace["metadata"].get("deletionTimestamp"):
            await self._empty(namespace)
            return
        metadata = {"namespace": name}
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {**metadata, "name": "default"}}
        certificate = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                **metadata,
                "name": "kube-root-ca.crt",
                "annotations": {
                    "kubernetes.io/description": "Contains a CA bundle that can be used to verify the kube-apiserver "
                    "when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other "
                    "usage is guaranteed across distributions of Kubernetes clusters."
                },
            },
            "data": {"ca.crt": self._root_ca},
        }
        for resource, obj in ((resources.SERVICE_ACCOUNTS, account), (resources.CONFIG_MAPS, certificate)):
            with contextlib.suppress(status.AlreadyExists):
                await self._client.create(resource, obj, manager="kube-controller-manager")

    async def _empty(self, namespace: Object) -> None:
        name = resources.name_of(namespace)
        left = 0
        for resource in [r for r in vars(resources).values() if isinstance(r, resources.Resource) and r.namespaced]:
            try:
                listed = await self._client.list(resource, name)
            except status.StatusError:
                continue  # a kind that is not served here
            for obj in listed["items"]:
                left += 1
                if not obj["metadata"].get("deletionTimestamp"):
                    with contextlib.suppress(status.NotFound):
                        await self._client.delete(resource, resources.name_of(obj), name)
        if left:
            self.queue.add_later(("", name), 0.1)
            return
        body = {**namespace, "spec": {"finalizers": []}}
        with contextlib.suppress(status.NotFound):
            await self._client.replace(resources.NAMESPACES, body, subresource="finalize")


class Garbage:
    """Deletes what has lost every owner, and lets go of owners that wait for it."""

    KINDS = (
        resources.REPLICA_SETS,
        resources.PODS,
        resources.ENDPOINT_SLICES,
        resources.DEPLOYMENTS,
        resources.JOBS,
        resources.CONFIG_MAPS,
        resources.SECRETS,
        resources.SERVICES,
        resources.SERVICE_ACCOUNTS,
    )

    def __init__(self, client: api.Api, informers: Informers) -> None:
        self._client = client
        self._informers = {kind: informers.of(kind) for kind in self.KINDS}
        self._uids: dict[str, tuple[resources.Resource, Object]] = {}
        self._owned: dict[str, set[tuple[resources.Resource, informer.Key]]] = {}
        self.queues = []
        for kind, found in self._informers.items():
            work = queue.Queue(lambda key, kind=kind: self._sync(kind, key), name="garbage")  # type: ignore[misc]
            self.queues.append(work)
            found.on_change(lambda old, new, kind=kind, work=work: self._changed(kind, work, old, new))  # type: ignore[misc]
        self._work = dict(zip(self._informers, self.queues, strict=True))

    def _changed(self, kind: resources.Resource, work: queue.Queue, old: Object | None, new: Object | None) -> None:
        obj = new or old or {}
        uid, key = resources.uid_of(obj), informer.key_of(obj)
        for reference in obj["metadata"].get("ownerReferences") or []:
            self._owned.setdefault(reference["uid"], set()).add((kind, key))
        if new is not None:
            self._uids[uid] = kind, new
            work.add(key)
            return
        self._uids.pop(uid, None)
        for below, place in self._owned.pop(uid, set()):
            self._work[below].add(place)
        for reference in obj["metadata"].get("ownerReferences") or []:
            if owner := self._uids.get(reference["uid"]):
                self._work[owner[0]].add(informer.key_of(owner[1]))

    async def _sync(self, kind: resources.Resource, key: informer.Key) -> None:
        obj = self._informers[kind].cache.get(key)
        if obj is None:
            return
        metadata = obj["metadata"]
        finalizers = metadata.get("finalizers") or []
        if metadata.get("deletionTimestamp") and {"orphan", "foregroundDeletion"} & set(finalizers):
            await self._finish(kind, obj)
            return
        references = metadata.get("ownerReferences") or []
        if not references or metadata.get("deletionTimestamp"):
            return
        alive = [r for r in references if await self._is_alive(r, resources.namespace_of(obj))]
        if not alive:
            with contextlib.suppress(status.NotFound, status.Conflict):
                await self._client.delete(kind, key[1], key[0], propagation="Background", uid=resources.uid_of(obj))

    async def _is_alive(self, reference: Object, namespace: str) -> bool:
        if reference["uid"] in self._uids:
            return True
        known = next(
            (k for k in self.KINDS if (k.api_version, k.kind) == (reference["apiVersion"], reference["kind"])), None
        )
        if known is None:
            return True  # kinds that are not followed are not judged
        try:
            found = await self._client.get(known, reference["name"], namespace)
        except status.NotFound:
            return False
        return resources.uid_of(found) == reference["uid"]

    async def _finish(self, kind: resources.Resource, obj: Object) -> None:
        uid = resources.uid_of(obj)
        below = [(k, place) for k, place in self._owned.get(uid, set()) if place in self._informers[k].cache]
        finalizers = list(obj["metadata"]["finalizers"])
        if "foregroundDeletion" in finalizers:
            for k, (namespace, name) in below:
                with contextlib.suppress(status.NotFound):
                    await self._client.delete(k, name, namespace, propagation="Foreground")
            if below:
                return
            finalizers.remove("foregroundDeletion")
        else:
            for k, (namespace, name) in below:
                child = self._informers[k].cache[namespace, name]
                rest = [r for r in child["metadata"]["ownerReferences"] if r["uid"] != uid]
                with contextlib.suppress(status.NotFound):
                    await self._client.patch(k, name, namespace, {"metadata": {"ownerReferences": rest or None}})
            finalizers.remove("orphan")
        body = {"metadata": {"finalizers": finalizers or None}}
        with contextlib.suppress(status.NotFound):
            await self._client.patch(kind, resources.name_of(obj), resources.namespace_of(obj), body)


async def together(queues: list[queue.Queue]) -> None:
    """Run queues until cancelled."""
    async with asyncio.TaskGroup() as group:
        for found in queues:
            group.create_task(found.run())
