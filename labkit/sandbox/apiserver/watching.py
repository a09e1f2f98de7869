"""Watches: what a selection of objects goes through, one event at a time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from labkit.kube.resources import Object
from labkit.sandbox.apiserver import registry, verbs
from labkit.sandbox.apiserver import store as stores
from labkit.sandbox.apiserver.objects import refusals

BACKLOG = 10_000
"""Changes a slow reader may lag behind before it is told to list again."""

Matches = Callable[[Object], bool]


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What to watch."""

    served: registry.Served
    namespace: str
    matches: Matches

    def has(self, obj: Object) -> bool:
        """Whether the object belongs to it."""
        in_place = not self.namespace or obj["metadata"].get("namespace", "") == self.namespace
        return in_place and self.matches(obj)


async def events(
    store: stores.Store, selection: Selection, *, since: int | None, initial: bool, bookmarks: bool
) -> AsyncIterator[tuple[str, Object]]:
    """(type, object) until cancelled; ``since`` None starts with what is there as ADDED.

    ``initial`` also ends that start with the bookmark of a WatchList. Raises 410 when changes were missed.
    """
    served = selection.served
    queue = store.follow(served.storage)
    try:
        if since is None or initial:
            version = store.version
            for obj in list(store.list(served.storage, selection.namespace)):
                if selection.matches(obj):
                    yield "ADDED", verbs.shown(served, obj)
            if initial and bookmarks:
                yield "BOOKMARK", bookmark(served, version, initial_end=True)
        else:
            missed = store.since(served.storage, since)
            if missed is None:
                raise expired(since, store)
            version = since
            for change in missed:
                version = change.version
                if event := told(selection, change):
                    yield event
        while True:
            change = await queue.get()
            if queue.qsize() > BACKLOG:
                raise expired(change.version, store)
            if change.version > version and (event := told(selection, change)):
                yield event
    finally:
        store.unfollow(served.storage, queue)


def told(selection: Selection, change: stores.Change) -> tuple[str, Object] | None:
    """The event of a change for one selection: an object may also enter or leave it by a new label."""
    had = change.old is not None and selection.has(change.old)
    has = change.new is not None and selection.has(change.new)
    if has:
        return ("MODIFIED" if had else "ADDED"), verbs.shown(selection.served, change.last)
    if had:
        gone = change.last
        if change.new is not None and change.old is not None:
            version = change.new["metadata"]["resourceVersion"]
            gone = {**change.old, "metadata": {**change.old["metadata"], "resourceVersion": version}}
        return "DELETED", verbs.shown(selection.served, gone)
    return None


def bookmark(served: registry.Served, version: int, *, initial_end: bool = False) -> Object:
    """An event that only tells a version."""
    metadata: Object = {"resourceVersion": str(version)}
    if initial_end:
        metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
    return {"kind": served.schema.kind, "apiVersion": served.schema.api_version, "metadata": metadata}


def expired(since: int, store: stores.Store) -> Exception:
    """410."""
    return refusals.refusal(410, "Expired", f"too old resource version: {since} ({store.version})")


async def until(deadline: float, stream: AsyncIterator[tuple[str, Object]]) -> AsyncIterator[tuple[str, Object]]:
    """The events of a stream until a time of the loop's clock."""
    try:
        async with asyncio.timeout_at(deadline):
            async for event in stream:
                yield event
    except TimeoutError:
        return
    finally:
        await stream.aclose()  # type: ignore[attr-defined]
