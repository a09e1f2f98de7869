"""What every verb works with."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from labkit.kube.resources import Object
from labkit.sandbox.apiserver import refusing, versions
from labkit.sandbox.apiserver.calls import Call
from labkit.sandbox.apiserver.registry import Registry, Served
from labkit.sandbox.apiserver.store import Item, Store, TooLargeError

Hook = Callable[[Call, Object, Object | None], Awaitable[Object | None]]
"""Looks at ``(call, new, old)`` of a write; a mutating hook returns the object to go on with, or None."""

Finish = Callable[[Call, Object, Object | None], Object]
"""The last word on ``(call, new, old)``."""


@dataclass(kw_only=True)
class Core:
    """The store, what is served from it, and the hooks around writes."""

    store: Store
    registry: Registry
    mutating: list[Hook] = field(default_factory=list)
    validating: list[Hook] = field(default_factory=list)
    finishing: list[Finish] = field(default_factory=list)
    """Run without a pause before an object is stored: what they hand out is taken at once."""

    def find(self, served: Served, namespace: str, name: str) -> Item:
        """A stored object in the version asked for, or 404."""
        item = self.store.get(served.key, namespace, name)
        if item is None:
            raise refusing.not_found(served.group, served.plural, name)
        return versions.shown(item, served)

    def peek(self, key: str, namespace: str, name: str) -> Object | None:
        """A stored object as it lies in its table; look, do not touch."""
        item = self.store.get(key, namespace, name)
        return item.object if item else None

    def finished(self, call: Call, new: Object, old: Object | None) -> Object:
        """The object as the finishing hooks leave it."""
        for finish in self.finishing:
            new = finish(call, new, old)
        return new

    def put(self, served: Served, obj: Object) -> Item:
        """Store an object in the version its table keeps; the answer is in the version it came in."""
        if served.stored and served.stored != served.api_version:
            home = self.registry.of_key(served.key)
            if home is not None:
                obj = versions.to_version(obj, home)
        try:
            item = self.store.put(served.key, obj)
        except TooLargeError as e:
            raise refusing.internal(str(e)) from e
        return versions.shown(item, served)
