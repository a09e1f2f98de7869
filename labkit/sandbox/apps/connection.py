"""The server's side of one HTTP/1.1 connection."""

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import unquote

from labkit.sandbox.apps import exchange, http1
from labkit.sandbox.apps.exchange import Handler, Request, Response

FROM_PROXY = "127.0.0.6"
"""The address that Istio's Envoy has for the app behind it; here it comes by a Unix socket, which has none."""

BODY_LIMIT = 16 * 2**20
"""Bytes of a request body; more is answered 413."""


@dataclass(slots=True, kw_only=True)
class Service:
    """What the connections of one server share."""

    handler: Handler
    log: Callable[[str], None] | None = None
    """Takes the access lines."""

    connections: "set[Connection]" = field(default_factory=set)
    is_ending: bool = False
    """Set when the server ends: every further response closes its connection."""


class Connection(asyncio.Protocol):
    """One client: requests are answered one after the other, in the order they came."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._peer = ""
        self._task: asyncio.Task[None] | None = None
        self._head: Request | None = None
        self._body: http1.Body | None = None
        self._writable = asyncio.Event()

    def called_by(self, address: tuple[str, int]) -> None:
        """The caller, where a proxy brings the connection and names it."""
        self._peer = address[0]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        name = transport.get_extra_info("peername")
        self._peer = self._peer or (str(name[0]) if isinstance(name, tuple) else FROM_PROXY)
        self._writable.set()
        self._service.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._writable.set()
        self._service.connections.discard(self)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._advance()

    def close_if_idle(self) -> None:
        """Close unless a request is being read or answered."""
        if self._task is None and self._head is None and self._transport:
            self._transport.close()

    def abort(self) -> None:
        """Close now."""
        if self._transport:
            self._transport.abort()

    def _advance(self) -> None:
        while self._task is None and self._transport and not self._transport.is_closing():
            try:
                request = self._next_request()
            except http1.MessageError as e:
                self._refuse(400, str(e))
                return
            if request is None:
                return
            self._answer(request)

    def _next_request(self) -> Request | None:
        if self._head is None:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                # A TLS greeting, or HTTP/2 from an Envoy that was told of it: no more of a request will come.
                if self._buffer and not self._buffer[:1].isalpha():
                    self._refuse(400, "this is not HTTP/1.1")
                elif len(self._buffer) > http1.HEAD_LIMIT:
                    self._refuse(431, "the headers are too large")
                return None
            self._head = self._parse(bytes(self._buffer[:end]))
            del self._buffer[: end + 4]
            self._body = http1.body_of_request(self._head.headers)
            if self._head.headers.get("expect", "").lower() == "100-continue" and self._transport:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert self._body is not None
        whole = self._body.take(self._buffer)
        if len(self._body.data) > BODY_LIMIT or (not whole and len(self._buffer) > BODY_LIMIT):
            self._refuse(413, "the body is too large")
            return None
        if not whole:
            return None
        request, self._head = self._head, None
        request.body = self._body.data
        return request

    def _parse(self, head: bytes) -> Request:
        start, fields = http1.parse_head(head)
        parts = start.split(" ")
        if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
            raise http1.MessageError(f"not a request line: {start[:80]!r}")
        method, target, version = parts
        path, _, query = target.partition("?")
        return Request(
            method=method,
            path=unquote(path) if "%" in path else path,
            query=query,
            fields=fields,
            headers=http1.lowered(fields),
            body=b"",
            peer=self._peer,
            version=version,
        )

    def _answer(self, request: Request) -> None:
        start = time.perf_counter()
        try:
            answer = self._service.handler(request)
        except Exception:
            answer = _crash()
        if isinstance(answer, Response) and answer.chunks is None:
            self._send(request, answer, start)
        else:
            self._task = asyncio.get_running_loop().create_task(self._answer_later(request, answer, start))

    async def _answer_later(self, request: Request, answer: Response | Awaitable[Response], start: float) -> None:
        try:
            response = answer if isinstance(answer, Response) else await answer
        except Exception:
            response = _crash()
        try:
            if response.chunks is None:
                self._send(request, response, start)
            else:
                await self._stream(request, response, start)
        except Exception:
            # The head is out, so all that is left to say is that the body is not whole.
            traceback.print_exc()
            self.abort()
        self._task = None
        self._advance()

    def _send(self, request: Request, response: Response, start: float) -> None:
        if self._transport is None:
            return self._log(request, response, len(response.body), start)
        if response.upgrade:
            return self._upgrade(self._transport, request, response, start)
        keep = http1.keeps_alive(request.version, request.headers) and not self._service.is_ending
        fields = [
            ("content-type", response.content_type),
            ("content-length", str(len(response.body))),
            *response.fields,
        ]
        if not keep:
            fields.append(("connection", "close"))
        head = http1.head(_status_line(response.status), fields)
        self._transport.write(head if request.method == "HEAD" else head + response.body)
        if not keep:
            self._transport.close()
        return self._log(request, response, len(response.body), start)

    def _upgrade(self, transport: asyncio.Transport, request: Request, response: Response, start: float) -> None:
        """Hand the connection over, with what came after the request."""
        assert response.upgrade is not None
        transport.write(http1.head(_status_line(response.status), response.fields))
        protocol = response.upgrade(transport)
        transport.set_protocol(protocol)
        self._service.connections.discard(self)
        self._log(request, response, 0, start)
        rest, self._transport = bytes(self._buffer), None
        if rest:
            protocol.data_received(rest)

    async def _stream(self, request: Request, response: Response, start: float) -> None:
        assert response.chunks is not None
        fields = [("content-type", response.content_type), ("transfer-encoding", "chunked"), *response.fields]
        fields.append(("connection", "close"))
        self._write(http1.head(_status_line(response.status), fields))
        sent = 0
        async for chunk in response.chunks:
            if self._transport is None:
                break
            await self._writable.wait()
            sent += len(chunk)
            self._write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        self._write(b"0\r\n\r\n")
        if self._transport:
            self._transport.close()
        self._log(request, response, sent, start)

    def _write(self, data: bytes) -> None:
        if self._transport:
            self._transport.write(data)

    def _refuse(self, status: int, why: str) -> None:
        if self._transport:
            fields = [("content-length", str(len(why) + 1)), ("connection", "close")]
            self._transport.write(http1.head(_status_line(status), fields) + why.encode() + b"\n")
            self._transport.close()

    def _log(self, request: Request, response: Response, sent: int, start: float) -> None:
        if self._service.log and request.path != "/health":
            self._service.log(access_line(request, response, sent, time.perf_counter() - start))


def access_line(request: Request, response: Response, sent: int, seconds: float) -> str:
    """``2026-11-24T14:06:16.120Z GET /reviews/0 200 341 B 1.2 ms user=jason id=…``."""
    now = time.time()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
    target = f"{request.path}?{request.query}" if request.query else request.path
    user, name = request.headers.get("end-user"), request.headers.get("x-request-id")
    return (
        f"{stamp}.{int(now * 1000) % 1000:03d}Z {request.method} {target} {response.status} {sent} B "
        f"{seconds * 1000:.1f} ms{f' user={user}' if user else ''}{f' id={name}' if name else ''}"
    )


def _status_line(status: int) -> str:
    return f"HTTP/1.1 {status} {exchange.REASONS.get(status, 'Status')}"


def _crash() -> Response:
    traceback.print_exc()
    return exchange.text("Internal Server Error\n", status=500)
