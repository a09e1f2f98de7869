"""The client of Redis: counters of all requests of a moment go out in one write, and come back in their order."""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence

from labkit.sandbox.apps import resp
from labkit.sandbox.network import door

Counter = tuple[str, int, int]
"""(name, hits to add, seconds that it lives)."""


class RedisError(Exception):
    """Redis cannot be reached, or refuses."""


class Counters(asyncio.Protocol):
    """One connection, opened when somebody asks and opened again after it broke."""

    def __init__(self, host: str, port: int, env: Mapping[str, str]) -> None:
        self._host, self._port, self._env = host, port, env
        self._transport: asyncio.Transport | None = None
        self._opening: asyncio.Lock = asyncio.Lock()
        self._waiting: deque[asyncio.Future[int] | None] = deque()
        """For each command whoever awaits its answer; None for EXPIRE, whose answer nobody needs."""

        self._parser, self._buffer = resp.Parser(), bytearray()

    async def add(self, counters: Sequence[Counter]) -> list[int]:
        """What each counter stands at with its new hits; RedisError when that cannot be said."""
        if not counters:
            return []
        async with self._opening:
            if self._transport is None:
                await self._open()
        answers = [self._send(counter) for counter in counters]
        if len(answers) == 1:
            return [await answers[0]]
        return list(await asyncio.gather(*answers))

    async def ping(self) -> None:
        """Open the connection; RedisError when nobody is there."""
        async with self._opening:
            if self._transport is None:
                await self._open()

    def close(self) -> None:
        """End the connection."""
        self._fail("the service ends")

    async def _open(self) -> None:
        try:
            transport, _ = await door.open_connection(lambda: self, self._host, self._port, self._env)
        except OSError as e:
            raise RedisError(f"dial tcp: {self._host}:{self._port}: {e.strerror or e}") from e
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._parser = transport, resp.Parser()

    def _send(self, counter: Counter) -> "asyncio.Future[int]":
        name, hits, seconds = counter
        if not self._buffer:
            asyncio.get_running_loop().call_soon(self._flush)
        self._buffer += resp.command("INCRBY", name, str(hits)) + resp.command("EXPIRE", name, str(seconds))
        count: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting += (count, None)
        return count

    def _flush(self) -> None:
        data, self._buffer = bytes(self._buffer), bytearray()
        if self._transport is not None:
            self._transport.write(data)
        else:
            self._fail("the connection was closed")

    def data_received(self, data: bytes) -> None:
        try:
            for value in self._parser.feed(data):
                answer = self._waiting.popleft()
                if answer is None or answer.done():
                    continue
                if isinstance(value, resp.Error):
                    answer.set_exception(RedisError(str(value)))
                else:
                    answer.set_result(value if isinstance(value, int) else 0)
        except (resp.ProtocolError, IndexError) as e:
            self._fail(f"what answers at {self._host}:{self._port} is no Redis: {e}")

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(str(exc or "the connection was closed"))

    def _fail(self, why: str) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()
        waiting, self._waiting, self._buffer = self._waiting, deque(), bytearray()
        for answer in waiting:
            if answer is not None and not answer.done():
                answer.set_exception(RedisError(f"redis {self._host}:{self._port}: {why}"))
