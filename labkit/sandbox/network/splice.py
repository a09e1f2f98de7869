"""Two TCP connections joined: what one side sends, the other gets, no faster than it can take it."""

import asyncio
import contextlib
from collections.abc import Callable

from labkit.sandbox.network import routes

CONNECT_WITHIN = 5.0
"""Seconds to reach an endpoint; they are on this machine."""

Choose = Callable[[], routes.Endpoint]
"""Picks where a new connection goes; NoRouteError when nowhere."""


class Half(asyncio.Protocol):
    """One side of a splice; ``other`` is set once both exist."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: Half | None = None
        self.early = bytearray()
        """What came before there was another side."""
        self._is_finished = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.other and self.other.transport:
            self.other.transport.write(data)
        else:
            self.early += data

    def eof_received(self) -> bool:
        self._is_finished = True
        if self.other and self.other.transport and self.other.transport.can_write_eof():
            with contextlib.suppress(OSError, RuntimeError):
                self.other.transport.write_eof()
        # Keep our own side open for what the other still sends.
        return not (self.other and self.other._is_finished)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        if self.other and self.other.transport:
            self.other.transport.close()

    def pause_writing(self) -> None:
        if self.other and self.other.transport:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other and self.other.transport:
            self.other.transport.resume_reading()

    def join(self, other: "Half") -> None:
        """Send both sides' early bytes across and stay joined."""
        self.other, other.other = other, self
        for one, two in ((self, other), (other, self)):
            if one.early and two.transport:
                two.transport.write(bytes(one.early))
                one.early.clear()
            if one._is_finished:
                one.eof_received()


async def connect(endpoint: routes.Endpoint) -> Half:
    """A new side, connected to an endpoint; OSError or TimeoutError."""
    host, port = endpoint
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(CONNECT_WITHIN):
        _, half = await loop.create_connection(Half, host, port)
    return half


class Inbound(Half):
    """A connection that somebody made to us; it is joined to the endpoint that ``choose`` picks."""

    def __init__(self, choose: Choose) -> None:
        super().__init__()
        self._choose = choose
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert self.transport
        self.transport.pause_reading()
        self._task = asyncio.get_running_loop().create_task(self._join_endpoint())

    async def _join_endpoint(self) -> None:
        try:
            far = await connect(self._choose())
        except (OSError, TimeoutError, routes.NoRouteError):
            # As a ClusterIP without endpoints: the connection is refused or reset, nobody answers.
            if self.transport:
                self.transport.abort()
            return
        if self.transport is None:
            if far.transport:
                far.transport.close()
            return
        self.join(far)
        self.transport.resume_reading()
