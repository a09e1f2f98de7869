"""The HTTP proxy of a pod without a sidecar: it stands for the cluster's DNS and Service addresses.

One request a connection, each to the next ready endpoint: simple, and enough for pods outside the mesh.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from labkit.sandbox.network import routes, splice

HEAD_LIMIT = 65536
"""Bytes of a request's head."""

Resolve = Callable[[str, int], routes.Endpoint]
"""Where a host and port lead; NoRouteError in words."""

_HOP_BY_HOP = ("connection", "proxy-connection", "keep-alive", "proxy-authorization")


class RequestError(Exception):
    """A request that cannot be forwarded."""


@dataclass(frozen=True, kw_only=True)
class Forwarded:
    """A proxy request, read."""

    host: str
    port: int
    head: bytes
    """What to send to the endpoint first; empty for CONNECT."""


def read_head(head: bytes) -> Forwarded:
    """From a request's head without its last blank line; RequestError when it is not a proxy's."""
    start, *lines = head.decode("latin-1").split("\r\n")
    try:
        method, target, version = start.split(" ")
    except ValueError:
        raise RequestError(f"not a request: {start[:80]!r}") from None
    if method == "CONNECT":
        host, port = _host_and_port(target, default=443)
        return Forwarded(host=host, port=port, head=b"")
    url = urlsplit(target)
    if url.scheme != "http" or not url.hostname:
        raise RequestError(f"expected a proxy request such as GET http://reviews:9080/, got: {start[:80]!r}")
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    fields = dict(line.partition(":")[::2] for line in lines)
    kept = [line for line in lines if line.partition(":")[0].lower() not in _HOP_BY_HOP]
    rewritten = [f"{method} {path} {version}", *kept, *_connection(fields), "", ""]
    return Forwarded(host=url.hostname, port=url.port or 80, head="\r\n".join(rewritten).encode("latin-1"))


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
    """One connection of a pod's program to its proxy."""

    def __init__(self, resolve: Resolve) -> None:
        super().__init__()
        self._resolve = resolve
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
            far = await splice.connect(self._resolve(request.host, request.port))
        except RequestError as e:
            self._answer(400, str(e))
        except routes.NoRouteError as e:
            self._answer(502, str(e))
        except (OSError, TimeoutError) as e:
            self._answer(503, f"cannot reach {request.host}:{request.port}: {e}")
        else:
            self._join(far, request, rest)

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
        with contextlib.suppress(OSError):
            self.transport.write(head.encode() + b"Connection: close\r\n\r\n" + body)
            self.transport.close()
