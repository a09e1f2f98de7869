"""What is stored, and every change to it: one version counter, one ring of changes for each resource.

Stored objects are never changed in place and are serialised once; reads, lists and watches share the bytes.
Every method is synchronous, so on one event loop a mutation is atomic without locks.
"""

from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from labkit.kube.resources import Object
from labkit.sandbox.apiserver import packing
from labkit.sandbox.apiserver.disk import Disk

RING, RING_BYTES = 2000, 16 * 1024 * 1024
"""Changes kept for each resource, and their bytes; who asks for an older version is told to list again (410)."""

ADDED, MODIFIED, DELETED = "ADDED", "MODIFIED", "DELETED"


LARGEST_OBJECT, LARGEST_MESSAGE = 1536 * 1024, 2 * 1024 * 1024
"""Bytes that etcd stores of one object, and that a client of etcd sends at all."""


class TooLargeError(ValueError):
    """An object that etcd would not take, in its words."""

    def __init__(self, size: int) -> None:
        if size > LARGEST_MESSAGE:
            problem = f"trying to send message larger than max ({size} vs. {LARGEST_MESSAGE})"
            super().__init__(f"rpc error: code = ResourceExhausted desc = {problem}")
        else:
            super().__init__("etcdserver: request is too large")


class Item:
    """One version of one object."""

    __slots__ = ("_object", "body", "cache", "version")

    def __init__(self, obj: Object, version: int, body: bytes | None = None) -> None:
        self._object: Object | None = obj
        self.version = version
        self.body = body if body is not None else packing.packed(obj)
        self.cache: dict[Any, Any] = {}
        """Other forms of the same version (another API version, a table row), made when first asked for."""

    @property
    def object(self) -> Object:
        """The object, which nobody may change in place."""
        if self._object is not None:
            return self._object
        obj: Object = orjson.loads(self.body)
        return obj

    def supersede(self) -> None:
        """Keep the bytes alone: a version that is not the newest is looked at by late watchers only."""
        self._object = None
        self.cache.clear()

    def __repr__(self) -> str:
        return f"Item({self.object.get('kind')} {self.object['metadata'].get('name')} at {self.version})"


class Change(NamedTuple):
    """One change, as a watcher hears of it."""

    version: int
    type: str
    item: Item
    previous: Item | None
    """What was there before; None for ADDED."""


Listener = Callable[[Change], None]


class Table:
    """The objects of one resource, and its latest changes."""

    def __init__(self, floor: int) -> None:
        self.objects: dict[str, dict[str, Item]] = {}
        self.changes: deque[Change] = deque()
        self._size = 0
        """Bytes of the objects in the ring."""
        self.listeners: set[Listener] = set()
        self.floor = floor
        """Changes after this version are all in the ring."""

    def get(self, namespace: str, name: str) -> Item | None:
        """The newest version of an object."""
        return self.objects.get(namespace, {}).get(name)

    def items(self, namespace: str = "") -> Iterator[Item]:
        """Objects of a namespace, or of all, in the order of their keys."""
        for ns in [namespace] if namespace else sorted(self.objects):
            held = self.objects.get(ns)
            if held:
                yield from [held[name] for name in sorted(held)]

    def items_at(self, version: int, namespace: str = "") -> list[Item] | None:
        """Objects as they were at an earlier version; None when that is older than the ring."""
        if version < self.floor:
            return None
        items = {(ns, name): item for ns, held in self.objects.items() for name, item in held.items()}
        for change in reversed(self.changes):
            if change.version <= version:
                break
            metadata = change.item.object["metadata"]
            key = (metadata.get("namespace", ""), metadata["name"])
            if change.previous is None:
                items.pop(key, None)
            else:
                items[key] = change.previous
        return [items[key] for key in sorted(items) if not namespace or key[0] == namespace]

    def since(self, version: int) -> list[Change] | None:
        """Changes after a version; None when the ring has lost some of them."""
        if version < self.floor:
            return None
        changes = []
        for change in reversed(self.changes):
            if change.version <= version:
                break
            changes.append(change)
        return changes[::-1]

    def record(self, change: Change) -> None:
        """Keep a change and tell who listens."""
        metadata = change.item.object["metadata"]
        held = self.objects.setdefault(metadata.get("namespace", ""), {})
        if change.type == DELETED:
            held.pop(metadata["name"], None)
        else:
            held[metadata["name"]] = change.item
        self.changes.append(change)
        self._size += len(change.item.body)
        while len(self.changes) > RING or (self._size > RING_BYTES and len(self.changes) > 1):
            oldest = self.changes.popleft()
            self.floor = oldest.version
            self._size -= len(oldest.item.body)
        for listener in tuple(self.listeners):
            listener(change)
        if change.previous is not None:
            change.previous.supersede()


class Store:
    """Every table, the counter, and the disk below."""

    def __init__(self, path: Path) -> None:
        self._disk = Disk(path)
        self.version = max(self._disk.version(), 1)
        self._tables: dict[str, Table] = {}
        for resource, version, body in self._disk.rows():
            obj = orjson.loads(body)
            metadata = obj["metadata"]
            held = self.table(resource).objects.setdefault(metadata.get("namespace", ""), {})
            held[metadata["name"]] = Item(obj, version, body)
        self._start = self.version

    def __repr__(self) -> str:
        return f"Store(at {self.version}, {len(self._tables)} resources)"

    def table(self, resource: str) -> Table:
        """The table of ``group/plural``; changes from before the start are unknown, so watches begin after."""
        table = self._tables.get(resource)
        if table is None:
            table = self._tables[resource] = Table(getattr(self, "_start", self.version))
        return table

    def tables(self) -> list[str]:
        """Every resource that was ever stored or asked for."""
        return list(self._tables)

    def get(self, resource: str, namespace: str, name: str) -> Item | None:
        """The newest version of an object."""
        return self.table(resource).get(namespace, name)

    def put(self, resource: str, obj: Object) -> Item:
        """Store an object, new or changed, at the next version; it is the store's from now on; TooLargeError."""
        table, metadata = self.table(resource), obj["metadata"]
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        previous = table.get(namespace, name)
        item = self._next(obj)
        if len(item.body) > LARGEST_OBJECT:
            raise TooLargeError(len(item.body))
        self._disk.put(resource, namespace, name, item.version, item.body)
        table.record(Change(item.version, MODIFIED if previous else ADDED, item, previous))
        return item

    def remove(self, resource: str, namespace: str, name: str, last: Object | None = None) -> Item:
        """Take an object out; what watchers see is ``last`` or the stored one, at the next version."""
        table = self.table(resource)
        previous = table.get(namespace, name)
        if previous is None:
            raise KeyError(name)
        obj = last if last is not None else previous.object
        item = self._next({**obj, "metadata": dict(obj["metadata"])})
        self._disk.remove(resource, namespace, name, item.version)
        table.record(Change(item.version, DELETED, item, previous))
        return item

    def close(self) -> None:
        """Everything is on disk already; let go of the file."""
        self._disk.close()

    def _next(self, obj: Object) -> Item:
        self.version += 1
        obj["metadata"]["resourceVersion"] = str(self.version)
        return Item(obj, self.version)
