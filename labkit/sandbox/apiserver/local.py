"""The API for callers in the server's own process: the same verbs, without HTTP and without authorisation."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import orjson

from labkit.kube import api, resources, status
from labkit.kube.resources import Object
from labkit.sandbox.apiserver import deleting, paths, reading, refusing, users, watching, writing
from labkit.sandbox.apiserver.calls import Call
from labkit.sandbox.apiserver.core import Core
from labkit.sandbox.apiserver.reviews import Reviews
from labkit.sandbox.apiserver.store import Item
from labkit.sandbox.apiserver.subresources import Subresources

AGENT = "kube-controller-manager"
"""The field manager of writers that name none."""


class LocalApi:
    """``labkit.kube.api.Api`` on the server's store.

    ``list`` and ``watch`` hand out the store's own objects, which nobody changes in place, so the caches of the
    informers in this process cost no second copy. An object that a call returns alone is the caller's.
    """

    def __init__(self, core: Core, subs: Subresources, reviews: Reviews, *, user: users.User = users.SERVER) -> None:
        self._core, self._subs, self._reviews, self._user = core, subs, reviews, user

    def __repr__(self) -> str:
        return f"LocalApi({self._user.name})"

    def kinds(self) -> list[resources.Resource]:
        """Every resource that is stored and can be deleted, in the version its table keeps."""
        return [
            resources.Resource(api_version=one.api_version, kind=one.kind, plural=one.plural, namespaced=one.namespaced)
            for one in self._core.registry.stored()
            if "delete" in one.verbs and "watch" in one.verbs
        ]

    async def get(self, resource: resources.Resource, name: str, namespace: str | None = None) -> Object:
        """One object, or NotFound."""
        return _own(await reading.get(self._core, self._call("get", resource, namespace, name)))

    async def list(
        self,
        resource: resources.Resource,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
    ) -> Object:
        """The list object, each item with its kind."""
        query = {"labelSelector": labels, "fieldSelector": fields}
        call = self._call("list", resource, namespace, query=query)
        items = await reading.collection(self._core, call)
        return {
            "kind": f"{resource.kind}List",
            "apiVersion": resource.api_version,
            "metadata": {"resourceVersion": str(items.version)},
            "items": [item.object for item in items.items],
        }

    async def create(
        self, resource: resources.Resource, obj: Object, *, manager: str = "", dry_run: bool = False
    ) -> Object:
        """POST into the namespace of its metadata."""
        namespace = resources.namespace_of(obj)
        call = self._call("create", resource, namespace, query=_writer(manager, dry_run=dry_run), body=_copy(obj))
        if call.subresource:
            written = await self._subs.write(call)
        elif call.served.verbs == ("create",):
            return self._reviews.answer(call)
        else:
            written = await writing.create(self._core, call)
        return _own(written.item)

    async def replace(
        self, resource: resources.Resource, obj: Object, *, subresource: str | None = None, manager: str = ""
    ) -> Object:
        """PUT; Conflict if its resourceVersion is not the newest."""
        namespace, name = resources.namespace_of(obj), resources.name_of(obj)
        call = self._call("update", resource, namespace, name, query=_writer(manager), body=_copy(obj))
        call.subresource = subresource or call.subresource
        if call.subresource:
            return _own((await self._subs.write(call)).item)
        return _own((await writing.update(self._core, call)).item)

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
        """PATCH with the content type given."""
        query = _writer(manager) | ({"force": "true"} if force and type == api.APPLY else {})
        call = self._call("patch", resource, namespace, name, query=query, body=orjson.dumps(body))
        call.content_type = type
        call.subresource = subresource or call.subresource
        if call.subresource:
            return _own((await self._subs.write(call)).item)
        return _own((await writing.patch(self._core, call)).item)

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
        options: Object = {"kind": "DeleteOptions", "apiVersion": "v1"}
        if propagation:
            options["propagationPolicy"] = propagation
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        if uid:
            options["preconditions"] = {"uid": uid}
        await deleting.delete(self._core, self._call("delete", resource, namespace, name, body=options))

    async def watch(
        self,
        resource: resources.Resource,
        namespace: str | None = None,
        *,
        since: str,
        labels: str = "",
        fields: str = "",
    ) -> AsyncIterator[api.Event]:
        """Events after ``since``, until the kind is served no more or the caller stops."""
        query = {"labelSelector": labels, "fieldSelector": fields, "resourceVersion": since}
        query["allowWatchBookmarks"] = "true"
        stream = watching.stream(self._core, self._call("watch", resource, namespace, query=query))
        try:
            async for batch in stream:
                for event in batch:
                    if event.type == watching.ERROR:
                        raise status.error_of(event.item.object)
                    yield api.Event(event.type, event.item.object)
        finally:
            await stream.aclose()

    def _call(
        self,
        verb: str,
        resource: resources.Resource,
        namespace: str | None,
        name: str = "",
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | Object = b"",
    ) -> Call:
        # By path, since a caller may name a subresource as the plural: serviceaccounts/NAME/token.
        target = paths.target(resource.path(namespace, name or None))
        assert target is not None
        served = self._core.registry.find(target.group, target.version, target.plural)
        if served is None:
            raise refusing.no_such_resource()
        return Call(
            verb=verb,
            served=served,
            user=self._user,
            namespace=target.namespace if served.namespaced else "",
            name=target.name,
            subresource=target.subresource,
            query={key: value for key, value in (query or {}).items() if value},
            body=body,
            agent=AGENT,
        )


def _own(item: Item) -> Object:
    own: Object = orjson.loads(item.body)
    return own


def _copy(obj: Object) -> Object:
    """The same object, sharing nothing: callers put parts of cached objects into what they write."""
    copy: Object = orjson.loads(orjson.dumps(obj))
    return copy


def _writer(manager: str, *, dry_run: bool = False) -> dict[str, str]:
    return {"fieldManager": manager, "dryRun": "All" if dry_run else "", "fieldValidation": "Ignore"}
