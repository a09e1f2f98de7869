"""The authorizer's door for gRPC: Envoy's ``envoy.service.auth.v3.Authorization``.

Only the few fields that it needs are read and written, by the numbers of Envoy's API (``service/auth/v3``), so the
container's process carries no descriptors.
"""

import asyncio
import contextlib
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from labkit.sandbox.apps.exchange import Response

SERVICE, METHOD = "envoy.service.auth.v3.Authorization", "Check"
PERMISSION_DENIED = 7
"""A code of gRPC."""

Verdict = Callable[[Mapping[str, str], str], Response]

_CHUNK = 65536


@contextlib.asynccontextmanager
async def serving(listener: socket.socket, verdict: Verdict) -> AsyncIterator[None]:
    """Answer on a listening socket. gRPC takes none that is open, so connections are carried to one of its own."""
    # Late, and only in the container's own process: what is forked must not carry gRPC's threads.
    import grpc.aio

    async def check(request: bytes, context: Any) -> bytes:
        headers, asked = read(request)
        return written(verdict(headers, asked))

    handler = grpc.unary_unary_rpc_method_handler(check)
    with tempfile.TemporaryDirectory(prefix="ext-authz-") as folder:
        path = Path(folder) / "grpc.sock"
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler}),))
        server.add_insecure_port(f"unix:{path}")
        await server.start()
        carrier = await _carrier(listener, path)
        try:
            yield
        finally:
            carrier.close()
            await server.stop(0.1)


async def _carrier(listener: socket.socket, path: Path) -> asyncio.Server:
    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_unix_connection(path)
        await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer))

    serve = asyncio.start_unix_server if listener.family == socket.AF_UNIX else asyncio.start_server
    return await serve(carry, sock=listener)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    writer.close()


def read(request: bytes) -> tuple[dict[str, str], str]:
    """A CheckRequest: (headers by lower-case name, the request in a few words)."""
    http = request
    for number in (1, 4, 2):  # attributes, request, http
        http = next((value for field, value in _fields(http) if field == number and isinstance(value, bytes)), b"")
    texts = {field: value.decode() for field, value in _fields(http) if field in (2, 4, 5) and isinstance(value, bytes)}
    entries = [dict(_fields(value)) for field, value in _fields(http) if field == 3 and isinstance(value, bytes)]
    headers = {_text(entry.get(1)): _text(entry.get(2)) for entry in entries}
    return headers, f"{texts.get(2, '')} {texts.get(5, '')}{texts.get(4, '')}"


def written(response: Response) -> bytes:
    """A CheckResponse."""
    # HeaderValueOption of HeaderValue(key, value)
    fields = b"".join(_bytes(2, _bytes(1, _bytes(1, k.encode()) + _bytes(2, v.encode()))) for k, v in response.fields)
    if response.status == 200:
        return _bytes(1, b"") + _bytes(3, fields)
    http_status = _bytes(1, _varint(1 << 3) + _varint(response.status))
    return _bytes(1, _varint(1 << 3) + _varint(PERMISSION_DENIED)) + _bytes(
        2, http_status + fields + _bytes(3, response.body)
    )


def _text(value: "int | bytes | None") -> str:
    return value.decode() if isinstance(value, bytes) else ""


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(number, value) of every field: a number, or the bytes of a text or message."""
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = _read_varint(data, at)
            yield key >> 3, value
        elif kind == 2:
            length, at = _read_varint(data, at)
            yield key >> 3, data[at : at + length]
            at += length
        else:
            at += {1: 8, 5: 4}[kind]


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def _varint(value: int) -> bytes:
    data = bytearray()
    while value > 127:
        data.append(value & 127 | 128)
        value >>= 7
    return bytes((*data, value))


def _bytes(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data
