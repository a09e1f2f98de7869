"""Events of the node's components: written in the background, repeated ones counted."""

import asyncio
import contextlib
from collections import OrderedDict
from typing import Any

from labkit.kube import api, events, resources, status
from labkit.kube.resources import Object

GATHER = 0.25
"""Seconds an event may wait for others: pods that start have better use for the API server at that moment."""

REMEMBERED = 1024
"""Events whose repetition is counted in place; older ones are written anew."""


class Recorder:
    """Writes Events about objects for one component."""

    def __init__(self, client: api.Api, *, component: str, host: str = "") -> None:
        self._client, self._component, self._host = client, component, host
        self._queue: asyncio.Queue[Object] = asyncio.Queue()
        self._recorded: OrderedDict[tuple[Any, ...], tuple[str, str, int]] = OrderedDict()

    def __repr__(self) -> str:
        return f"Recorder({self._component}, {self._queue.qsize()} waiting)"

    def event(self, about: Object, reason: str, message: str, *, type: str = "Normal", path: str = "") -> None:
        """Record one; ``path`` names a part, such as ``spec.containers{app}``."""
        named = {"apiVersion": "v1", "kind": "Pod", **about}
        self._queue.put_nowait(
            events.event(
                named,
                component=self._component,
                reason=reason,
                message=message,
                type=type,
                host=self._host,
                path=path,
            )
        )

    async def run(self) -> None:
        """Write what is recorded until cancelled."""
        while True:
            waiting = [await self._queue.get()]
            await asyncio.sleep(GATHER)
            while not self._queue.empty():
                waiting.append(self._queue.get_nowait())
            for event in waiting:
                with contextlib.suppress(status.StatusError, OSError):
                    await self._write(event)
                await asyncio.sleep(0)

    async def _write(self, event: Object) -> None:
        involved = event["involvedObject"]
        key = (involved.get("uid"), involved.get("fieldPath"), event["reason"], event["message"], event["type"])
        if previous := self._recorded.get(key):
            name, place, count = previous
            body = {"count": count + 1, "lastTimestamp": event["lastTimestamp"]}
            with contextlib.suppress(status.NotFound):
                await self._client.patch(resources.EVENTS, name, place, body, manager=self._component)
                self._recorded[key] = (name, place, count + 1)
                return
        await self._client.create(resources.EVENTS, event, manager=self._component)
        self._recorded[key] = (event["metadata"]["name"], event["metadata"]["namespace"], 1)
        while len(self._recorded) > REMEMBERED:
            self._recorded.popitem(last=False)
