"""An API server in the test's own process, with Istio's kinds or without."""

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from labkit.install import types
from labkit.kube import resources
from labkit.kube.api import Api
from labkit.sandbox.apiserver.server import Server
from labkit.sandbox.istiod import following

Object = dict[str, Any]
PATIENCE = 60.0
"""Seconds until a test gives up; nothing waits so long unless it fails."""


@asynccontextmanager
async def running(folder: Path, *, has_kinds: bool = True) -> AsyncIterator[Api]:
    """Its API."""
    server = Server(state=folder / "state", kubeconfig=folder / "kubeconfig")
    await server.start()
    try:
        if has_kinds:
            await install_kinds(server.local)
        yield server.local
    finally:
        await server.stop()


async def install_kinds(api: Api) -> None:
    """Istio's definitions and the Gateway API's."""
    for crd in types.crds():
        await api.create(resources.CRDS, crd)
        await eventually(functools.partial(_is_served, api, resources.name_of(crd)))


async def _is_served(api: Api, name: str) -> bool:
    crd = await api.get(resources.CRDS, name)
    conditions = {c["type"]: c["status"] for c in (crd.get("status") or {}).get("conditions") or []}
    return conditions.get("Established") == "True"


@asynccontextmanager
async def followed(api: Api) -> AsyncIterator[tuple[following.Following, list[tuple[str, str]]]]:
    """A Following that has synced, and what it says of changes: (kind, name)."""
    heard: list[tuple[str, str]] = []

    def note(resource: resources.Resource, old: Object | None, new: Object | None) -> None:
        heard.append((resource.plural, resources.name_of(new or old or {})))

    result = following.Following(api, note)
    task = asyncio.create_task(result.run())
    try:
        async with asyncio.timeout(PATIENCE):
            await result.until_synced()
        yield result, heard
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def eventually(look: Callable[[], Awaitable[Any]], *, wait: float = PATIENCE) -> Any:
    """What ``look`` gives once it gives something."""
    async with asyncio.timeout(wait):
        # Asked of the API as a user would: there is nothing to be woken by.
        while not (result := await look()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return result
