"""httpbin: answers what it was asked, in the JSON of go-httpbin, on port 8080."""

import asyncio
import itertools
import os
import random
import uuid
from collections.abc import Awaitable, Mapping, Sequence
from email.utils import formatdate
from http import cookies
from urllib.parse import quote

from labkit.sandbox.apps import exchange, server
from labkit.sandbox.apps.exchange import Request, Response
from labkit.sandbox.apps.httpbin import asking, bodies, credentials, samples, websocket
from labkit.sandbox.apps.httpbin.asking import HTML, Parts, Refusal, Route, args, as_json, first, number, part, seen

PORT, CLASSIC_PORT = 8080, 80

METHODS = "GET, POST, HEAD, PUT, DELETE, PATCH, OPTIONS"


def handle(request: Request) -> Response | Awaitable[Response]:
    """The route of the first part of the path; JSON errors otherwise. A preflight of CORS is always granted."""
    if request.method == "OPTIONS":
        return _open_to_all(request, Response(fields=_preflight(request)))
    answer = _answer(request)
    if isinstance(answer, Response):
        return _open_to_all(request, answer)
    return _later(request, answer)


def _answer(request: Request) -> Response | Awaitable[Response]:
    name, *parts = request.path.removeprefix("/").split("/")
    route = ROUTES.get(name)
    if route is None:
        return asking.refused(404, "not found")
    try:
        return route(request, parts)
    except Refusal as e:
        return asking.refused(e.status, str(e))


async def _later(request: Request, answer: Awaitable[Response]) -> Response:
    return _open_to_all(request, await answer)


def _preflight(request: Request) -> list[tuple[str, str]]:
    fields = [("access-control-allow-methods", METHODS), ("access-control-max-age", "3600")]
    if asked := request.headers.get("access-control-request-headers"):
        fields.append(("access-control-allow-headers", asked))
    return fields


def _open_to_all(request: Request, response: Response) -> Response:
    origin = request.headers.get("origin", "*")
    response.fields += [("access-control-allow-origin", origin), ("access-control-allow-credentials", "true")]
    return response


def _only(*methods: str) -> Route:
    """Echo requests of these methods; 405 for others."""

    def route(request: Request, _: Parts) -> Response:
        if request.method not in methods:
            raise Refusal(405, f"use {methods[0]}")
        is_plain = request.method in ("GET", "HEAD")
        return as_json(seen(request) if is_plain else asking.seen_with_body(request))

    return route


def _hostname() -> str:
    """go-httpbin tells the pod's name only when ``USE_REAL_HOSTNAME`` is set."""
    is_told = os.environ.get("USE_REAL_HOSTNAME", "").lower() in ("1", "true")
    return os.environ.get("HOSTNAME", "") if is_told else "go-httpbin"


def _environment(_: Request, __: Parts) -> Response:
    told = {name: value for name, value in sorted(os.environ.items()) if name.startswith("HTTPBIN_")}
    return as_json({"env": told})


def _status(_: Request, parts: Parts) -> Response:
    """``/status/503``, or a weighted choice: ``/status/200:0.9,503:0.1``."""
    choices = [choice.partition(":") for choice in part(parts, 0).split(",")]
    weights = [number(weight or "1", 0, 1e9) for _, _, weight in choices]
    if not any(weights):
        raise Refusal(400, "the weights must not all be 0")
    code = int(number(random.choices([code for code, _, _ in choices], weights)[0], 200, 599))
    fields = [("location", "/redirect/1")] if 300 < code < 304 or code in (307, 308) else []
    if code == 401:
        fields = [("www-authenticate", f'Basic realm="{credentials.REALM}"')]
    body = b"I'm a teapot!" if code == 418 else b""
    return Response(status=code, body=body, fields=fields)


async def _delay(request: Request, parts: Parts) -> Response:
    try:
        seconds = asking.seconds(part(parts, 0))
    except Refusal as e:
        return asking.refused(e.status, str(e))
    await asyncio.sleep(seconds)
    return as_json(seen(request))


def _response_headers(request: Request, _: Parts) -> Response:
    fields = [
        (name, value)
        for name, values in args(request).items()
        for value in values
        if name.replace("-", "").isalnum() and value.isprintable()
    ]
    return as_json(args(request), fields=fields)


def _redirect(request: Request, parts: Parts) -> Response:
    left = int(number(part(parts, 0, "1"), 1, 100))
    where = f"/redirect/{left - 1}" if left > 1 else "/get"
    if first(request).get("absolute") == "true":
        where = bodies.absolute(request, where)
    return Response(status=302, fields=[("location", where)])


def _absolute_redirect(request: Request, parts: Parts) -> Response:
    left = int(number(part(parts, 0, "1"), 1, 100))
    where = bodies.absolute(request, f"/absolute-redirect/{left - 1}" if left > 1 else "/get")
    return Response(status=302, fields=[("location", where)])


def _redirect_to(request: Request, _: Parts) -> Response:
    given = first(request)
    if not given.get("url", "").isprintable() or not given.get("url"):
        raise Refusal(400, "url is missing")
    return Response(status=int(number(given.get("status_code", "302"), 300, 399)), fields=[("location", given["url"])])


