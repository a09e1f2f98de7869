"""One informer a resource, shared by all controllers."""

import asyncio

from labkit.kube import api, informer, resources


class Informers:
    """Makes informers when first asked for, and runs them together."""

    def __init__(self, client: api.Api) -> None:
        self._client = client
        self._found: dict[resources.Resource, informer.Informer] = {}

    def of(self, resource: resources.Resource) -> informer.Informer:
        """The shared informer of a resource."""
        if resource not in self._found:
            self._found[resource] = informer.Informer(self._client, resource)
        return self._found[resource]

    async def run(self) -> None:
        """Follow every resource asked for so far, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for found in self._found.values():
                group.create_task(found.run())

    async def synced(self) -> None:
        """Wait until every cache is filled."""
        await asyncio.gather(*(found.synced.wait() for found in self._found.values()))
