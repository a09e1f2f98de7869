"""A request that came in and the response that goes out: what an app is a function of."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus

from labkit.sandbox.apps import http1

REASONS = {status.value: status.phrase for status in HTTPStatus}


@dataclass(slots=True, kw_only=True)
class Request:
    """One request as it came."""

    method: str
    path: str
    """Unquoted, without the query."""

    query: str
    """The text after ``?``, still quoted."""

    fields: http1.Fields
    """Headers in order."""

    headers: dict[str, str]
    """Headers by lower-case name."""

    body: bytes
    peer: str
    """The address of the other end."""

    version: str = "HTTP/1.1"


@dataclass(slots=True, kw_only=True)
class Response:
    """What to answer."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    fields: http1.Fields = field(default_factory=list)
    """Further headers."""

    chunks: AsyncIterator[bytes] | None = None
    """A body that is sent as it is made, instead of ``body``."""

    upgrade: Callable[[asyncio.Transport], asyncio.Protocol] | None = None
    """What speaks on the connection after this answer, which is a 101."""


Handler = Callable[[Request], Response | Awaitable[Response]]


def text(body: str, *, status: int = 200) -> Response:
    """A plain text."""
    return Response(status=status, body=body.encode())


def json_text(body: str, *, status: int = 200) -> Response:
    """A text that is JSON."""
    return Response(status=status, body=body.encode(), content_type="application/json")
