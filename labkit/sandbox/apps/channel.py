"""One connection of a client: a request goes out, its reply comes in, and then perhaps the next."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from labkit.sandbox.apps import http1
from labkit.sandbox.network import door

HTTP_PORT = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back."""

    status: int
    headers: dict[str, str]
    """By lower-case name."""

    body: bytes
    bytes_received: int
    """Head and body as they came over the wire."""


class BrokenError(ConnectionError):
    """The connection ended, or said something else than HTTP, before the reply was whole."""

    def __init__(self, why: str, *, is_unanswered: bool) -> None:
        super().__init__(why)
        self.is_unanswered = is_unanswered
        """Whether no byte of a reply came: on a kept connection, the server had closed it before."""


class Channel(asyncio.Protocol):
    """Open it with ``Call.open``; ask one thing at a time."""

    def __init__(self) -> None:
        self.is_open = False
        """Whether another request may be sent."""
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._reply: asyncio.Future[Reply] | None = None
        self._method = ""
        self._status, self._received = 0, 0
        self._headers: dict[str, str] = {}
        self._body: http1.Body | None = None

    def __repr__(self) -> str:
        return f"Channel({'open' if self.is_open else 'closed'})"

    async def ask(self, method: str, request: bytes) -> Reply:
        """Send a whole request; BrokenError when the reply does not come whole."""
        if not self.is_open or self._transport is None:
            raise BrokenError("the connection is closed", is_unanswered=True)
        self._method, self._body, self._received = method, None, 0
        self._reply = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            return await self._reply
        except asyncio.CancelledError:
            self.close()  # the reply would be taken for that of the next request
            raise

    def close(self) -> None:
        """Close; asking again is an error."""
        self.is_open = False
        if self._transport:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self.is_open = transport, True

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._received += len(data)
        try:
            if self._body is None and not self._take_head():
                return
            if self._body is not None and self._body.take(self._buffer):
                self._finish()
        except (http1.MessageError, ValueError, IndexError) as e:
            self._fail(f"not an HTTP reply: {e}")
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        if exc is None and self._body is not None and self._body.length is None and not self._body.chunked:
            self._finish()
        self._fail(str(exc) if exc else "the connection was closed before the reply was whole")

    def _take_head(self) -> bool:
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            start, fields = http1.parse_head(bytes(self._buffer[:end]))
            del self._buffer[: end + 4]
            self._status, self._headers = int(start.split(" ")[1]), http1.lowered(fields)
            if self._status >= 200:  # 100 Continue and its like announce another head
                self._body = http1.body_of_response(self._method, self._status, self._headers)
                return True
        return False

    def _finish(self) -> None:
        if self._reply is None or self._reply.done() or self._body is None:
            return
        if not http1.keeps_alive("HTTP/1.1", self._headers):
            self.close()
        self._reply.set_result(
            Reply(
                status=self._status,
                headers=self._headers,
                body=self._body.data,
                bytes_received=self._received,
            )
        )

    def _fail(self, why: str) -> None:
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(BrokenError(why, is_unanswered=self._received == 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request that is ready to be sent, and where to."""

    method: str
    host: str
    """The name or address to connect to."""

    port: int
    request: bytes
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Of the program that calls: in a pod it names the pod's door."""

    async def open(self) -> Channel:
        """A channel to where it goes; OSError when nobody listens there."""
        _, channel = await door.open_connection(Channel, self.host, self.port, self.env)
        return channel


def call(
    method: str,
    url: str,
    *,
    fields: http1.Fields | None = None,
    body: bytes = b"",
    env: Mapping[str, str] | None = None,
) -> Call:
    """A call of ``url`` by a program with this environment."""
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    given = {name.lower() for name, _ in fields or ()}
    own = [("Host", parts.netloc), ("Accept", "*/*")]
    if body or method in ("POST", "PUT", "PATCH"):
        own.append(("Content-Length", str(len(body))))
    head = [(name, value) for name, value in own if name.lower() not in given] + (fields or [])
    return Call(
        method=method,
        host=parts.hostname or "",
        port=parts.port or HTTP_PORT,
        request=http1.head(f"{method} {path} HTTP/1.1", head) + body,
        env=env or {},
    )
