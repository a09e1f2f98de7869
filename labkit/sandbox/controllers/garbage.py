"""Garbage collection: what has lost every owner goes, and owners that wait for it are let go."""

import contextlib

from labkit.kube import informer, resources, status
from labkit.kube.resources import Object
from labkit.sandbox.controllers import queue, recorder
from labkit.sandbox.controllers.informers import Informers

MANAGER = "kube-controller-manager"
FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
UNFOLLOWED = ("Event", "Lease")
"""Kinds that change often and that nobody owns."""

Node = tuple[resources.Resource, Object]


class Garbage:
    """Follows every kind that is served; works by uid."""

    def __init__(self, informers: Informers) -> None:
        self._client, self._informers = informers.client, informers
        self._nodes: dict[str, Node] = {}
        self._owned: dict[str, set[str]] = {}
        """The uid of an owner → uids of those that named it."""
        self._followed: dict[resources.Resource, None] = {}
        self.queue = queue.Queue(self._sync, name="garbage")
        informers.of(resources.CRDS).on_change(lambda old, new: self._follow())
        self._follow()

    def __repr__(self) -> str:
        return f"Garbage({len(self._nodes)} objects of {len(self._followed)} kinds)"

    def _follow(self) -> None:
        """Keep in step with what is served."""
        served = [kind for kind in self._client.kinds() if kind.kind not in UNFOLLOWED]
        for kind in served:
            if kind not in self._followed:
                self._followed[kind] = None
                self._informers.of(kind).on_change(lambda old, new, kind=kind: self._changed(kind, old, new))  # type: ignore[misc]
        for kind in [kind for kind in self._followed if kind not in served]:
            del self._followed[kind]
            for obj in self._informers.of(kind).all():
                self._gone(obj)
            self._informers.drop(kind)

    def _changed(self, kind: resources.Resource, old: Object | None, new: Object | None) -> None:
        if old is not None and (new is None or resources.uid_of(new) != resources.uid_of(old)):
            self._gone(old)
        if new is not None:
            uid = resources.uid_of(new)
            self._nodes[uid] = kind, new
            for reference in _references(new):
                self._owned.setdefault(reference["uid"], set()).add(uid)
            if _references(new) or new["metadata"].get("deletionTimestamp"):
                self._look_at(uid)
            self._look_at_owners(old)

    def _gone(self, obj: Object) -> None:
        uid = resources.uid_of(obj)
        self._nodes.pop(uid, None)
        for below in self._owned.pop(uid, ()):
            self._look_at(below)
        self._look_at_owners(obj)

    def _look_at(self, uid: str) -> None:
        self.queue.add(("", uid))

    def _look_at_owners(self, obj: Object | None) -> None:
        """Some of them may wait for this object."""
        for reference in _references(obj or {}):
            self._look_at(reference["uid"])

    async def _sync(self, key: informer.Key) -> None:
        node = self._nodes.get(key[1])
        if node is None:
            return
        kind, obj = node
        if obj["metadata"].get("deletionTimestamp"):
            await self._finish(kind, obj)
            return
        solid, waiting = [], False
        references = _references(obj)
        for reference in references:
            owner = await self._owner(reference, kind, obj)
            if owner is not None and _waits(owner) and reference.get("blockOwnerDeletion"):
                waiting = True
            elif owner is not None:
                solid.append(reference)
        with contextlib.suppress(status.NotFound):
            if solid and len(solid) < len(references):
                await self._patch(kind, obj, {"ownerReferences": solid})
            elif references and not solid:
                policy = "Foreground" if waiting and self._dependents(obj) else "Background"
                await self._client.delete(
                    kind,
                    resources.name_of(obj),
                    resources.namespace_of(obj),
                    propagation=policy,
                    uid=resources.uid_of(obj),
                )

    async def _owner(self, reference: Object, kind: resources.Resource, obj: Object) -> Object | None:
        """The owner, or None where there is none such; kinds that are not served are taken on trust."""
        namespace = resources.namespace_of(obj)
        node = self._nodes.get(reference["uid"])
        if node is None:
            served = {(k.api_version, k.kind): k for k in self._client.kinds()}
            owner_kind = served.get((reference["apiVersion"], reference["kind"]))
            if owner_kind is None:
                return reference | {"metadata": {}}
            try:
                live = await self._client.get(owner_kind, reference["name"], namespace)
            except status.NotFound:
                return None
            return live if resources.uid_of(live) == reference["uid"] else None
        owner_kind, owner = node
        if owner_kind.namespaced and resources.namespace_of(owner) != namespace:
            await self._complain(reference, obj)
            return None
        return owner

    async def _complain(self, reference: Object, obj: Object) -> None:
        namespace = resources.namespace_of(obj)
        about = f"{reference['apiVersion']}/{reference['kind']}, namespace: {namespace}, name: {reference['name']}"
        message = f'ownerRef [{about}, uid: {reference["uid"]}] does not exist in namespace "{namespace}"'
        await recorder.record(
            self._client,
            obj,
            component="garbage-collector-controller",
            reason="OwnerRefInvalidNamespace",
            message=message,
            type="Warning",
        )

    def _dependents(self, owner: Object) -> list[Node]:
        uid = resources.uid_of(owner)
        nodes = [self._nodes[below] for below in self._owned.get(uid, ()) if below in self._nodes]
        return [node for node in nodes if any(r["uid"] == uid for r in _references(node[1]))]

    async def _finish(self, kind: resources.Resource, obj: Object) -> None:
        """The finalizers by which a deletion waits for us."""
        finalizers = list(obj["metadata"].get("finalizers") or [])
        if FOREGROUND in finalizers:
            below = self._dependents(obj)
            for _, child in below:
                if not child["metadata"].get("deletionTimestamp"):
                    self._look_at(resources.uid_of(child))
            if any(_blocks(child, obj) for _, child in below):
                return
            finalizers.remove(FOREGROUND)
        elif ORPHAN in finalizers:
            for child_kind, child in self._dependents(obj):
                rest = [r for r in _references(child) if r["uid"] != resources.uid_of(obj)]
                with contextlib.suppress(status.NotFound):
                    await self._patch(child_kind, child, {"ownerReferences": rest or None})
            finalizers.remove(ORPHAN)
        else:
            return
        with contextlib.suppress(status.NotFound):
            await self._patch(kind, obj, {"finalizers": finalizers or None})

    async def _patch(self, kind: resources.Resource, obj: Object, metadata: Object) -> None:
        # The uid: a namesake that came meanwhile is another object, and a Conflict.
        body = {"metadata": {"uid": resources.uid_of(obj), **metadata}}
        await self._client.patch(kind, resources.name_of(obj), resources.namespace_of(obj), body, manager=MANAGER)


def _references(obj: Object) -> list[Object]:
    return (obj.get("metadata") or {}).get("ownerReferences") or []


def _waits(owner: Object) -> bool:
    metadata = owner["metadata"]
    return bool(metadata.get("deletionTimestamp")) and FOREGROUND in (metadata.get("finalizers") or ())


def _blocks(child: Object, owner: Object) -> bool:
    uid = resources.uid_of(owner)
    return any(r["uid"] == uid and r.get("blockOwnerDeletion") for r in _references(child))
