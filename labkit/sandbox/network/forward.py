"""The forwarder: an HTTP proxy by which programs that are not the catalogue's reach the network of their pod.

It asks the same door as the catalogue's programs do. The URL that a pod's environment names holds the pod's token:
whoever has none is refused, so nobody else speaks in a pod's name. One request a connection.
"""

import asyncio
import base64
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from labkit.sandbox.network import addresses, splice

HEAD_LIMIT = 65536
"""Bytes of a request's head."""

USER, PORT = "pod", 15001

Dial = Callable[[str, int], Awaitable[splice.Half]]
"""Connects a pod to a host and port; OSError where it leads nowhere."""

Authenticate = Callable[[str], Dial | None]
"""The network of the pod that holds a token."""

_HOP_BY_HOP = ("connection", "proxy-connection", "keep-alive", "proxy-authorization")


class RequestError(Exception):
    """A request that cannot be forwarded."""


def address(block: addresses.Block) -> tuple[str, int]:
    """Where the forwarder of a sandbox listens."""
    return block.pod(1), PORT


def url(address: tuple[str, int], token: str) -> str:
    """What a pod's ``http_proxy`` says."""
    return f"http://{USER}:{token}@{address[0]}:{address[1]}"


@dataclass(frozen=True, kw_only=True)
class Forwarded:
    """A proxy request, read."""

    host: str
    port: int
    head: bytes
    """What to send to the endpoint first; empty for CONNECT."""

    token: str = ""
    """Whose program it says it is."""


def read_head(head: bytes) -> Forwarded:
    """From a request's head without its last blank line; RequestError when it is not a proxy's."""
    start, *lines = head.decode("latin-1").split("\r\n")
    try:
        method, target, version = start.split(" ")
    except ValueError:
        raise RequestError(f"not a request: {start[:80]!r}") from None
    fields = dict(line.partition(":")[::2] for line in lines)
    token = _token(fields)
    if method == "CONNECT":
        host, port = _host_and_port(target, default=443)
        return Forwarded(host=host, port=port, head=b"", token=token)
    url = urlsplit(target)
    if url.scheme != "http" or not url.hostname:
        raise RequestError(f"expected a proxy request such as GET http://reviews:9080/, got: {start[:80]!r}")
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    kept = [line for line in lines if line.partition(":")[0].lower() not in _HOP_BY_HOP]
    rewritten = [f"{method} {path} {version}", *kept, *_connection(fields), "", ""]
    head = "\r\n".join(rewritten).encode("latin-1")
    return Forwarded(host=url.hostname, port=url.port or 80, head=head, token=token)


def _token(fields: Mapping[str, str]) -> str:
    header = next((value for name, value in fields.items() if name.lower() == "proxy-authorization"), "")
    with contextlib.suppress(ValueError):
        return base64.b64decode(header.strip().removeprefix("Basic ")).decode().partition(":")[2]
    return ""


def _host_and_port(text: str, *, default: int) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return (host.strip("[]"), int(port)) if host and port.isdigit() else (text, default)


def _connection(fields: Mapping[str, str]) -> list[str]:
    """``Connection`` for the endpoint: an upgrade is passed on, anything else ends with its response."""
    lowered = {name.lower(): value.strip() for name, value in fields.items()}
    if "upgrade" in lowered and "upgrade" in lowered.get("connection", "").lower():
        return ["Connection: Upgrade"]
    return ["Connection: close"]


class Inbound(splice.Half):
    """One connection of a pod's program."""

    def __init__(self, authenticate: Authenticate) -> None:
        super().__init__()
        self._authenticate = authenticate
        self._task: asyncio.Task[None] | None = None

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.other or self._task:
            return
        head, end, rest = bytes(self.early).partition(b"\r\n\r\n")
        if end:
            self._task = asyncio.get_running_loop().create_task(self._forward(head, rest))
        elif len(self.early) > HEAD_LIMIT:
            self._answer(431, "the request's head is too large")

    async def _forward(self, head: bytes, rest: bytes) -> None:
        try:
            request = read_head(head)
        except RequestError as e:
            return self._answer(400, str(e))
        dial = self._authenticate(request.token)
        if dial is None:
            return self._answer(407, "this is a pod's way out: its own programs alone have the token of its http_proxy")
        try:
            far = await dial(request.host, request.port)
        except (OSError, TimeoutError) as e:
            return self._refuse(request, e)
        return self._join(far, request, rest)

    def _refuse(self, request: Forwarded, error: Exception) -> None:
        """A tunnel is refused with the reason; a request gets no answer, as where nobody listens."""
        if not request.head:
            self._answer(502, f"cannot reach {request.host}:{request.port}: {error}")
        elif self.transport:
            self.transport.close()

    def _join(self, far: splice.Half, request: Forwarded, rest: bytes) -> None:
        if self.transport is None:
            if far.transport:
                far.transport.close()
            return
        # More may have come since the head was complete.
        late = bytes(self.early).partition(b"\r\n\r\n")[2][len(rest) :]
        self.early[:] = request.head + rest + late
        if not request.head:
            self.transport.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        self.join(far)

    def _answer(self, status: int, why: str) -> None:
        if self.transport is None:
            return
        body = f"labkit: {why}\n".encode()
        head = f"HTTP/1.1 {status} Proxy\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
        if status == 407:
            head += 'Proxy-Authenticate: Basic realm="pod"\r\n'
        with contextlib.suppress(OSError):
            self.transport.write(head.encode() + b"Connection: close\r\n\r\n" + body)
            self.transport.close()
