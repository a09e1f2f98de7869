"""A cache of one resource that follows the server: list once, then watch, and list again when told to."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator

from labkit.kube import api, resources, status
from labkit.kube.resources import Object

Key = tuple[str, str]
"""Namespace (empty for cluster-scoped objects) and name."""

Handler = Callable[[Object | None, Object | None], None]
"""Called with (old, new): old is None for a new object, new is None for one that went."""


def key_of(obj: Object) -> Key:
    """The object's place in the cache."""
    return resources.namespace_of(obj), resources.name_of(obj)


class Informer:
    """Follows one resource. Read ``cache``; it is replaced per object, never changed in place."""

    def __init__(
        self,
        client: api.Api,
        resource: resources.Resource,
        *,
        namespace: str | None = None,
        fields: str = "",
        retry_after: float = 0.2,
    ) -> None:
        self.resource = resource
        self.cache: dict[Key, Object] = {}
        self.synced = asyncio.Event()
        """Set once the first list is in the cache."""
        self._client, self._namespace, self._fields, self._retry_after = (
            client,
            namespace,
            fields,
            retry_after,
        )
        self._handlers: list[Handler] = []
        self._listed: list[Object] | None = None

    def __repr__(self) -> str:
        return f"Informer({self.resource.plural}, {len(self.cache)} objects, synced={self.synced.is_set()})"

    def on_change(self, handler: Handler) -> None:
        """Call ``handler`` for every later change; objects already here are announced as new at once."""
        self._handlers.append(handler)
        for obj in list(self.cache.values()):
            handler(None, obj)

    def get(self, name: str, namespace: str = "") -> Object | None:
        """The cached object."""
        return self.cache.get((namespace, name))

    def all(self, namespace: str | None = None) -> Iterator[Object]:
        """Cached objects, of one namespace or of all."""
        return (obj for (ns, _), obj in list(self.cache.items()) if namespace is None or ns == namespace)

    def listed(self) -> list[Object]:
        """All of them; the very same list, not to be changed, while nothing changes."""
        if self._listed is None:
            self._listed = list(self.cache.values())
        return self._listed

    async def run(self) -> None:
        """Follow the resource until cancelled; a lost connection or an absent kind is tried again."""
        while True:
            with contextlib.suppress(status.StatusError, OSError, asyncio.TimeoutError):
                await self._follow()
            await asyncio.sleep(self._retry_after)

    async def _follow(self) -> None:
        listed = await self._client.list(self.resource, self._namespace, fields=self._fields)
        self._replace({key_of(obj): obj for obj in listed["items"]})
        self.synced.set()
        since = listed["metadata"]["resourceVersion"]
        while True:
            stream = self._client.watch(self.resource, self._namespace, since=since, fields=self._fields)
            async for event in stream:
                since = event.object["metadata"]["resourceVersion"]
                if event.type == "DELETED":
                    self._set(key_of(event.object), None)
                elif event.type != "BOOKMARK":
                    self._set(key_of(event.object), event.object)

    def _replace(self, objects: dict[Key, Object]) -> None:
        for gone in self.cache.keys() - objects.keys():
            self._set(gone, None)
        for key, obj in objects.items():
            self._set(key, obj)

    def _set(self, key: Key, new: Object | None) -> None:
        old = self.cache.get(key)
        if old == new:
            return
        self._listed = None
        if new is None:
            del self.cache[key]
        else:
            self.cache[key] = new
        for handler in self._handlers:
            handler(old, new)