def _cookies(request: Request, parts: Parts) -> Response:
    if parts[:1] in (["set"], ["delete"]):
        ending = "; Path=/; HttpOnly" if parts[0] == "set" else "; Path=/; Max-Age=0; HttpOnly"
        jar = [("set-cookie", f"{quote(k)}={quote(v[0])}{ending}") for k, v in args(request).items()]
        return Response(status=302, fields=[("location", "/cookies"), *jar])
    try:
        jar_of_client = cookies.SimpleCookie(request.headers.get("cookie", ""))
    except cookies.CookieError:
        return as_json({"cookies": {}})
    return as_json({"cookies": {name: morsel.value for name, morsel in jar_of_client.items()}})


def _cache(request: Request, parts: Parts) -> Response:
    """``/cache`` answers 304 to who has it; ``/cache/60`` may be kept for so many seconds."""
    if age := part(parts, 0):
        return as_json(seen(request), fields=[("cache-control", f"public, max-age={int(number(age, 0, 1e9))}")])
    if {"if-modified-since", "if-none-match"} & request.headers.keys():
        return Response(status=304)
    fields = [("last-modified", formatdate(usegmt=True)), ("etag", uuid.uuid4().hex)]
    return as_json(seen(request), fields=fields)


def _etag(request: Request, parts: Parts) -> Response:
    tag = part(parts, 0)
    fields = [("etag", f'"{tag}"')] if tag.isprintable() else []
    if _names(request.headers.get("if-none-match", ""), tag):
        return Response(status=304, fields=fields)
    if_match = request.headers.get("if-match")
    if if_match is not None and not _names(if_match, tag):
        return Response(status=412, fields=fields)
    return as_json(seen(request), fields=fields)


def _names(header: str, tag: str) -> bool:
    tags = [each.strip().removeprefix("W/").strip('"') for each in header.split(",")]
    return bool(header) and ("*" in tags or tag in tags)


def _unstable(request: Request, _: Parts) -> Response:
    rate = number(first(request).get("failure_rate", "0.5"), 0, 1)
    return Response(status=500 if random.random() < rate else 200)


ROUTES: dict[str, Route] = {
    "": lambda _, __: Response(body=samples.PAGE, content_type=HTML),
    "get": _only("GET", "HEAD"),
    "head": _only("HEAD", "GET"),
    "post": _only("POST"),
    "put": _only("PUT"),
    "patch": _only("PATCH"),
    "delete": _only("DELETE"),
    "anything": lambda request, _: as_json(asking.seen_with_body(request)),
    "headers": lambda request, _: as_json({"headers": asking.headers(request)}),
    "ip": lambda request, _: as_json({"origin": asking.origin(request)}),
    "hostname": lambda _, __: as_json({"hostname": _hostname()}),
    "user-agent": lambda request, _: as_json({"user-agent": request.headers.get("user-agent", "")}),
    "uuid": lambda _, __: as_json({"uuid": str(uuid.uuid4())}),
    "env": _environment,
    "status": _status,
    "delay": _delay,
    "unstable": _unstable,
    "stream": bodies.stream,
    "stream-bytes": bodies.stream_bytes,
    "drip": bodies.drip,
    "sse": bodies.sse,
    "bytes": bodies.some_bytes,
    "range": bodies.byte_range,
    "gzip": bodies.gzipped,
    "deflate": bodies.deflated,
    "brotli": lambda _, __: asking.refused(501, "Not Implemented"),
    "base64": bodies.base64_text,
    "links": bodies.links,
    "image": bodies.image,
    "dump": bodies.dump,
    "encoding": bodies.utf8,
    "response-headers": _response_headers,
    "redirect": _redirect,
    "relative-redirect": _redirect,
    "absolute-redirect": _absolute_redirect,
    "redirect-to": _redirect_to,
    "cookies": _cookies,
    "cache": _cache,
    "etag": _etag,
    "basic-auth": credentials.basic,
    "hidden-basic-auth": credentials.hidden_basic,
    "digest-auth": credentials.digest,
    "bearer": credentials.bearer,
    "websocket": websocket.echo,
    "json": bodies.slides,
    "xml": lambda _, __: Response(body=samples.XML, content_type="application/xml"),
    "html": lambda _, __: Response(body=samples.PAGE, content_type=HTML),
    "forms": lambda _, __: Response(body=samples.FORM, content_type=HTML),
    "robots.txt": lambda _, __: exchange.text("User-agent: *\nDisallow: /deny\n"),
    "deny": lambda _, __: exchange.text("YOU SHOULDN'T BE HERE\n"),
    "health": lambda _, __: exchange.text("ok"),
}
"""By the first part of the path; go-httpbin's ``/trailers`` and ``/upload`` are not here."""


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """go-httpbin's program; ``PORT`` or ``-port`` move it."""
    return server.serve(handle, env, port=_option(argv, "port") or int(env.get("PORT") or PORT))


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
