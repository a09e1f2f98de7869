"""httpbin: answers what it was asked, in the JSON of go-httpbin, on port 8080."""

import asyncio
import base64
import gzip
import itertools
import json
import os
import random
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from http import cookies
from typing import Any
from urllib.parse import parse_qs, quote

from labkit.sandbox.apps import exchange, server
from labkit.sandbox.apps.exchange import REASONS, Request, Response

PORT = 8080

LONGEST_DELAY = 10.0
"""Seconds; a longer ``/delay`` is a bad request."""

MOST_BYTES = 2**20
"""Bytes that ``/bytes`` and ``/drip`` send at most."""

MOST_LINES = 100
"""Lines of ``/stream`` at most."""

Parts = list[str]
Route = Callable[[Request, Parts], Response | Awaitable[Response]]


class Refusal(Exception):
    """A request that cannot be answered as asked; carries the status and the reason."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


def handle(request: Request) -> Response | Awaitable[Response]:
    """The route of the first part of the path; JSON errors otherwise."""
    name, *parts = request.path.removeprefix("/").split("/")
    route = ROUTES.get(name)
    if route is None:
        return _refused(404, "not found")
    try:
        return route(request, parts)
    except Refusal as e:
        return _refused(e.status, str(e))


def _json(found: Any, *, status: int = 200, fields: Sequence[tuple[str, str]] = ()) -> Response:
    text = json.dumps(found, indent=2) + "\n"
    return Response(status=status, body=text.encode(), content_type=JSON, fields=list(fields))


JSON = "application/json; charset=utf-8"


def _refused(status: int, why: str) -> Response:
    return _json({"status_code": status, "error": REASONS.get(status, "Error"), "detail": why}, status=status)


def canonical(name: str) -> str:
    """``x-forwarded-client-cert`` as Go writes it: ``X-Forwarded-Client-Cert``."""
    return "-".join(part.capitalize() for part in name.split("-"))


def _headers(request: Request) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in request.fields:
        found.setdefault(canonical(name), []).append(value)
    return dict(sorted(found.items()))


def _origin(request: Request) -> str:
    return request.headers.get("x-forwarded-for", "").split(",")[0].strip() or request.peer


def _url(request: Request) -> str:
    scheme = request.headers.get("x-forwarded-proto", "http")
    query = f"?{request.query}" if request.query else ""
    return f"{scheme}://{request.headers.get('host', '')}{quote(request.path)}{query}"


def _args(request: Request) -> dict[str, list[str]]:
    return parse_qs(request.query, keep_blank_values=True)


def _seen(request: Request) -> dict[str, Any]:
    return {
        "args": _args(request),
        "headers": _headers(request),
        "method": request.method,
        "origin": _origin(request),
        "url": _url(request),
    }


def _seen_with_body(request: Request) -> dict[str, Any]:
    text = request.body.decode("utf-8", "replace")
    kind = request.headers.get("content-type", "")
    is_form = kind.startswith("application/x-www-form-urlencoded")
    try:
        parsed = json.loads(text) if "json" in kind else None
    except ValueError:
        parsed = None
    form = parse_qs(text, keep_blank_values=True) if is_form else {}
    return {**_seen(request), "data": "" if is_form else text, "files": {}, "form": form, "json": parsed}


def _only(*methods: str) -> Route:
    """Echo requests of these methods; 405 for others."""

    def route(request: Request, _: Parts) -> Response:
        if request.method not in methods:
            raise Refusal(405, f"use {methods[0]}")
        return _json(_seen(request) if request.method in ("GET", "HEAD") else _seen_with_body(request))

    return route


def _anything(request: Request, _: Parts) -> Response:
    return _json(_seen_with_body(request))


def _hostname() -> str:
    """go-httpbin tells the pod's name only when ``USE_REAL_HOSTNAME`` is set."""
    is_told = os.environ.get("USE_REAL_HOSTNAME", "").lower() in ("1", "true")
    return os.environ.get("HOSTNAME", "") if is_told else "go-httpbin"


