"""The Api of our own controllers: a call into the server of the same process."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import orjson

from labkit.kube import api, resources
from labkit.kube.resources import Object
from labkit.sandbox.apiserver import registry, selectors, subresources, tokens, verbs, watching
from labkit.sandbox.apiserver.objects import decoding, refusals


def _copy(obj: Object) -> Object:
    """What is handed out belongs to the caller."""
    copied: Object = orjson.loads(orjson.dumps(obj))
    return copied


class LocalApi:
    """Implements ``labkit.kube.api.Api`` without HTTP, on the same path of admission and validation."""

    def __init__(self, objects: verbs.Verbs, signer: tokens.Tokens) -> None:
        self._verbs, self._signer = objects, signer

    async def get(self, resource: resources.Resource, name: str, namespace: str | None = None) -> Object:
        """One object."""
        return _copy(self._verbs.get(self._served(resource), namespace or "", name))

    async def list(
        self,
        resource: resources.Resource,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
    ) -> Object:
        """The list object."""
        served = self._served(resource)
        by_label, by_field = selectors.labels(labels), selectors.fields(fields, served.storage)
        store = self._verbs.store
        items = [
            _copy(verbs.shown(served, obj))
            for obj in store.list(served.storage, namespace or "")
            if by_label(obj) and by_field(obj)
        ]
        return {"items": items, "metadata": {"resourceVersion": str(store.version)}}

    async def create(
        self, resource: resources.Resource, obj: Object, *, manager: str = "", dry_run: bool = False
    ) -> Object:
        """POST; also TokenRequests at ``serviceaccounts/NAME/token`` and bindings at ``pods/NAME/binding``."""
        plural, *below = resource.plural.split("/")
        namespace = resources.namespace_of(obj)
        if below:
            return await self._create_below(resource, plural, below[0], below[1], namespace, obj)
        served = self._served(resource)
        order = verbs.Order(
            served=served,
            operation="CREATE",
            namespace=namespace,
            name=resources.name_of(obj),
            manager=manager or "labkit",
            dry_run=dry_run,
        )
        read = decoding.decode(served.schema, obj, level=decoding.IGNORE)
        return _copy(await self._verbs.create(order, read.object))

    async def _create_below(
        self, resource: resources.Resource, plural: str, name: str, sub: str, namespace: str, obj: Object
    ) -> Object:
        served = self._find(resource.group, resource.version, plural)
        live = self._verbs.get(served, namespace, name)
        if sub == "token":
            return subresources.token_request(self._signer, self._verbs.store, live, obj)
        order = verbs.Order(
            served=served,
            operation="UPDATE",
            namespace=namespace,
            name=name,
            subresource=sub,
            manager="kube-scheduler",
        )
        return _copy(await self._verbs.bind(order, obj))

    async def replace(
        self, resource: resources.Resource, obj: Object, *, subresource: str | None = None, manager: str = ""
    ) -> Object:
        """PUT."""
        order = self._order(resource, resources.name_of(obj), resources.namespace_of(obj), subresource, manager)
        read = decoding.decode(order.served.schema, obj, level=decoding.IGNORE)
        return _copy(await self._verbs.update(order, read.object))

    async def patch(
        self,
        resource: resources.Resource,
        name: str,
        namespace: str | None,
        body: Mapping[str, Any] | Sequence[Any],
        *,
        type: str = api.MERGE,
        subresource: str | None = None,
        manager: str = "",
        force: bool = False,
    ) -> Object:
        """PATCH."""
        order = self._order(resource, name, namespace or "", subresource, manager)
        found, _ = await self._verbs.patch(order, orjson.dumps(body), type, force=force)
        return _copy(found)

    async def delete(
        self,
        resource: resources.Resource,
        name: str,
        namespace: str | None = None,
        *,
        propagation: str | None = None,
        grace: int | None = None,
        uid: str | None = None,
    ) -> None:
        """DELETE."""
        order = self._order(resource, name, namespace or "", None, "", operation="DELETE")
        await self._verbs.delete(
            order, grace=grace, propagation=propagation, preconditions={"uid": uid} if uid else None
        )

    async def watch(
        self,
        resource: resources.Resource,
        namespace: str | None = None,
        *,
        since: str,
        labels: str = "",
        fields: str = "",
    ) -> AsyncIterator[api.Event]:
        """Events after ``since``, for as long as the caller likes."""
        served = self._served(resource)
        by_label, by_field = selectors.labels(labels), selectors.fields(fields, served.storage)
        selection = watching.Selection(
            served=served, namespace=namespace or "", matches=lambda obj: by_label(obj) and by_field(obj)
        )
        stream = watching.events(self._verbs.store, selection, since=int(since), initial=False, bookmarks=False)
        async for kind, obj in stream:
            yield api.Event(kind, _copy(obj))

    def _order(
        self,
        resource: resources.Resource,
        name: str,
        namespace: str,
        subresource: str | None,
        manager: str,
        *,
        operation: str = "UPDATE",
    ) -> verbs.Order:
        served = self._served(resource)
        return verbs.Order(
            served=served,
            operation=operation,
            namespace=namespace if served.schema.namespaced else "",
            name=name,
            subresource=subresource or "",
            manager=manager or "labkit",
        )

    def _served(self, resource: resources.Resource) -> registry.Served:
        return self._find(resource.group, resource.version, resource.plural)

    def _find(self, group: str, version: str, plural: str) -> registry.Served:
        found = self._verbs.kinds.find(group, version, plural)
        if found is None:
            raise refusals.refusal(404, "NotFound", "the server could not find the requested resource", {})
        return found
