"""Paths whose answer is a body of a certain kind, size or pace."""

import asyncio
import base64
import gzip
import json
import random
import re
import time
import zlib
from collections.abc import AsyncIterator

from labkit.sandbox.apps import exchange
from labkit.sandbox.apps.exchange import Request, Response
from labkit.sandbox.apps.httpbin import samples
from labkit.sandbox.apps.httpbin.asking import (
    BYTES,
    HTML,
    JSON,
    Parts,
    Refusal,
    as_json,
    base,
    first,
    number,
    part,
    seconds,
    seen,
)

MOST_BYTES = 2**20
"""Bytes that ``/bytes`` and ``/drip`` send at most."""

MOST_LINES = 100
"""Lines of ``/stream`` at most."""


def stream(request: Request, parts: Parts) -> Response:
    """``/stream/N``: a line of JSON each."""
    lines = min(int(number(part(parts, 0, "10"), 1, 1e9)), MOST_LINES)

    async def chunks() -> AsyncIterator[bytes]:
        for at in range(lines):
            yield json.dumps({"id": at, **seen(request)}).encode() + b"\n"

    return Response(content_type=JSON, chunks=chunks())


def drip(request: Request, _: Parts) -> Response:
    """``/drip?numbytes=&duration=&delay=&code=``."""
    given = first(request)
    size = int(number(given.get("numbytes", "10"), 1, MOST_BYTES))
    wait = seconds(given.get("delay", "0"))
    pause = seconds(given.get("duration", "2")) / size
    status = int(number(given.get("code", "200"), 200, 599))

    async def chunks() -> AsyncIterator[bytes]:
        await asyncio.sleep(wait)
        for _ in range(size):
            yield b"*"
            await asyncio.sleep(pause)

    return Response(status=status, content_type=BYTES, chunks=chunks())


def sse(request: Request, _: Parts) -> Response:
    """``/sse?count=&duration=&delay=``: server-sent events."""
    given = first(request)
    count = int(number(given.get("count", "10"), 1, MOST_LINES))
    wait, pause = seconds(given.get("delay", "0")), seconds(given.get("duration", "5")) / count

    async def chunks() -> AsyncIterator[bytes]:
        await asyncio.sleep(wait)
        for at in range(count):
            data = json.dumps({"id": at, "timestamp": int(time.time() * 1000)})
            yield f"event: ping\ndata: {data}\n\n".encode()
            await asyncio.sleep(pause)

    return Response(content_type="text/event-stream; charset=utf-8", chunks=chunks())


def _random(request: Request, parts: Parts) -> bytes:
    size = int(number(part(parts, 0), 0, MOST_BYTES))
    seed = first(request).get("seed")
    return random.Random(int(number(seed, -(2**63), 2**63)) if seed else None).randbytes(size)


def some_bytes(request: Request, parts: Parts) -> Response:
    """``/bytes/N?seed=``."""
    return Response(body=_random(request, parts), content_type=BYTES)


def stream_bytes(request: Request, parts: Parts) -> Response:
    """``/stream-bytes/N?seed=&chunk_size=``."""
    data, size = _random(request, parts), int(number(first(request).get("chunk_size", "10240"), 1, MOST_BYTES))

    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, len(data), size):
            yield data[at : at + size]

    return Response(content_type=BYTES, chunks=chunks())


def byte_range(request: Request, parts: Parts) -> Response:
    """``/range/N``: the alphabet again and again, or the part that ``Range`` asks for."""
    size = int(number(part(parts, 0), 1, MOST_BYTES))
    letters = bytes(97 + at % 26 for at in range(size))
    fields = [("accept-ranges", "bytes"), ("etag", f"range{size}")]
    asked = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("range", ""))
    if not asked or not (asked[1] or asked[2]):
        return Response(body=letters, content_type="text/plain; charset=utf-8", fields=fields)
    begin = int(asked[1]) if asked[1] else max(0, size - int(asked[2]))
    end = min(int(asked[2]), size - 1) if asked[1] and asked[2] else size - 1
    if begin > end:
        return Response(status=416, fields=[*fields, ("content-range", f"bytes */{size}")])
    fields.append(("content-range", f"bytes {begin}-{end}/{size}"))
    return Response(status=206, body=letters[begin : end + 1], content_type="text/plain; charset=utf-8", fields=fields)


def gzipped(request: Request, _: Parts) -> Response:
    """``/gzip``."""
    body = gzip.compress(json.dumps({**seen(request), "gzipped": True}).encode())
    return Response(body=body, content_type=JSON, fields=[("content-encoding", "gzip")])


def deflated(request: Request, _: Parts) -> Response:
    """``/deflate``."""
    body = zlib.compress(json.dumps({**seen(request), "deflated": True}).encode())
    return Response(body=body, content_type=JSON, fields=[("content-encoding", "deflate")])


def base64_text(_: Request, parts: Parts) -> Response:
    """``/base64/[decode|encode/]TEXT``."""
    way, text = (parts[0], part(parts, 1)) if part(parts, 0) in ("decode", "encode") else ("decode", part(parts, 0))
    if way == "encode":
        return exchange.text(base64.urlsafe_b64encode(text.encode()).decode())
    try:
        decoded = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise Refusal(400, "decode failed: illegal base64 data") from None
    return Response(body=decoded)


def links(request: Request, parts: Parts) -> Response:
    """``/links/N/OFFSET``: a page of links."""
    count = int(number(part(parts, 0), 0, 256))
    if not part(parts, 1):
        return Response(status=302, fields=[("location", f"/links/{count}/0")])
    offset = int(number(part(parts, 1), 0, 256))
    shown = " ".join(str(at) if at == offset else f'<a href="/links/{count}/{at}">{at}</a>' for at in range(count))
    page = f"<html><head><title>Links</title></head><body>{shown}</body></html>"
    return Response(body=page.encode(), content_type=HTML)


def image(request: Request, parts: Parts) -> Response:
    """``/image[/png|/jpeg|/svg|/webp]``: the kind in the path, or the first that ``Accept`` takes."""
    kind = part(parts, 0)
    if not kind:
        accepted = request.headers.get("accept", "")
        takes_all = not accepted or "image/*" in accepted or "*/*" in accepted
        kind = "png" if takes_all else next((k for k in ("webp", "svg", "jpeg", "png") if f"image/{k}" in accepted), "")
        if not kind:
            raise Refusal(406, "client did not request a supported media type")
    if kind not in samples.IMAGES:
        raise Refusal(404, f"no image of kind {kind!r} here; there are {', '.join(samples.IMAGES)}")
    media, body = samples.IMAGES[kind]
    return Response(body=body, content_type=media)


def dump(request: Request, parts: Parts) -> Response:
    """``/dump/request``: the request as it came."""
    if parts != ["request"]:
        raise Refusal(404, "not found")
    target = request.path + (f"?{request.query}" if request.query else "")
    lines = [f"{request.method} {target} {request.version}", *(f"{name}: {value}" for name, value in request.fields)]
    return Response(body="\r\n".join([*lines, "", ""]).encode() + request.body)


def absolute(request: Request, location: str) -> str:
    """A location with scheme and host."""
    return base(request) + location


def utf8(_: Request, parts: Parts) -> Response:
    """``/encoding/utf8``."""
    if parts != ["utf8"]:
        raise Refusal(404, "not found")
    return Response(body=samples.UTF8.encode(), content_type=HTML)


def slides(_: Request, __: Parts) -> Response:
    """``/json``."""
    return as_json(samples.SLIDES)
