"""Forwarded ports: each connection is a pair of streams, one for data and one for what went wrong.

kubectl puts a SPDY session into the WebSocket; the Python client uses the channel protocol, whose fourth version is the
last that a real API server speaks here.
"""

import asyncio
import contextlib
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import WSMsgType, web

from labkit.sandbox.apiserver.streams import channels, spdy

TUNNEL = "SPDY/3.1+portforward.k8s.io"
_CHUNK = 65536

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]

Dial = Callable[[int], Awaitable[Connection]]
"""Connects to a port of the pod; OSError whose text the client sees."""

Send = Callable[[bytes], Awaitable[None]]


async def serve(request: web.Request, dial: Dial) -> web.StreamResponse:
    """Forward until the client leaves."""
    socket = await channels.accept(request, (TUNNEL, channels.V4))
    if socket.ws_protocol == TUNNEL:
        await Tunnel(socket, dial).serve()
    else:
        asked = request.query.getall("ports", [])
        numbers = [int(n) for text in asked for n in text.split(",") if n.isdigit()]
        await _channelled(channels.Channels(socket), numbers, dial)
    return socket


@dataclass(eq=False, kw_only=True)
class Stream:
    """One SPDY stream that the client opened."""

    number: int
    headers: dict[str, str]
    incoming: asyncio.Queue[bytes | None]
    """What the client sends; None at its end."""


class Tunnel:
    """A SPDY session inside a WebSocket."""

    def __init__(self, socket: web.WebSocketResponse, dial: Dial) -> None:
        self._socket, self._dial = socket, dial
        self._codec = spdy.Codec()
        self._streams: dict[int, Stream] = {}
        self._waiting: dict[str, Stream] = {}
        """Error streams whose data stream has not come yet, by request id."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        """Until the client leaves; then every connection is closed."""
        try:
            async for message in self._socket:
                if message.type is WSMsgType.BINARY:
                    for frame in self._codec.receive(message.data):
                        await self._take(frame)
        except spdy.ProtocolError:
            await self._socket.close()
        finally:
            for task in list(self._tasks):
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks)

    async def _take(self, frame: spdy.Frame) -> None:
        if frame.type == spdy.SYN_STREAM:
            stream = Stream(number=frame.stream, headers=dict(frame.headers), incoming=asyncio.Queue(maxsize=64))
            self._streams[frame.stream] = stream
            await self._write(self._codec.reply(frame.stream))
            self._pair(stream)
        elif frame.type == spdy.PING:
            await self._write(self._codec.pong(frame))
        elif frame.type == spdy.GOAWAY:
            return
        stream_of = self._streams.get(frame.stream)
        if stream_of is None:
            return
        if frame.type == 0 and frame.data:
            # Waits while the pod takes nothing: the other connections of this tunnel wait with it.
            await stream_of.incoming.put(frame.data)
        if frame.is_last or frame.type == spdy.RST_STREAM:
            await stream_of.incoming.put(None)

    def _pair(self, stream: Stream) -> None:
        request = stream.headers.get("requestid", stream.headers.get("port", ""))
        if stream.headers.get("streamtype") == "error":
            self._waiting[request] = stream
        elif error := self._waiting.pop(request, None):
            task = asyncio.create_task(self._connect(stream, error))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _connect(self, data: Stream, error: Stream) -> None:
        port = int(data.headers.get("port", "0"))
        try:
            reader, writer = await self._dial(port)
        except OSError as e:
            await self._write(self._codec.data(error.number, str(e).encode()))
        else:
            await _copy_both(reader, writer, data.incoming, self._sender(data))
        finally:
            await self._write(self._codec.data(data.number, b"", is_last=True))
            await self._write(self._codec.data(error.number, b"", is_last=True))
            for number in (data.number, error.number):
                self._streams.pop(number, None)

    def _sender(self, stream: Stream) -> Send:
        return lambda data: self._write(self._codec.data(stream.number, data))

    async def _write(self, data: bytes) -> None:
        if not self._socket.closed:
            with contextlib.suppress(ConnectionError):
                await self._socket.send_bytes(data)


async def _copy_both(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    incoming: asyncio.Queue[bytes | None],
    send: Send,
) -> None:
    """Until the pod has closed its side; what the client sends goes in meanwhile."""
    sending = asyncio.create_task(_copy_in(incoming, writer))
    try:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(_CHUNK):
                await send(data)
    finally:
        sending.cancel()
        await asyncio.wait({sending})
        writer.close()


async def _copy_in(incoming: asyncio.Queue[bytes | None], writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while (data := await incoming.get()) is not None:
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    while True:  # the pod no longer listens: what still comes is dropped, so that the tunnel goes on
        if await incoming.get() is None:
            return


async def _channelled(client: channels.Channels, ports: list[int], dial: Dial) -> None:
    """Channels 2n (data) and 2n+1 (errors) for the n-th port; each begins with the port in two bytes."""
    incoming: dict[int, asyncio.Queue[bytes | None]] = {}
    for n, port in enumerate(ports):
        for channel in (2 * n, 2 * n + 1):
            await client.send(channel, struct.pack("<H", port))
        incoming[2 * n] = asyncio.Queue(maxsize=64)
    tasks = [
        asyncio.create_task(_channelled_port(client, 2 * n, port, dial, incoming[2 * n]))
        for n, port in enumerate(ports)
    ]
    ended = asyncio.create_task(_close_after(tasks, client))
    try:
        async for channel, data in client.messages():
            if channel in incoming and data:
                await incoming[channel].put(data)
    finally:
        for task in (*tasks, ended):
            task.cancel()
        await asyncio.wait({*tasks, ended})


async def _channelled_port(
    client: channels.Channels, channel: int, port: int, dial: Dial, incoming: asyncio.Queue[bytes | None]
) -> None:
    try:
        reader, writer = await dial(port)
    except OSError as e:
        await client.send(channel + 1, str(e).encode())
    else:
        await _copy_both(reader, writer, incoming, lambda data: client.send(channel, data))


async def _close_after(tasks: list[asyncio.Task[None]], client: channels.Channels) -> None:
    if tasks:
        await asyncio.wait(tasks)
    await client.close()