def _status(_: Request, parts: Parts) -> Response:
    """``/status/503``, or a weighted choice: ``/status/200:0.9,503:0.1``."""
    choices = [choice.partition(":") for choice in (parts or [""])[0].split(",")]
    weights = [_number(weight or "1", 0, 1e9) for _, _, weight in choices]
    if not any(weights):
        raise Refusal(400, "the weights must not all be 0")
    code = int(_number(random.choices([code for code, _, _ in choices], weights)[0], 200, 599))
    fields = [("location", "/redirect/1")] if 300 < code < 304 or code in (307, 308) else []
    if code == 401:
        fields = [("www-authenticate", 'Basic realm="Fake Realm"')]
    body = b"I'm a teapot!" if code == 418 else b""
    return Response(status=code, body=body, fields=fields)


async def _delay(request: Request, parts: Parts) -> Response:
    try:
        seconds = _seconds((parts or [""])[0])
    except Refusal as e:
        return _refused(e.status, str(e))
    await asyncio.sleep(seconds)
    return _json(_seen(request))


def _stream(request: Request, parts: Parts) -> Response:
    lines = min(int(_number((parts or ["10"])[0], 1, 1e9)), MOST_LINES)

    async def chunks() -> AsyncIterator[bytes]:
        for number in range(lines):
            yield json.dumps({"id": number, **_seen(request)}).encode() + b"\n"

    return Response(content_type=JSON, chunks=chunks())


def _drip(request: Request, _: Parts) -> Response:
    args = {key: values[0] for key, values in _args(request).items()}
    size = int(_number(args.get("numbytes", "10"), 1, MOST_BYTES))
    wait = _seconds(args.get("delay", "0"))
    pause = _seconds(args.get("duration", "2")) / size
    status = int(_number(args.get("code", "200"), 200, 599))

    async def chunks() -> AsyncIterator[bytes]:
        await asyncio.sleep(wait)
        for _ in range(size):
            yield b"*"
            await asyncio.sleep(pause)

    return Response(status=status, content_type="application/octet-stream", chunks=chunks())


def _bytes(_: Request, parts: Parts) -> Response:
    size = int(_number((parts or [""])[0], 0, MOST_BYTES))
    return Response(body=random.randbytes(size), content_type="application/octet-stream")


def _response_headers(request: Request, _: Parts) -> Response:
    args = _args(request)
    fields = [
        (name, value)
        for name, values in args.items()
        for value in values
        if name.replace("-", "").isalnum() and value.isprintable()
    ]
    return _json(args, fields=fields)


def _redirect(_: Request, parts: Parts) -> Response:
    left = int(_number((parts or ["1"])[0], 1, 100))
    where = f"/redirect/{left - 1}" if left > 1 else "/get"
    return Response(status=302, fields=[("location", where)])


def _redirect_to(request: Request, _: Parts) -> Response:
    args = {key: values[0] for key, values in _args(request).items()}
    if not args.get("url", "").isprintable() or not args.get("url"):
        raise Refusal(400, "url is missing")
    return Response(status=int(_number(args.get("status_code", "302"), 300, 399)), fields=[("location", args["url"])])


def _cookies(request: Request, parts: Parts) -> Response:
    if parts[:1] == ["set"]:
        jar = [("set-cookie", f"{quote(k)}={quote(v[0])}; Path=/; HttpOnly") for k, v in _args(request).items()]
        return Response(status=302, fields=[("location", "/cookies"), *jar])
    try:
        found = cookies.SimpleCookie(request.headers.get("cookie", ""))
    except cookies.CookieError:
        return _json({"cookies": {}})
    return _json({"cookies": {name: morsel.value for name, morsel in found.items()}})


def _basic_auth(request: Request, parts: Parts) -> Response:
    user, password = [*parts, "", ""][:2]
    wanted = base64.b64encode(f"{user}:{password}".encode()).decode()
    if request.headers.get("authorization") != f"Basic {wanted}":
        refused = _json({"authenticated": False, "authorized": False, "user": ""}, status=401)
        refused.fields.append(("www-authenticate", 'Basic realm="Fake Realm"'))
        return refused
    return _json({"authenticated": True, "authorized": True, "user": user})


