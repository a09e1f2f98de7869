"""Two TCP connections joined: what one side sends, the other gets, no faster than it can take it."""

import asyncio
import contextlib
import errno
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

from labkit.sandbox.network import proxyheader, routes, sockets

CONNECT_WITHIN = 5.0
"""Seconds to reach an endpoint; they are on this machine."""


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
        if self.other and isinstance(exc, ConnectionResetError):
            self.other.reset()
        elif self.other and self.other.transport:
            self.other.transport.close()

    def reset(self) -> None:
        """End this side as the other one ended: by a reset, which programs tell from an orderly end."""
        if self.transport is None:
            return
        link = self.transport.get_extra_info("socket")
        if link is not None and link.family == socket.AF_INET:
            # A closed socket that lingers for no time sends RST (socket(7), SO_LINGER).
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

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


async def connect(endpoint: routes.Endpoint, *, source: str = "") -> Half:
    """A new side, connected to an endpoint; from a pod's address where the far end is on this machine as well."""
    host, port = endpoint
    local = (source, 0) if source and host.startswith("127.") else None
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(CONNECT_WITHIN):
        _, half = await loop.create_connection(Half, host, port, local_addr=local)
    return half


async def connect_socket(path: Path, first: bytes = b"") -> Half:
    """A new side, connected to a Unix socket and told ``first``; ConnectionRefusedError where nobody listens."""
    try:
        link = sockets.connect(path, within=CONNECT_WITHIN)
    except FileNotFoundError:
        raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused") from None
    link.setblocking(False)
    transport, half = await asyncio.get_running_loop().create_unix_connection(Half, sock=link)
    if first:
        transport.write(first)
    return half


Dial = Callable[[], Awaitable[Half]]
"""Connects a new connection's other side; NoRouteError or OSError when there is none."""


class Inbound(Half):
    """A connection that somebody made to us; it is joined to the side that ``dial`` connects."""

    def __init__(self, dial: Dial) -> None:
        super().__init__()
        self._dial = dial
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.join_later(self._dial)

    @property
    def peer(self) -> str:
        """The other end's address; empty for a Unix socket's."""
        name = self.transport.get_extra_info("peername") if self.transport else None
        return str(name[0]) if isinstance(name, tuple) else ""

    def join_later(self, dial: Dial) -> None:
        """Connect the other side, and read nothing until then."""
        if self.transport:
            self.transport.pause_reading()
        self._task = asyncio.get_running_loop().create_task(self._join(dial))

    async def _join(self, dial: Dial) -> None:
        try:
            far = await dial()
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


class FromPeer(Inbound):
    """One whose ``dial`` is told who made it."""

    def __init__(self, dial: Callable[[str], Awaitable[Half]]) -> None:
        super().__init__(lambda: dial(self.peer))


class Announced(Inbound):
    """A connection that begins with a PROXY header: ``dial`` is told source and destination."""

    def __init__(self, dial: "Callable[[proxyheader.Address, proxyheader.Address], Awaitable[Half]]") -> None:
        super().__init__(lambda: dial(*self._ends))
        self._ends: tuple[proxyheader.Address, proxyheader.Address] = (("", 0), ("", 0))
        self._is_read = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        Half.connection_made(self, transport)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._is_read or len(self.early) < proxyheader.START:
            return
        try:
            size = proxyheader.size_of(bytes(self.early[: proxyheader.START]))
            if len(self.early) < size:
                return
            self._ends = proxyheader.parse(bytes(self.early[:size]))
        except proxyheader.HeaderError:
            if self.transport:
                self.transport.abort()
            return
        self._is_read = True
        del self.early[:size]
        self.join_later(self._dial)
