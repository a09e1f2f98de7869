"""What a request said, as go-httpbin tells it, and refusals in its words."""

import email.parser
import email.policy
import json
from base64 import b64encode
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import parse_qs, quote

from labkit.sandbox.apps.exchange import REASONS, Request, Response

LONGEST_DELAY = 10.0
"""Seconds; a longer ``/delay`` is a bad request."""

JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=utf-8"
BYTES = "application/octet-stream"

Parts = list[str]
Route = Callable[[Request, Parts], Response | Awaitable[Response]]
"""Answers a request, given the parts of its path after the first."""


class Refusal(Exception):
    """A request that cannot be answered as asked; carries the status and the reason."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


def refused(status: int, why: str) -> Response:
    """An error as JSON."""
    return as_json({"status_code": status, "error": REASONS.get(status, "Error"), "detail": why}, status=status)


def as_json(value: Any, *, status: int = 200, fields: Sequence[tuple[str, str]] = ()) -> Response:
    """A value as Go indents it."""
    text = json.dumps(value, indent=2) + "\n"
    return Response(status=status, body=text.encode(), content_type=JSON, fields=list(fields))


def canonical(name: str) -> str:
    """``x-forwarded-client-cert`` as Go writes it: ``X-Forwarded-Client-Cert``."""
    return "-".join(part.capitalize() for part in name.split("-"))


def headers(request: Request) -> dict[str, list[str]]:
    """All headers, sorted."""
    values: dict[str, list[str]] = {}
    for name, value in request.fields:
        values.setdefault(canonical(name), []).append(value)
    return dict(sorted(values.items()))


def origin(request: Request) -> str:
    """Where the request came from first."""
    return request.headers.get("x-forwarded-for", "").split(",")[0].strip() or request.peer


def base(request: Request) -> str:
    """``http://host``."""
    scheme = request.headers.get("x-forwarded-proto", "http")
    return f"{scheme}://{request.headers.get('host', '')}"


def args(request: Request) -> dict[str, list[str]]:
    """The query."""
    return parse_qs(request.query, keep_blank_values=True)


def first(request: Request) -> dict[str, str]:
    """The first value of each key of the query."""
    return {key: values[0] for key, values in args(request).items()}


def seen(request: Request) -> dict[str, Any]:
    """What ``/get`` answers."""
    query = f"?{request.query}" if request.query else ""
    return {
        "args": args(request),
        "headers": headers(request),
        "method": request.method,
        "origin": origin(request),
        "url": f"{base(request)}{quote(request.path)}{query}",
    }


def seen_with_body(request: Request) -> dict[str, Any]:
    """What ``/post`` and ``/anything`` answer."""
    kind = request.headers.get("content-type", "")
    told: dict[str, Any] = {"data": _text(request.body, kind), "files": {}, "form": {}, "json": None}
    if kind.startswith("application/x-www-form-urlencoded"):
        told |= {"data": "", "form": parse_qs(told["data"], keep_blank_values=True)}
    elif kind.startswith("multipart/form-data"):
        told |= {"data": "", **_multipart(request.body, kind)}
    elif "json" in kind:
        told["json"] = _parsed(told["data"])
    return {**seen(request), **told}


def _text(body: bytes, kind: str) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return f"data:{kind or BYTES};base64,{b64encode(body).decode()}"


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _multipart(body: bytes, kind: str) -> dict[str, dict[str, list[str]]]:
    parser = email.parser.BytesParser(policy=email.policy.HTTP)
    message = parser.parsebytes(b"content-type: " + kind.encode() + b"\r\n\r\n" + body)
    told: dict[str, dict[str, list[str]]] = {"files": {}, "form": {}}
    for part in message.iter_parts() if message.is_multipart() else ():
        name = str(part.get_param("name", "", header="content-disposition"))
        content = part.get_payload(decode=True)
        text = _text(content if isinstance(content, bytes) else b"", part.get_content_type())
        told["files" if part.get_filename() else "form"].setdefault(name, []).append(text)
    return told


def number(text: str, least: float, most: float) -> float:
    """A number within bounds; Refusal 400 otherwise."""
    try:
        value = float(text)
    except ValueError:
        raise Refusal(400, f"not a number: {text!r}") from None
    if not least <= value <= most:
        raise Refusal(400, f"{text} is not between {least:g} and {most:g}")
    return value


def seconds(text: str) -> float:
    """``2``, ``0.5``, ``500ms`` or ``2s``, at most ``LONGEST_DELAY``."""
    if text.endswith("ms"):
        return number(text[:-2], 0, LONGEST_DELAY * 1000) / 1000
    return number(text.removesuffix("s"), 0, LONGEST_DELAY)


def part(parts: Parts, at: int, default: str = "") -> str:
    """One part of the path."""
    return parts[at] if len(parts) > at and parts[at] else default
