"""Proxies for tests: a client of the discovery service that answers as an Envoy does, without one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import grpc

from labkit.mesh import model
from labkit.sandbox.istiod import ads, messages

METHOD = f"/{ads.SERVICE}/DeltaAggregatedResources"
Resources = dict[str, dict[str, bytes]]


def proxy(name: str = "web", **fields: Any) -> model.Proxy:
    """A sidecar."""
    settings = {"namespace": "default", "role": "sidecar", "ip": "127.0.0.1", **fields}
    return model.Proxy(name=name, **settings)


def cluster(name: str, *, timeout: str = "1s") -> bytes:
    """An encoded cluster."""
    return messages.encoded("clusters", {"name": name, "connect_timeout": timeout})


class Envoy:
    """One stream, in the hands of a test."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def ask(self, kind: str, *names: str, versions: Mapping[str, str] | None = None) -> None:
        """Subscribe; no names means all."""
        request = self._request(kind, resource_names_subscribe=list(names))
        request.initial_resource_versions.update(versions or {})
        request.node.id = "sidecar~127.0.0.1~web.default~default.svc.cluster.local"
        await self._stream.write(request)

    async def answer(self, response: Any, *, error: str = "") -> None:
        """ACK, or NACK with a text."""
        request = messages.message_class(ads.REQUEST)(type_url=response.type_url, response_nonce=response.nonce)
        if error:
            request.error_detail.message = error
        await self._stream.write(request)

    async def heard(self) -> Any:
        """The next response."""
        async with asyncio.timeout(60):
            return await self._stream.read()

    async def subscribed(self, *kinds: str) -> None:
        """Ask for all of each kind and take what comes."""
        for kind in kinds:
            await self.ask(kind)
            await self.answer(await self.heard())

    async def hears_nothing(self) -> bool:
        """Whether nothing comes for a moment."""
        try:
            async with asyncio.timeout(0.1):
                await self._stream.read()
        except TimeoutError:
            return True
        return False

    def _request(self, kind: str, **fields: Any) -> Any:
        return messages.message_class(ads.REQUEST)(type_url=messages.type_url(kind), **fields)


def names(response: Any) -> set[str]:
    """What a response brings."""
    return {entry.name for entry in response.resources}


async def proxy_of(metadata: Mapping[str, str], node: Mapping[str, Any]) -> model.Proxy:
    """Everybody is let in."""
    return proxy()


@asynccontextmanager
async def connected(discovery: ads.Discovery, metadata: tuple[tuple[str, str], ...] = ()) -> AsyncIterator[Envoy]:
    """A stream to a server on loopback."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((discovery.handler(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    request, response = messages.message_class(ads.REQUEST), messages.message_class(ads.RESPONSE)
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = channel.stream_stream(
                METHOD, request_serializer=request.SerializeToString, response_deserializer=response.FromString
            )
            stream = call(metadata=metadata)
            yield Envoy(stream)
            stream.cancel()
    finally:
        await server.stop(0)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until it holds, at most a minute."""
    async with asyncio.timeout(60):
        # What is waited for happens in another task, which signals nothing.
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


def play(scene: Callable[[], Awaitable[None]]) -> None:
    """Run a scene to its end."""

    async def whole() -> None:
        await scene()

    asyncio.run(whole())
