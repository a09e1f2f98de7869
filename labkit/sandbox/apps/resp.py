"""Redis' protocol (RESP2): commands as arrays of texts, and answers of every kind."""

from collections.abc import Iterator
from typing import Any

LONGEST = 1 << 20
"""Bytes of one command or answer."""


class ProtocolError(ValueError):
    """Bytes that are none of Redis'."""


class Error(str):
    """An answer that begins with ``-``."""

    __slots__ = ()


def command(*words: str) -> bytes:
    """``INCRBY key 1`` as it goes over the wire."""
    parts = [f"*{len(words)}\r\n".encode()]
    for word in words:
        data = word.encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(parts)


def encoded(value: Any) -> bytes:
    """An answer."""
    if isinstance(value, Error):
        return b"-%b\r\n" % value.encode()
    if isinstance(value, int):
        return b":%d\r\n" % value
    if value is None:
        return b"$-1\r\n"
    if isinstance(value, list):
        return b"*%d\r\n" % len(value) + b"".join(map(encoded, value))
    data = str(value).encode()
    return b"+%b\r\n" % data if value in ("OK", "PONG") else b"$%d\r\n%b\r\n" % (len(data), data)


class Parser:
    """Takes bytes as they come and gives whole values; a text is ``str``, an array a list."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> Iterator[Any]:
        """The values that are whole now; ProtocolError for what is none."""
        self._data += data
        at = 0
        while True:
            try:
                value, end = self._value(at)
            except _Unfinished:
                break
            at = end
            yield value
        del self._data[:at]
        if len(self._data) > LONGEST:
            raise ProtocolError("a value is longer than 1 MiB")

    def _value(self, at: int) -> tuple[Any, int]:
        line, after = self._line(at)
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest.decode("utf-8", "replace"), after
        if kind == b"-":
            return Error(rest.decode("utf-8", "replace")), after
        if kind == b":":
            return _number(rest), after
        if kind == b"$":
            return self._text(_number(rest), after)
        if kind == b"*":
            items = []
            for _ in range(max(0, _number(rest))):
                item, after = self._value(after)
                items.append(item)
            return items, after
        # What a person types by hand: words in a line.
        return line.decode("utf-8", "replace").split(), after

    def _text(self, length: int, at: int) -> tuple[str | None, int]:
        if length < 0:
            return None, at
        if length > LONGEST:
            raise ProtocolError("a text is longer than 1 MiB")
        end = at + length
        if len(self._data) < end + 2:
            raise _Unfinished
        return bytes(self._data[at:end]).decode("utf-8", "replace"), end + 2

    def _line(self, at: int) -> tuple[bytes, int]:
        end = self._data.find(b"\r\n", at)
        if end < 0:
            raise _Unfinished
        return bytes(self._data[at:end]), end + 2


class _Unfinished(Exception):
    pass


def _number(text: bytes) -> int:
    try:
        return int(text)
    except ValueError as e:
        raise ProtocolError(f"{text!r} is no number") from e
