"""GET with ``watch=true``: what is there, then every change that the selectors let through."""

import asyncio
import random
from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import NamedTuple

from labkit.kube import status
from labkit.kube.resources import Object
from labkit.sandbox.apiserver import reading, refusing, selectors, versions
from labkit.sandbox.apiserver.calls import Call, integer, is_true
from labkit.sandbox.apiserver.core import Core
from labkit.sandbox.apiserver.objects import reading as reading_types
from labkit.sandbox.apiserver.registry import Served
from labkit.sandbox.apiserver.store import ADDED, DELETED, MODIFIED, RING, Change, Item, Table

BOOKMARK, ERROR = "BOOKMARK", "ERROR"
LONGEST_QUEUE = RING
"""Events a slow client may be behind, which is what its table keeps anyway; then its watch ends and it lists again."""

BOOKMARK_EVERY = 60.0
"""Seconds between bookmarks for who asked for them."""

SHORTEST, LONGEST = 1800.0, 3600.0
"""A watch without timeoutSeconds ends somewhere between, in seconds, as on a real server."""

INITIAL_EVENTS_END = "k8s.io/initial-events-end"


class Event(NamedTuple):
    """One event for one watcher."""

    type: str
    item: Item


class Watcher:
    """One client's place in the stream of changes of a table."""

    def __init__(
        self,
        table: Table,
        served: Served,
        *,
        namespace: str,
        matches: selectors.Matcher,
        after: int = 0,
        on_lost: Callable[[], None] = lambda: None,
    ) -> None:
        self._table, self._served, self._namespace = table, served, namespace
        self._matches, self._after = matches, after
        self.pending: deque[Event] = deque()
        self.lost = False
        """Whether the client was too slow and must list again."""
        self._on_lost = on_lost
        self._wake: asyncio.Future[None] | None = None
        table.listeners.add(self.hear)

    def __repr__(self) -> str:
        return f"Watcher({self._served.plural}, {len(self.pending)} pending)"

    def close(self) -> None:
        """Stop hearing."""
        self._table.listeners.discard(self.hear)
        if self._wake and not self._wake.done():
            self._wake.set_result(None)

    def hear(self, change: Change) -> None:
        """Queue a change if the client is to see it."""
        event = self.seen(change)
        if event is None or self.lost:
            return
        self.pending.append(event)
        if len(self.pending) > LONGEST_QUEUE:
            self.lost = True
            self.pending.clear()
            self._on_lost()
        if self._wake and not self._wake.done():
            self._wake.set_result(None)

    def seen(self, change: Change) -> Event | None:
        """The change as this watcher's selectors show it: entering is ADDED, leaving is DELETED."""
        obj = change.item.object
        if self._namespace and obj["metadata"].get("namespace") != self._namespace:
            return None
        if change.version <= self._after:
            return None
        item = versions.shown(change.item, self._served)
        if self._matches is selectors.everything:
            return Event(change.type, item)
        before = change.previous is not None and self._matches(change.previous.object)
        now = change.type != DELETED and self._matches(obj)
        if now:
            return Event(MODIFIED if before else ADDED, item)
        if not before or change.previous is None:
            return None
        if change.type == DELETED:
            return Event(DELETED, item)
        return Event(DELETED, versions.shown(_leaving(change.previous, change.version), self._served))

    async def wait(self, seconds: float) -> None:
        """Until something is pending, the watch is closed, or so many seconds have passed."""
        if self.pending or self.lost:
            return
        self._wake = asyncio.get_running_loop().create_future()
        handle = asyncio.get_running_loop().call_later(seconds, _finish, self._wake)
        try:
            await self._wake
        finally:
            handle.cancel()
            self._wake = None


async def stream(
    core: Core, call: Call, on_lost: Callable[[], None] = lambda: None
) -> AsyncGenerator[list[Event], None]:
    """Batches of events until the watch ends; refusals of the query are raised before the first.

    ``on_lost`` is called when the client is too far behind: it may be stuck in what it was given last.
    """
    query = call.query
    matches = reading.matcher(call)
    seconds = integer(query.get("timeoutSeconds"))
    since = reading.version_of(query.get("resourceVersion", ""), watch=True)
    bookmarks = is_true(query.get("allowWatchBookmarks"))
    initial = is_true(query.get("sendInitialEvents"))
    table = core.store.table(call.served.key)
    earlier = table.since(since) if since and not initial else []
    if earlier is None:
        yield [Event(ERROR, _error(refusing.expired(f"too old resource version: {since} ({table.floor})")))]
        return
    watcher = Watcher(table, call.served, namespace=call.namespace, matches=matches, after=since, on_lost=on_lost)
    try:
        first = [event for change in earlier if (event := watcher.seen(change))]
        if initial or (not since and query.get("sendInitialEvents") != "false"):
            first = [
                Event(ADDED, versions.shown(item, call.served))
                for item in table.items(call.namespace)
                if matches(item.object)
            ]
        if initial and bookmarks:
            first.append(Event(BOOKMARK, _bookmark(call.served, core.store.version, ended=True)))
        yield first
        loop = asyncio.get_running_loop()
        length = float(seconds) if seconds else random.uniform(SHORTEST, LONGEST)
        end, next_bookmark = loop.time() + length, loop.time() + BOOKMARK_EVERY
        while (now := loop.time()) < end and not watcher.lost:
            await watcher.wait(min(end, next_bookmark if bookmarks else end) - now)
            batch = list(watcher.pending)
            watcher.pending.clear()
            if bookmarks and loop.time() >= next_bookmark:
                batch.append(Event(BOOKMARK, _bookmark(call.served, core.store.version)))
                next_bookmark = loop.time() + BOOKMARK_EVERY
            if batch:
                yield batch
    finally:
        watcher.close()


def _leaving(previous: Item, version: int) -> Item:
    metadata = {**previous.object["metadata"], "resourceVersion": str(version)}
    return Item({**previous.object, "metadata": metadata}, version)


def _bookmark(served: Served, version: int, *, ended: bool = False) -> Item:
    metadata: Object = {"resourceVersion": str(version)}
    if ended:
        metadata["annotations"] = {INITIAL_EVENTS_END: "true"}
    obj: Object = {"kind": served.kind, "apiVersion": served.api_version}
    if ended and served.crd is None:
        obj |= {key: value for key, value in reading_types.zero(served.schema.type).items() if key not in obj}
    obj["metadata"] = metadata
    return Item(obj, version)


def _error(error: status.StatusError) -> Item:
    return Item(error.status, 0)


def _finish(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
