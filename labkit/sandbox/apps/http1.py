"""HTTP/1.1 messages on the wire, as the servers, the clients and the load generator read and write them."""

from dataclasses import dataclass

HEAD_LIMIT = 65536
"""Bytes that the start line and the headers may take together; Envoy's own limit is 60 KiB."""

LONGEST_SIZE = 15
"""Digits of a length; more is nobody's body."""

Fields = list[tuple[str, str]]
"""Headers in the order sent, names as written."""


class MessageError(Exception):
    """Bytes that are not HTTP/1.1."""


def parse_head(head: bytes) -> tuple[str, Fields]:
    """Start line and headers of the text before the empty line."""
    start, *lines = head.decode("latin-1").split("\r\n")
    fields = []
    for line in lines:
        name, colon, value = line.partition(":")
        # A bare line feed must not pass: we hand headers on, and it would begin another one there.
        if not colon or not name or name != name.strip() or any(c in line for c in "\r\n\0"):
            raise MessageError(f"not a header: {line[:80]!r}")
        fields.append((name, value.strip()))
    return start, fields


def lowered(fields: Fields) -> dict[str, str]:
    """Values by lower-case name; a repeated header is joined by commas, as RFC 9110 5.3 allows."""
    values: dict[str, str] = {}
    for name, value in fields:
        key = name.lower()
        values[key] = f"{values[key]}, {value}" if key in values else value
    return values


@dataclass(slots=True)
class Body:
    """One message body being read from a buffer that grows."""

    length: int | None
    """Bytes still to come, or None when the body ends in another way."""

    chunked: bool = False
    """Whether it comes in chunks."""

    data: bytes = b""
    """What was read so far, unchunked."""

    def take(self, buffer: bytearray) -> bool:
        """Move what belongs to the body out of ``buffer``; True once the body is whole."""
        if self.chunked:
            return self._take_chunks(buffer)
        if self.length is None:
            self.data += buffer
            buffer.clear()
            return False
        if len(buffer) >= self.length:
            self.data += buffer[: self.length]
            del buffer[: self.length]
            self.length = 0
            return True
        self.data += buffer
        self.length -= len(buffer)
        buffer.clear()
        return False

    def _take_chunks(self, buffer: bytearray) -> bool:
        while (end := buffer.find(b"\r\n")) >= 0:
            size = chunk_size(buffer[:end])
            if size == 0:
                # The last chunk; trailers, if any, end with an empty line of their own.
                done = buffer.find(b"\r\n\r\n", end)
                if done < 0:
                    return False
                del buffer[: done + 4]
                return True
            if len(buffer) < end + 2 + size + 2:
                return False
            self.data += buffer[end + 2 : end + 2 + size]
            del buffer[: end + 2 + size + 2]
        return False


def chunk_size(line: bytes | bytearray) -> int:
    """The size in a chunk's first line, ``1a;ext=1``."""
    text = bytes(line.split(b";")[0].strip())
    if not text or len(text) > LONGEST_SIZE or text.strip(b"0123456789abcdefABCDEF"):
        raise MessageError(f"not a chunk size: {text[:20]!r}")
    return int(text, 16)


def length_of(fields: dict[str, str]) -> int | None:
    """Content-Length, or None when the headers do not say."""
    value = fields.get("content-length")
    if value is None:
        return None
    if not (value.isascii() and value.isdigit()) or len(value) > LONGEST_SIZE:
        raise MessageError(f"not a content-length: {value[:20]!r}")
    return int(value)


def body_of_request(fields: dict[str, str]) -> Body:
    """How the body of a request with these headers is read; without a length there is none."""
    if is_chunked(fields):
        return Body(length=None, chunked=True)
    return Body(length=length_of(fields) or 0)


def body_of_response(method: str, status: int, fields: dict[str, str]) -> Body:
    """How the body of a response with these headers is read; without a length it lasts until the close."""
    if method == "HEAD" or status in (204, 304) or status < 200:
        return Body(length=0)
    if is_chunked(fields):
        return Body(length=None, chunked=True)
    return Body(length=length_of(fields))


def is_chunked(fields: dict[str, str]) -> bool:
    """Whether the transfer coding is ``chunked``."""
    return fields.get("transfer-encoding", "").lower().endswith("chunked")


def keeps_alive(version: str, fields: dict[str, str]) -> bool:
    """Whether the connection serves another message after this one."""
    connection = fields.get("connection", "").lower()
    return "close" not in connection and (version != "HTTP/1.0" or "keep-alive" in connection)


def head(start: str, fields: Fields) -> bytes:
    """The bytes of a head, the empty line included."""
    lines = [start, *(f"{name}: {value}" for name, value in fields), "", ""]
    return "\r\n".join(lines).encode("latin-1", "replace")
