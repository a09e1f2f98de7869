"""What can be done to objects, from an order to the store: the one path for requests and for our own controllers."""

import asyncio
import datetime
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from labkit.kube import status
from labkit.kube.resources import Object
from labkit.sandbox.apiserver import allocation, registry, strategies, subresources
from labkit.sandbox.apiserver import store as stores
from labkit.sandbox.apiserver.objects import decoding, defaults, ownership, patches, refusals, validation

Admit = Callable[["Order", Object | None, Object | None], Awaitable[Object | None]]
"""Mutating admission: (order, new, old) → the object to go on with."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """One write: where, by whom and how."""

    served: registry.Served
    operation: str
    """CREATE, UPDATE, DELETE, as admission says it."""

    namespace: str = ""
    name: str = ""
    subresource: str = ""
    manager: str = "unknown"
    dry_run: bool = False
    level: str = decoding.WARN
    """How unknown fields are treated: Strict, Warn or Ignore."""

    user: Mapping[str, Any] = field(default_factory=lambda: {"username": "system:admin"})
    warnings: list[str] = field(default_factory=list)
    """Collects texts of Warning headers."""

    @property
    def write(self) -> strategies.Write:
        """For the strategies."""
        return strategies.Write(schema=self.served.schema, storage=self.served.storage, subresource=self.subresource)


class Verbs:
    """Reads are answered at once; writes are admitted first, then done without a pause."""

    def __init__(self, store: stores.Store, kinds: registry.Registry, numbers: allocation.Numbers) -> None:
        self.store, self.kinds, self._numbers = store, kinds, numbers
        self.admit_change: Admit | None = None
        self.admit_result: Admit | None = None
        self.on_stored: list[Callable[[registry.Served, Object | None, Object | None], None]] = []

    def get(self, served: registry.Served, namespace: str, name: str) -> Object:
        """The stored object in the version asked for, or 404."""
        found = self.store.get(served.storage, namespace if served.schema.namespaced else "", name)
        if found is None:
            raise not_found(served, name)
        return shown(served, found)

    async def create(self, order: Order, obj: Object) -> Object:
        """Store a new object."""
        metadata = dict(obj.get("metadata") or {})
        if metadata.get("resourceVersion"):
            raise refusals.internal("resourceVersion should not be set on objects to be created")
        if order.served.schema.namespaced:
            metadata["namespace"] = order.namespace
            self._must_live(order)
        else:
            metadata.pop("namespace", None)
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = strategies.generated(metadata["generateName"])
        metadata["uid"] = str(uuid.uuid4())
        metadata["creationTimestamp"] = now()
        for cleared in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"):
            metadata.pop(cleared, None)
        made = strategies.for_create(order.write, {**obj, "metadata": metadata})
        made = defaults.with_defaults(order.served.schema, made)
        made = await self._admitted(order, made, None)
        made = defaults.with_defaults(order.served.schema, made)
        self._must_be_valid(order, made, None)
        await self._accepted(order, made, None)
        name = made["metadata"]["name"]
        if self.store.get(order.served.storage, metadata.get("namespace", ""), name) is not None:
            raise already_exists(order.served, name)
        if not order.dry_run or order.served.storage == "services":
            made = self._numbers.given(order.served.storage, made, None, keep=not order.dry_run)
        return self._stored(order, made, None, "Update")

    async def update(self, order: Order, obj: Object, *, owned: bool = False) -> Object:
        """Replace an object; ``owned`` says that managedFields are already those of an apply."""
        old = self.get(order.served, order.namespace, order.name)
        version = obj.get("metadata", {}).get("resourceVersion")
        if version and version != old["metadata"]["resourceVersion"]:
            raise conflict(order.served, order.name)
        uid = obj.get("metadata", {}).get("uid")
        if uid and uid != old["metadata"]["uid"]:
            raise conflict(
                order.served,
                order.name,
                f"Precondition failed: UID in precondition: {uid}, UID in object meta: {old['metadata']['uid']}",
            )
        made = strategies.for_update(order.write, {**obj, "metadata": dict(obj.get("metadata") or {})}, old)
        made = defaults.with_defaults(order.served.schema, made, old)
        made = await self._admitted(order, made, old)
        made = defaults.with_defaults(order.served.schema, made, old)
        made = self._numbers.given(order.served.storage, made, old, keep=not order.dry_run)
        self._must_be_valid(order, made, old)
        await self._accepted(order, made, old)
        newest = self.store.get(order.served.storage, old["metadata"].get("namespace", ""), order.name)
        if newest is None or newest["metadata"]["resourceVersion"] != old["metadata"]["resourceVersion"]:
            raise conflict(order.served, order.name)
        return self._stored(order, made, old, "Apply" if owned else "Update")

    async def patch(self, order: Order, body: bytes, content_type: str, *, force: bool = False) -> tuple[Object, bool]:
        """Change an object; an apply may create it. Whether it was created comes second."""
        for _ in range(8):
            try:
                return await self._patch_once(order, body, content_type, force=force)
            except status.Conflict as e:
                # Somebody wrote in between: the patch is done again on what is there now, as a real server does.
                if "please apply your changes" not in str(e) or b"resourceVersion" in body:
                    raise
                await asyncio.sleep(0)
        raise conflict(order.served, order.name)

    async def _patch_once(self, order: Order, body: bytes, content_type: str, *, force: bool) -> tuple[Object, bool]:
        schema = order.served.schema
        namespace = order.namespace if schema.namespaced else ""
        live = self.store.get(order.served.storage, namespace, order.name)
        if content_type == patches.APPLY:
            config = decoding.decode(schema, decoding.parse(body, decoding.YAML), level=order.level)
            order.warnings.extend(config.warnings)
            shown_live = shown(order.served, live) if live else None
            result = ownership.apply(
                shown_live,
                config.object,
                manager=order.manager,
                force=force,
                schema=schema,
                time=now(),
                subresource=order.subresource,
            )
            if live is None:
                result.setdefault("metadata", {})["name"] = order.name
                return await self._create_applied(order, result), True
            return await self.update(order, result, owned=True), False
        if live is None:
            raise not_found(order.served, order.name)
        read = patches.patched(content_type, shown(order.served, live), body, schema, level=order.level)
        order.warnings.extend(read.warnings)
        return await self.update(order, read.object), False

    async def _create_applied(self, order: Order, obj: Object) -> Object:
        return await self.create(order, obj)

    async def delete(
        self,
        order: Order,
        *,
        grace: int | None = None,
        propagation: str | None = None,
        preconditions: Mapping[str, Any] | None = None,
    ) -> tuple[Object, bool]:
        """Delete, or begin to; the object, and whether it is gone."""
        old = self.get(order.served, order.namespace, order.name)
        for key, where in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
            wanted = (preconditions or {}).get(key)
            if wanted and wanted != old["metadata"][key]:
                raise conflict(
                    order.served,
                    order.name,
                    f"Precondition failed: {where} in precondition: {wanted}, "
                    f"{where} in object meta: {old['metadata'][key]}",
                )
        await self._accepted(order, None, old)
        old = self.get(order.served, order.namespace, order.name)
        marked = self._marked(order, old, grace, propagation)
        if marked is None:
            if not order.dry_run:
                self._remove(order.served, old)
            return old, True
        if order.dry_run or marked == old:
            return marked, False
        stored = self.store.put(order.served.storage, marked)
        self._announce(order.served, stored, old)
        return stored, False

    async def bind(self, order: Order, binding: Object) -> Object:
        """Put a pod on a node, the one change of ``spec.nodeName`` there is."""
        old = self.get(order.served, order.namespace, order.name)
        made = subresources.bound(old, binding)
        if order.dry_run:
            return made
        stored = self.store.put(order.served.storage, made)
        self._announce(order.served, stored, old)
        return stored

    def _marked(self, order: Order, old: Object, grace: int | None, propagation: str | None) -> Object | None:
        """The object as it waits to be deleted, or None when nothing holds it."""
        metadata = dict(old["metadata"])
        finalizers = [f for f in metadata.get("finalizers") or [] if f not in ("orphan", "foregroundDeletion")]
        if propagation == "Foreground":
            finalizers.append("foregroundDeletion")
        elif propagation == "Orphan":
            finalizers.append("orphan")
        elif propagation is None:
            finalizers = list(metadata.get("finalizers") or [])
        seconds = _grace(order.served.storage, old, grace)
        held = finalizers or seconds or (order.served.storage == "namespaces" and old["spec"].get("finalizers"))
        if not held:
            return None
        if finalizers:
            metadata["finalizers"] = finalizers
        else:
            metadata.pop("finalizers", None)
        if "deletionTimestamp" not in metadata or seconds < metadata.get("deletionGracePeriodSeconds", 0):
            when = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
            metadata["deletionTimestamp"] = when.strftime("%Y-%m-%dT%H:%M:%SZ")
            metadata["deletionGracePeriodSeconds"] = seconds
            if "generation" in metadata:
                metadata["generation"] += 1
        marked = {**old, "metadata": metadata}
        if order.served.storage == "namespaces":
            marked["status"] = {**old.get("status", {}), "phase": "Terminating"}
        return marked

    def _remove(self, served: registry.Served, old: Object) -> None:
        self._numbers.returned(served.storage, old)
        last = self.store.remove(served.storage, old)
        self._announce(served, None, last)

    def _stored(self, order: Order, made: Object, old: Object | None, how: str) -> Object:
        """Own the fields, then write; an unchanged object is not written."""
        schema = order.served.schema
        if how == "Update":
            managed = ownership.after_update(
                old, made, manager=order.manager, subresource=order.subresource, schema=schema, time=now()
            )
            made = {**made, "metadata": {**made["metadata"], "managedFields": managed}}
        made = ordered(made)
        if old is not None and _same(made, old):
            return old
        if order.dry_run:
            return made
        if old is not None and _is_finished(order, made):
            self._remove(order.served, made)
            return made
        stored = self.store.put(order.served.storage, made)
        self._announce(order.served, stored, old)
        return shown(order.served, stored)

    def _announce(self, served: registry.Served, new: Object | None, old: Object | None) -> None:
        for told in self.on_stored:
            told(served, new, old)

    def _must_live(self, order: Order) -> None:
        space = self.store.get("namespaces", "", order.namespace)
        if space is None:
            raise refusals.refusal(
                404,
                "NotFound",
                f'namespaces "{order.namespace}" not found',
                {"name": order.namespace, "kind": "namespaces"},
            )
        if space["metadata"].get("deletionTimestamp") and order.operation == "CREATE":
            message = f"unable to create new content in namespace {order.namespace} because it is being terminated"
            details = details_of(order.served, order.name)
            details["causes"] = [
                {
                    "reason": "NamespaceTerminating",
                    "message": f"namespace {order.namespace} is being terminated",
                    "field": "metadata.namespace",
                }
            ]
            raise refusals.refusal(
                403, "Forbidden", f'{order.served.qualified} "{order.name}" is forbidden: {message}', details
            )

    def _must_be_valid(self, order: Order, new: Object, old: Object | None) -> None:
        causes = validation.validate(order.served.schema, new, old, order.subresource or None)
        if causes:
            raise validation.invalid(order.served.schema, new["metadata"].get("name", ""), causes)

    async def _admitted(self, order: Order, new: Object, old: Object | None) -> Object:
        if self.admit_change is None:
            return new
        return await self.admit_change(order, new, old) or new

    async def _accepted(self, order: Order, new: Object | None, old: Object | None) -> None:
        if self.admit_result is not None:
            await self.admit_result(order, new, old)


def _grace(storage: str, old: Object, asked: int | None) -> int:
    """Seconds a pod on a node has to end; nothing else has any."""
    if storage != "pods" or not old.get("spec", {}).get("nodeName"):
        return 0
    if old.get("status", {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    own = old["spec"].get("terminationGracePeriodSeconds", 30)
    return int(own if asked is None else asked)


def _is_finished(order: Order, made: Object) -> bool:
    """Whether a marked object lost the last thing that held it."""
    metadata = made["metadata"]
    if not metadata.get("deletionTimestamp") or metadata.get("finalizers"):
        return False
    if order.served.storage == "namespaces":
        return not made.get("spec", {}).get("finalizers")
    return not metadata.get("deletionGracePeriodSeconds")


def _same(new: Object, old: Object) -> bool:
    def bare(obj: Object) -> Object:
        metadata = {k: v for k, v in obj["metadata"].items() if k not in ("managedFields", "resourceVersion")}
        return {**obj, "metadata": metadata}

    return bare(new) == bare(old)


def shown(served: registry.Served, obj: Object) -> Object:
    """The stored object in the version asked for."""
    if obj.get("apiVersion") == served.schema.api_version:
        return obj
    return {**obj, "apiVersion": served.schema.api_version}


def ordered(obj: Object) -> Object:
    """Kind first, as readers expect it."""
    first = {k: obj[k] for k in ("kind", "apiVersion", "metadata") if k in obj}
    return first | {k: v for k, v in obj.items() if k not in first}


def now() -> str:
    """The time as objects carry it."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def encoded(obj: Any) -> bytes:
    """JSON as it goes out."""
    return orjson.dumps(obj)


def details_of(served: registry.Served, name: str) -> dict[str, Any]:
    """``details`` of a refusal about one object."""
    found = {"name": name} if name else {}
    if served.schema.group:
        found["group"] = served.schema.group
    return {**found, "kind": served.schema.plural}


def not_found(served: registry.Served, name: str) -> status.StatusError:
    """404."""
    return refusals.refusal(404, "NotFound", f'{served.qualified} "{name}" not found', details_of(served, name))


def already_exists(served: registry.Served, name: str) -> status.StatusError:
    """409 of a create."""
    message = f'{served.qualified} "{name}" already exists'
    return refusals.refusal(409, "AlreadyExists", message, details_of(served, name))


def conflict(served: registry.Served, name: str, why: str = "") -> status.StatusError:
    """409 of an update."""
    why = why or ("the object has been modified; please apply your changes to the latest version and try again")
    message = f'Operation cannot be fulfilled on {served.qualified} "{name}": {why}'
    return refusals.refusal(409, "Conflict", message, details_of(served, name))
