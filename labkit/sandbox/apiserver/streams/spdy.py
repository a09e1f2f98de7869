"""SPDY/3.1 frames, as far as port forwarding uses them: streams with headers, data and their ends.

There is no flow control: kubectl's implementation has none either.
"""

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from labkit.sandbox.apiserver.streams.dictionary import DICTIONARY

SYN_STREAM, SYN_REPLY, RST_STREAM, SETTINGS, PING, GOAWAY, HEADERS = 1, 2, 3, 4, 6, 7, 8
FIN = 0x01
CANCEL = 5
"""Status of RST_STREAM."""

_VERSION = 0x8003
_HEAD = 8
DATA_AT_MOST = 2**24 - 1
"""Bytes of one data frame."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One frame, read."""

    type: int
    """0 for data."""

    stream: int = 0
    is_last: bool = False
    """Whether the sender closes its side of the stream."""

    data: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class ProtocolError(Exception):
    """Bytes that are not SPDY/3.1."""


class Codec:
    """Reads and writes the frames of one connection; header compression has a memory for each direction."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._deflate = zlib.compressobj(zdict=DICTIONARY)

    def receive(self, data: bytes) -> Iterator[Frame]:
        """Frames that are complete now; ProtocolError for anything else."""
        self._buffer += data
        while len(self._buffer) >= _HEAD:
            length = int.from_bytes(self._buffer[5:8], "big")
            if len(self._buffer) < _HEAD + length:
                return
            head, body = bytes(self._buffer[:_HEAD]), bytes(self._buffer[_HEAD : _HEAD + length])
            del self._buffer[: _HEAD + length]
            yield self._frame(head, body)

    def _frame(self, head: bytes, body: bytes) -> Frame:
        is_last = bool(head[4] & FIN)
        if not head[0] & 0x80:
            return Frame(type=0, stream=int.from_bytes(head[:4], "big"), is_last=is_last, data=body)
        version, kind = struct.unpack(">HH", head[:4])
        if version != _VERSION:
            raise ProtocolError(f"not SPDY/3: {head[:4].hex()}")
        stream = int.from_bytes(body[:4], "big") & 0x7FFFFFFF if len(body) >= 4 else 0
        if kind in (SYN_STREAM, SYN_REPLY, HEADERS):
            # SYN_STREAM alone has an associated stream and a priority before its headers.
            headers = self._read_headers(body[10 if kind == SYN_STREAM else 4 :])
            return Frame(type=kind, stream=stream, is_last=is_last, headers=headers)
        return Frame(type=kind, stream=stream, data=body)

    def _read_headers(self, block: bytes) -> dict[str, str]:
        try:
            plain = self._inflate.decompress(block)
            count, at, headers = int.from_bytes(plain[:4], "big"), 4, {}
            for _ in range(count):
                name, at = _counted(plain, at)
                value, at = _counted(plain, at)
                headers[name.lower()] = value
        except (zlib.error, UnicodeDecodeError) as e:
            raise ProtocolError(f"headers: {e}") from e
        return headers

    def reply(self, stream: int, headers: Mapping[str, str] | None = None) -> bytes:
        """Accept a stream."""
        pairs = [part for pair in (headers or {}).items() for part in pair]
        plain = struct.pack(">I", len(pairs) // 2) + b"".join(
            struct.pack(">I", len(part.encode())) + part.encode() for part in pairs
        )
        block = self._deflate.compress(plain) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        return _control(SYN_REPLY, struct.pack(">I", stream) + block)

    @staticmethod
    def data(stream: int, data: bytes, *, is_last: bool = False) -> bytes:
        """Data of a stream, at most DATA_AT_MOST bytes; with ``is_last`` its end."""
        return struct.pack(">I", stream) + bytes([FIN * is_last]) + len(data).to_bytes(3, "big") + data

    @staticmethod
    def reset(stream: int) -> bytes:
        """Break a stream off."""
        return _control(RST_STREAM, struct.pack(">II", stream, CANCEL))

    @staticmethod
    def pong(ping: Frame) -> bytes:
        """The answer to a ping: itself."""
        return _control(PING, ping.data)


def _control(kind: int, body: bytes) -> bytes:
    return struct.pack(">HH", _VERSION, kind) + b"\0" + len(body).to_bytes(3, "big") + body


def _counted(plain: bytes, at: int) -> tuple[str, int]:
    length = int.from_bytes(plain[at : at + 4], "big")
    end = at + 4 + length
    if end > len(plain):
        raise ProtocolError("headers: cut short")
    return plain[at + 4 : end].decode(), end