def _bearer(request: Request, _: Parts) -> Response:
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    if not token or token == request.headers.get("authorization"):
        return Response(status=401, fields=[("www-authenticate", "Bearer")])
    return _json({"authenticated": True, "token": token})


def _gzip(request: Request, _: Parts) -> Response:
    body = gzip.compress(json.dumps({**_seen(request), "gzipped": True}).encode())
    return Response(body=body, content_type=JSON, fields=[("content-encoding", "gzip")])


def _unstable(request: Request, _: Parts) -> Response:
    rate = _number(_args(request).get("failure_rate", ["0.5"])[0], 0, 1)
    return Response(status=500 if random.random() < rate else 200)


SLIDES = {
    "slideshow": {
        "author": "Yours Truly",
        "date": "date of publication",
        "slides": [{"title": "Wake up to WonderWidgets!", "type": "all"}],
        "title": "Sample Slide Show",
    }
}

PAGE = b"""<!DOCTYPE html>
<html lang="en"><head><title>httpbin</title></head><body><h1>httpbin</h1>
<p>Try /get, /headers, /ip, /status/418, /delay/1, /anything, /response-headers?a=b.</p></body></html>
"""

HTML = "text/html; charset=utf-8"


def _number(text: str, least: float, most: float) -> float:
    try:
        value = float(text)
    except ValueError:
        raise Refusal(400, f"not a number: {text!r}") from None
    if not least <= value <= most:
        raise Refusal(400, f"{text} is not between {least:g} and {most:g}")
    return value


def _seconds(text: str) -> float:
    """``2``, ``0.5``, ``500ms`` or ``2s``, at most ``LONGEST_DELAY``."""
    if text.endswith("ms"):
        return _number(text[:-2], 0, LONGEST_DELAY * 1000) / 1000
    return _number(text.removesuffix("s"), 0, LONGEST_DELAY)


ROUTES: dict[str, Route] = {
    "": lambda _, __: Response(body=PAGE, content_type=HTML),
    "get": _only("GET", "HEAD"),
    "head": _only("HEAD", "GET"),
    "post": _only("POST"),
    "put": _only("PUT"),
    "patch": _only("PATCH"),
    "delete": _only("DELETE"),
    "anything": _anything,
    "headers": lambda request, _: _json({"headers": _headers(request)}),
    "ip": lambda request, _: _json({"origin": _origin(request)}),
    "hostname": lambda _, __: _json({"hostname": _hostname()}),
    "user-agent": lambda request, _: _json({"user-agent": request.headers.get("user-agent", "")}),
    "uuid": lambda _, __: _json({"uuid": str(uuid.uuid4())}),
    "status": _status,
    "delay": _delay,
    "stream": _stream,
    "drip": _drip,
    "bytes": _bytes,
    "response-headers": _response_headers,
    "redirect": _redirect,
    "relative-redirect": _redirect,
    "redirect-to": _redirect_to,
    "cookies": _cookies,
    "basic-auth": _basic_auth,
    "bearer": _bearer,
    "gzip": _gzip,
    "unstable": _unstable,
    "json": lambda _, __: _json(SLIDES),
    "html": lambda _, __: Response(body=PAGE, content_type=HTML),
    "robots.txt": lambda _, __: exchange.text("User-agent: *\nDisallow: /deny\n"),
    "health": lambda _, __: exchange.text("ok"),
}


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """go-httpbin's program; ``PORT`` or ``-port`` move it."""
    return server.serve(handle, env, port=_option(argv, "port") or int(env.get("PORT") or PORT))


CLASSIC_PORT = 80


def classic(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """The older httpbin, which gunicorn serves: ``-b 0.0.0.0:8080`` moves it."""
    return server.serve(handle, env, port=_option(argv, "b") or _option(argv, "bind") or CLASSIC_PORT)


def _option(argv: Sequence[str], name: str) -> int:
    """The port that ``-name 8080``, ``--name=0.0.0.0:8080`` or the like asks for; 0 for none."""
    words = [part for word in argv for part in word.split("=", 1)]
    for option, value in itertools.pairwise(words):
        if option.lstrip("-") == name and option.startswith("-"):
            port = value.rpartition(":")[2]
            return int(port) if port.isdigit() else 0
    return 0
