"""The objects that istiod follows. A kind whose definition is not installed is not asked for; it is, once it comes."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator

from labkit.kube import api, informer, resources, status
from labkit.kube.resources import Object, Resource

BUILT_IN = (
    resources.SERVICES,
    resources.ENDPOINT_SLICES,
    resources.PODS,
    resources.NAMESPACES,
    resources.SECRETS,
    resources.CONFIG_MAPS,
    resources.INGRESSES,
    resources.INGRESS_CLASSES,
)
DEFINED = (*resources.ISTIO, resources.GATEWAY_CLASSES, *resources.GATEWAY_API)
"""Kinds of CustomResourceDefinitions."""

CONFIGURATION = (
    resources.SERVICES,
    resources.CONFIG_MAPS,
    resources.INGRESSES,
    resources.INGRESS_CLASSES,
    *DEFINED,
)
"""Kinds that people write: what istiod tells of."""

RETRY = 1.0
"""Seconds before definitions are listed again after a fault."""


OnChange = Callable[[Resource, Object | None, Object | None], None]
"""(kind, old, new): old is None for a new object, new is None for one that went."""


def key_of(resource: Resource) -> str:
    """``virtualservices.networking.istio.io``: a kind's place in a snapshot, and its definition's name."""
    return f"{resource.plural}.{resource.group}" if resource.group else resource.plural


class Following:
    """A cache of each kind."""

    def __init__(self, client: api.Api, on_change: OnChange, on_kinds: Callable[[], None] = lambda: None) -> None:
        self._client, self._on_change, self._on_kinds = client, on_change, on_kinds
        self._informers: dict[Resource, informer.Informer] = {}
        self._tasks: dict[Resource, asyncio.Task[None]] = {}
        self._definitions = asyncio.Event()
        self._served: set[str] = set()

    def __repr__(self) -> str:
        return f"Following({len(self._informers)} kinds)"

    async def run(self) -> None:
        """Follow until cancelled."""
        try:
            for resource in BUILT_IN:
                self._start(resource)
            while True:
                with contextlib.suppress(status.StatusError, OSError, asyncio.TimeoutError):
                    await self._follow_definitions()
                await asyncio.sleep(RETRY)
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def until_synced(self) -> None:
        """Wait for every kind that is there."""
        await self._definitions.wait()
        await asyncio.gather(*(watched.synced.wait() for watched in self._informers.values()))

    def is_served(self, resource: Resource) -> bool:
        """Whether its definition is there."""
        return resource in self._informers

    def get(self, resource: Resource, name: str, namespace: str = "") -> Object | None:
        """One object."""
        watched = self._informers.get(resource)
        return watched.get(name, namespace) if watched else None

    def all(self, resource: Resource) -> Iterator[Object]:
        """All objects of a kind."""
        watched = self._informers.get(resource)
        return watched.all() if watched else iter(())

    def objects(self) -> dict[str, list[Object]]:
        """All objects of all kinds, as a snapshot holds them; the list of a kind is the same until it changes."""
        return {key_of(resource): watched.listed() for resource, watched in self._informers.items()}

    def _start(self, resource: Resource) -> None:
        watched = self._informers[resource] = informer.Informer(self._client, resource)
        watched.on_change(lambda old, new: self._on_change(resource, old, new))
        self._tasks[resource] = asyncio.create_task(watched.run())

    def _stop(self, resource: Resource) -> None:
        self._tasks.pop(resource).cancel()
        for obj in self._informers.pop(resource).all():
            self._on_change(resource, obj, None)

    async def _follow_definitions(self) -> None:
        """Only names are kept: the definitions themselves are large and nobody here reads them."""
        listed = await self._client.list(resources.CRDS)
        since = listed["metadata"]["resourceVersion"]
        self._serve({resources.name_of(crd) for crd in listed["items"]})
        del listed
        self._definitions.set()
        while True:
            async for event in self._client.watch(resources.CRDS, since=since):
                since = event.object["metadata"]["resourceVersion"]
                name = {resources.name_of(event.object)}
                if event.type == "DELETED":
                    self._serve(self._served - name)
                elif event.type != "BOOKMARK":
                    self._serve(self._served | name)

    def _serve(self, names: set[str]) -> None:
        self._served = names
        for resource in DEFINED:
            if key_of(resource) in names and resource not in self._informers:
                self._start(resource)
            elif key_of(resource) not in names and resource in self._informers:
                self._stop(resource)
        self._on_kinds()
