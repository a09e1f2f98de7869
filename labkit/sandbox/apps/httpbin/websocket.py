"""``/websocket/echo``: a WebSocket that sends back what it gets (RFC 6455)."""

import asyncio
import base64
import hashlib
import struct
from collections.abc import Iterator

from labkit.sandbox.apps.exchange import Request, Response
from labkit.sandbox.apps.httpbin.asking import Parts, Refusal

_KEY = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""What RFC 6455 appends to a client's key."""

CONTINUED, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
NORMAL, PROTOCOL_ERROR, NOT_TEXT, TOO_BIG = 1000, 1002, 1007, 1009

MOST_BYTES = 100 * 1024
"""Bytes of a message, as go-httpbin's limit."""


def echo(request: Request, parts: Parts) -> Response:
    """Accept the WebSocket; Refusal for a request that asks for none."""
    if parts != ["echo"]:
        raise Refusal(404, "not found")
    headers = request.headers
    asks = "upgrade" in headers.get("connection", "").lower() and headers.get("upgrade", "").lower() == "websocket"
    if not asks or headers.get("sec-websocket-version") != "13" or not headers.get("sec-websocket-key"):
        raise Refusal(400, "invalid websocket handshake: missing required headers")
    digest = hashlib.sha1(headers["sec-websocket-key"].encode() + _KEY).digest()
    return Response(
        status=101,
        fields=[
            ("upgrade", "websocket"),
            ("connection", "Upgrade"),
            ("sec-websocket-accept", base64.b64encode(digest).decode()),
        ],
        upgrade=Echo,
    )


class _End(Exception):
    """The connection must close, with this code."""

    def __init__(self, code: int) -> None:
        self.code = code


class Echo(asyncio.Protocol):
    """The server's side after the handshake."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._buffer = bytearray()
        self._kind, self._message = CONTINUED, bytearray()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        try:
            for is_final, kind, payload in self._frames():
                self._take(is_final, kind, payload)
        except _End as end:
            self._transport.write(frame(CLOSE, struct.pack(">H", end.code)))
            self._transport.close()

    def _frames(self) -> Iterator[tuple[bool, int, bytes]]:
        while (taken := _next(self._buffer)) is not None:
            yield taken

    def _take(self, is_final: bool, kind: int, payload: bytes) -> None:
        if kind == PING:
            self._transport.write(frame(PONG, payload))
        elif kind == CLOSE:
            raise _End(NORMAL)
        elif kind in (TEXT, BINARY, CONTINUED):
            if (kind == CONTINUED) == (self._kind == CONTINUED):
                raise _End(PROTOCOL_ERROR)
            self._kind = kind or self._kind
            self._message += payload
            if len(self._message) > MOST_BYTES:
                raise _End(TOO_BIG)
            if is_final:
                self._send_back()
        elif kind != PONG:
            raise _End(PROTOCOL_ERROR)

    def _send_back(self) -> None:
        kind, message = self._kind, bytes(self._message)
        self._kind, self._message = CONTINUED, bytearray()
        if kind == TEXT:
            try:
                message.decode()
            except UnicodeDecodeError:
                raise _End(NOT_TEXT) from None
        self._transport.write(frame(kind, message))


def frame(kind: int, payload: bytes) -> bytes:
    """A whole message as a server sends it, without a mask."""
    size = len(payload)
    if size < 126:
        length = bytes([size])
    else:
        length = b"\x7e" + struct.pack(">H", size) if size < 2**16 else b"\x7f" + struct.pack(">Q", size)
    return bytes([0x80 | kind]) + length + payload


def _next(buffer: bytearray) -> tuple[bool, int, bytes] | None:
    """Take the next frame of a client, which must be masked; None until it is whole."""
    if len(buffer) < 2:
        return None
    is_final, kind, size = bool(buffer[0] & 0x80), buffer[0] & 0x0F, buffer[1] & 0x7F
    if buffer[0] & 0x70 or not buffer[1] & 0x80 or (kind >= CLOSE and (size > 125 or not is_final)):
        raise _End(PROTOCOL_ERROR)
    start = 2 + {126: 2, 127: 8}.get(size, 0)
    if len(buffer) < start:
        return None
    if size > 125:
        size = int.from_bytes(buffer[2:start])
    if size > MOST_BYTES:
        raise _End(TOO_BIG)
    end = start + 4 + size
    if len(buffer) < end:
        return None
    mask = int.from_bytes((bytes(buffer[start : start + 4]) * (size // 4 + 1))[:size])
    payload = (int.from_bytes(buffer[start + 4 : end]) ^ mask).to_bytes(size)
    del buffer[:end]
    return is_final, kind, payload
