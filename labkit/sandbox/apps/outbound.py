"""Calls that an app makes: one fresh connection each, through the proxy that its environment names.

Bookinfo's product page deliberately does not pool connections, so that every call is balanced anew.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from labkit.sandbox.apps import http1


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back."""

    status: int
    headers: dict[str, str]
    """By lower-case name."""

    body: bytes


class Outbound:
    """Makes calls with ``http_proxy`` and ``no_proxy`` of one environment."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._proxy = env.get("http_proxy") or env.get("HTTP_PROXY") or ""
        self._direct = tuple(
            name.strip().lstrip(".") for name in (env.get("no_proxy") or "").split(",") if name.strip()
        )

    def __repr__(self) -> str:
        return f"Outbound(via {self._proxy or 'nobody'})"

    async def get(self, url: str, *, headers: Mapping[str, str], timeout: float) -> Reply:
        """GET; TimeoutError after ``timeout`` seconds, OSError when nobody answers properly."""
        return await asyncio.wait_for(self._call("GET", url, headers), timeout)

    async def _call(self, method: str, url: str, headers: Mapping[str, str]) -> Reply:
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        proxied = self._proxy and not self._is_direct(parts.hostname or "")
        via = urlsplit(self._proxy) if proxied else parts
        target = f"http://{parts.netloc}{path}" if proxied else path
        fields = [("Host", parts.netloc), ("Accept", "*/*"), ("Connection", "close"), *headers.items()]
        head = http1.head(f"{method} {target} HTTP/1.1", fields)
        loop = asyncio.get_running_loop()
        transport, exchange = await loop.create_connection(
            lambda: Exchange(method, head), via.hostname, via.port or 80
        )
        try:
            return await exchange.reply
        finally:
            transport.close()

    def _is_direct(self, host: str) -> bool:
        return any(host == name or host.endswith(f".{name}") for name in self._direct)


class Exchange(asyncio.Protocol):
    """Sends one request and collects its reply in ``reply``."""

    def __init__(self, method: str, request: bytes) -> None:
        self.reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._method, self._request = method, request
        self._buffer = bytearray()
        self._status = 0
        self._headers: dict[str, str] = {}
        self._body: http1.Body | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        try:
            if self._body is None and not self._take_head():
                return
            assert self._body is not None
            if self._body.take(self._buffer):
                self._finish()
        except (http1.MessageError, ValueError) as e:
            self._fail(str(e))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._body is not None and self._body.length is None and not self._body.chunked and exc is None:
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
        if not self.reply.done() and self._body is not None:
            self.reply.set_result(Reply(status=self._status, headers=self._headers, body=self._body.data))

    def _fail(self, why: str) -> None:
        if not self.reply.done():
            self.reply.set_exception(ConnectionError(why))
