"""Where objects live: in memory for reading, in sqlite for the next start, and in a log for watches."""

import asyncio
import collections
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import orjson

from labkit.kube.resources import Object

Key = tuple[str, str]
"""Namespace (empty for cluster-scoped objects) and name."""

LOG_LENGTH = 4096
"""Events kept for each resource; a watch from before them is told to list again (410)."""


class Change(NamedTuple):
    """One write."""

    version: int
    new: Object | None
    """None when the object went."""

    old: Object | None
    """What was there before; None for a new object."""

    last: Object
    """The object as the event shows it: ``new``, or the last state of one that went, with the version."""


@dataclass(eq=False)
class Shelf:
    """All objects of one resource, whatever version they were written in."""

    objects: dict[Key, Object] = field(default_factory=dict)
    log: collections.deque[Change] = field(default_factory=lambda: collections.deque(maxlen=LOG_LENGTH))
    forgotten: int = 0
    """The newest version that the log no longer tells about."""

    queues: set["asyncio.Queue[Change]"] = field(default_factory=set)


class Store:
    """Every object of the cluster. Objects handed out are shared: never change one, write a new one."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Not synchronous: a killed process loses nothing, since the kernel has the pages; only a machine
        # that loses power may lose the last moments, as etcd would without fsync.
        self._disk = sqlite3.connect(path, isolation_level=None)
        self._disk.execute("PRAGMA journal_mode=WAL")
        self._disk.execute("PRAGMA synchronous=OFF")
        self._disk.execute(
            "CREATE TABLE IF NOT EXISTS objects (resource TEXT, namespace TEXT, name TEXT, body BLOB,"
            " PRIMARY KEY (resource, namespace, name))"
        )
        self._disk.execute("CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value INTEGER)")
        self._shelves: dict[str, Shelf] = collections.defaultdict(Shelf)
        self.version = self._loaded()

    def _loaded(self) -> int:
        found = self._disk.execute("SELECT value FROM facts WHERE name = 'version'").fetchone()
        version = found[0] if found else 1
        for resource, namespace, name, body in self._disk.execute("SELECT * FROM objects"):
            self._shelves[resource].objects[namespace, name] = orjson.loads(body)
        for shelf in self._shelves.values():
            shelf.forgotten = version
        self._floor = version
        return int(version)

    def close(self) -> None:
        """Flush and close the file."""
        self._disk.close()

    def shelf(self, resource: str) -> Shelf:
        """The shelf of ``deployments.apps``; made when first asked for."""
        if resource not in self._shelves:
            self._shelves[resource].forgotten = self._floor
        return self._shelves[resource]

    def get(self, resource: str, namespace: str, name: str) -> Object | None:
        """The object, or None."""
        return self.shelf(resource).objects.get((namespace, name))

    def list(self, resource: str, namespace: str = "") -> Iterator[Object]:
        """Objects of one namespace, or of all, in the order of their keys."""
        objects = self.shelf(resource).objects
        return (objects[key] for key in sorted(objects) if not namespace or key[0] == namespace)

    def put(self, resource: str, obj: Object) -> Object:
        """Store an object under a new version, and tell whoever watches; the stored object."""
        metadata = obj["metadata"]
        key = metadata.get("namespace", ""), metadata["name"]
        shelf = self.shelf(resource)
        version = self._next()
        stored = {**obj, "metadata": {**metadata, "resourceVersion": str(version)}}
        old = shelf.objects.get(key)
        shelf.objects[key] = stored
        body = orjson.dumps(stored)
        self._disk.execute("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)", (resource, *key, body))
        self._tell(shelf, Change(version, stored, old, stored))
        return stored

    def remove(self, resource: str, obj: Object) -> Object:
        """Take an object away; the object as its DELETED event shows it."""
        metadata = obj["metadata"]
        key = metadata.get("namespace", ""), metadata["name"]
        shelf = self.shelf(resource)
        version = self._next()
        old = shelf.objects.pop(key, None)
        self._disk.execute("DELETE FROM objects WHERE resource=? AND namespace=? AND name=?", (resource, *key))
        last = {**obj, "metadata": {**metadata, "resourceVersion": str(version)}}
        self._tell(shelf, Change(version, None, old or obj, last))
        return last

    def since(self, resource: str, version: int) -> Iterable[Change] | None:
        """Changes after ``version``; None when some of them are forgotten."""
        shelf = self.shelf(resource)
        if version < shelf.forgotten:
            return None
        return [change for change in shelf.log if change.version > version]

    def follow(self, resource: str) -> "asyncio.Queue[Change]":
        """A queue that gets every change from now on; give it back with ``unfollow``."""
        queue: asyncio.Queue[Change] = asyncio.Queue()
        self.shelf(resource).queues.add(queue)
        return queue

    def unfollow(self, resource: str, queue: "asyncio.Queue[Change]") -> None:
        """Stop filling a queue."""
        self.shelf(resource).queues.discard(queue)

    def _next(self) -> int:
        self.version += 1
        self._disk.execute("INSERT OR REPLACE INTO facts VALUES ('version', ?)", (self.version,))
        return self.version

    def _tell(self, shelf: Shelf, change: Change) -> None:
        if len(shelf.log) == LOG_LENGTH:
            shelf.forgotten = shelf.log[0].version
        shelf.log.append(change)
        for queue in shelf.queues:
            queue.put_nowait(change)
