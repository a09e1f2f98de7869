"""The cluster's objects that discovery looks at, followed as they change."""

import asyncio
from collections.abc import Callable, Iterable

from labkit.kube import aio, informer, resources
from labkit.sandbox.apps.prometheus import discovery

KINDS = {
    "pod": (resources.PODS,),
    "service": (resources.SERVICES,),
    "node": (resources.NODES,),
    "endpoints": (resources.ENDPOINTS, resources.SERVICES, resources.PODS),
}
"""The kinds that a role looks at."""


class ClusterObjects:
    """Objects of the kinds that somebody asked for."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._informers: dict[resources.Resource, informer.Informer] = {}

    def follow(self, roles: Iterable[str], client: aio.Client, group: asyncio.TaskGroup) -> None:
        """Follow what these roles look at, beside what is followed already."""
        for kind in {kind for role in roles for kind in KINDS[role]} - self._informers.keys():
            follower = informer.Informer(client, kind)
            follower.on_change(lambda _old, _new: self._on_change())
            self._informers[kind] = follower
            group.create_task(follower.run())

    @property
    def is_synced(self) -> bool:
        """Whether everything that is followed was listed once."""
        return all(follower.synced.is_set() for follower in self._informers.values())

    async def until_synced(self) -> None:
        """Wait until everything that is followed was listed once."""
        for follower in list(self._informers.values()):
            await follower.synced.wait()

    @property
    def objects(self) -> discovery.Objects:
        """Everything as it is now."""
        listed = {kind: follower.listed() for kind, follower in self._informers.items()}
        return discovery.Objects(
            pods=listed.get(resources.PODS, ()),
            services=listed.get(resources.SERVICES, ()),
            endpoints=listed.get(resources.ENDPOINTS, ()),
            nodes=listed.get(resources.NODES, ()),
        )
