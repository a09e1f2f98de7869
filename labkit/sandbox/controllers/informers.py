"""One informer a resource, shared by all controllers."""

import asyncio
from typing import Protocol

from labkit.kube import api, informer, resources


class Cluster(api.Api, Protocol):
    """The API, and what it serves; controllers that look at every kind of object need to know."""

    def kinds(self) -> list[resources.Resource]:
        """Every resource that is stored, in one version each."""


class Informers:
    """Makes informers when first asked for, and runs them together."""

    def __init__(self, client: Cluster) -> None:
        self.client = client
        self._informers: dict[resources.Resource, informer.Informer] = {}
        self._tasks: dict[resources.Resource, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None

    def __repr__(self) -> str:
        return f"Informers({len(self._informers)} resources)"

    def of(self, resource: resources.Resource) -> informer.Informer:
        """The shared informer of a resource; it runs at once if the others do."""
        if resource not in self._informers:
            self._informers[resource] = informer.Informer(self.client, resource)
            self._start(resource)
        return self._informers[resource]

    def drop(self, resource: resources.Resource) -> None:
        """Follow a resource no more: it is no longer served."""
        self._informers.pop(resource, None)
        if task := self._tasks.pop(resource, None):
            task.cancel()

    async def run(self) -> None:
        """Follow every resource asked for, until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            for resource in self._informers:
                self._start(resource)
            await asyncio.Event().wait()

    async def synced(self) -> None:
        """Wait until every cache is filled."""
        await asyncio.gather(*(watched.synced.wait() for watched in self._informers.values()))

    def _start(self, resource: resources.Resource) -> None:
        if self._group is not None:
            self._tasks[resource] = self._group.create_task(self._informers[resource].run())
