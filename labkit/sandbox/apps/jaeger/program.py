"""What runs in a container of ``jaegertracing/…``: the receivers, and the pages that are asked for traces."""

import asyncio
import contextlib
import gzip
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, unquote

import grpc

from labkit.base import memory
from labkit.sandbox.apps import exchange, server
from labkit.sandbox.apps.exchange import Request, Response
from labkit.sandbox.apps.jaeger import otlp, query, zipkin
from labkit.sandbox.apps.jaeger.spans import Span, trace_id
from labkit.sandbox.apps.jaeger.store import Store
from labkit.sandbox.network import listening

QUERY, ZIPKIN, OTLP_HTTP, OTLP_GRPC = 16686, 9411, 4318, 4317
HEALTH = (13133, 14269)
"""Of Jaeger 2, and of Jaeger 1."""
OWN_METRICS = 8888

_TRACE = re.compile(r"/api/traces/([0-9a-fA-F]{1,32})")
_OPERATIONS = re.compile(r"/api/services/(.+)/operations")


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """The container's program; its configuration may only move what is served here at Jaeger's own ports."""
    return asyncio.run(_run(env))


async def _run(env: Mapping[str, str]) -> int:
    store = Store()
    pages: dict[int, Callable[[Request], Response]] = {
        QUERY: lambda request: answer(store, request),
        ZIPKIN: lambda request: take(store, request, "/api/v2/spans", {"application/json": zipkin.of_json}, 202),
        OTLP_HTTP: lambda request: take(store, request, "/v1/traces", OTLP, 200),
        OWN_METRICS: lambda _: exchange.text(own_metrics(store)),
        **dict.fromkeys(HEALTH, lambda _: exchange.json_text('{"status":"StatusOK"}')),
    }
    async with contextlib.AsyncExitStack() as stack:
        await _serve_grpc(store, env, stack)
        stack.callback(asyncio.create_task(memory.keep_small()).cancel)
        return await server.serving(pages, env, logs=False)


async def _serve_grpc(store: Store, env: Mapping[str, str], stack: contextlib.AsyncExitStack) -> None:
    if listening.BEHIND in env:
        print("sandbox: behind a sidecar spans come by OTLP over HTTP (4318) and Zipkin (9411) alone", flush=True)
        return

    async def export(body: bytes, context: Any) -> bytes:
        try:
            store.add(otlp.of_bytes(body))
        except otlp.MessageError as e:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(e))
        return b""

    receiver = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    service, _, method = otlp.SERVICE.strip("/").rpartition("/")
    handlers = {method: grpc.unary_unary_rpc_method_handler(export)}
    receiver.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    at = stack.enter_context(listening.place(OTLP_GRPC, env))
    receiver.add_insecure_port(at.bound)
    await receiver.start()
    at.announce()
    stack.push_async_callback(receiver.stop, 0.5)


OTLP: Mapping[str, Callable[[bytes], list[Span]]] = {
    "application/x-protobuf": otlp.of_bytes,
    "application/json": otlp.of_json,
}


def take(
    store: Store, request: Request, path: str, readers: Mapping[str, Callable[[bytes], list[Span]]], status: int
) -> Response:
    """Spans that are posted."""
    if request.path != path or request.method != "POST":
        return exchange.text(f"POST {path} takes spans\n", status=404)
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip()
    if kind not in readers:
        return exchange.text(f"{kind} is not one of {', '.join(readers)}\n", status=415)
    try:
        is_zipped = request.headers.get("content-encoding") == "gzip"
        store.add(readers[kind](gzip.decompress(request.body) if is_zipped else request.body))
    except (otlp.MessageError, OSError, EOFError) as e:
        return exchange.text(f"{e}\n", status=400)
    return Response(
        status=status, content_type=kind, body=b"{}" if kind == "application/json" and status == 200 else b""
    )


def answer(store: Store, request: Request) -> Response:
    """A page of the query API, with or without the base path ``/jaeger``."""
    path = request.path.removeprefix("/jaeger") or "/"
    asked = parse_qs(request.query, keep_blank_values=True)
    try:
        if path == "/":
            return exchange.text(f"{store!r}\nThe sandbox's Jaeger has no pages: ask /api/traces?service=…\n")
        return _answered(store, path, asked)
    except (query.AskedError, ValueError) as e:
        return _reply(None, error={"code": 400, "msg": str(e)})


def _answered(store: Store, path: str, asked: Mapping[str, list[str]]) -> Response:
    if path == "/api/services":
        return _reply(query.services(store))
    if match := _OPERATIONS.fullmatch(path):
        return _reply([operation["name"] for operation in query.operations(store, unquote(match[1]))])
    if path == "/api/operations":
        return _reply(query.operations(store, (asked.get("service") or [""])[0]))
    if path == "/api/traces":
        return _reply(query.traces(store, query.search_of(asked)))
    if match := _TRACE.fullmatch(path):
        spans = store.trace(trace_id(match[1]))
        missing = {"code": 404, "msg": "trace not found", "traceID": match[1]}
        return _reply([query.trace(spans)]) if spans else _reply(None, error=missing)
    if path == "/api/dependencies":
        end = int((asked.get("endTs") or [str(round(time.time() * 1000))])[0])
        lookback = int((asked.get("lookback") or ["86400000"])[0])
        return _reply(query.dependencies(store, end=end, lookback=lookback))
    return exchange.text(f"{path} is not served by the sandbox's Jaeger\n", status=404)


def _reply(data: Any, *, error: Mapping[str, Any] | None = None) -> Response:
    body = {
        "data": data,
        "total": 0 if error else len(data),
        "limit": 0,
        "offset": 0,
        "errors": [error] if error else None,
    }
    return exchange.json_text(json.dumps(body), status=int(error["code"]) if error else 200)


def own_metrics(store: Store) -> str:
    """What is read at the port of its own metrics."""
    return f"# TYPE otelcol_receiver_accepted_spans counter\notelcol_receiver_accepted_spans {store.accepted}\n"
