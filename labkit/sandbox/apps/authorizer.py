"""ext-authz: an authorizer as Istio's sample has it. It allows requests that say ``x-ext-authz: allow``.

Envoy asks by HTTP on port 8000: the same method, path and headers, and 200 means yes. By gRPC it asks on port 9000.
"""

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Mapping, Sequence

from labkit.sandbox.apps import server
from labkit.sandbox.apps.exchange import Request, Response
from labkit.sandbox.network import listening

HTTP_PORT, GRPC_PORT = 8000, 9000
HEADER, ALLOW = "x-ext-authz", "allow"
RESULT, RECEIVED, OVERRIDE = (
    "x-ext-authz-check-result",
    "x-ext-authz-check-received",
    "x-ext-authz-additional-header-override",
)
REFUSAL = f"denied by ext_authz for not found header `{HEADER}: {ALLOW}` in the request"


def verdict(headers: Mapping[str, str], asked: str) -> Response:
    """What it says of a request with these headers."""
    is_allowed = headers.get(HEADER) == ALLOW
    fields = [
        (RESULT, "allowed" if is_allowed else "denied"),
        (OVERRIDE, headers.get(OVERRIDE, "")),
        (RECEIVED, asked),
    ]
    if is_allowed:
        return Response(status=200, fields=fields)
    return Response(status=403, body=REFUSAL.encode(), fields=fields)


def handle(request: Request) -> Response:
    """One question by HTTP."""
    headers = json.dumps(dict(sorted(request.headers.items())))
    return verdict(
        request.headers, f"{request.method} {request.headers.get('host', '')}{request.path}, headers: {headers}"
    )


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """The container's program."""
    return asyncio.run(_serve(env))


async def _serve(env: Mapping[str, str]) -> int:
    from labkit.sandbox.apps import authorizer_grpc

    log = server.Log()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    try:
        async with contextlib.AsyncExitStack() as stack:
            http, shown = stack.enter_context(listening.listening(HTTP_PORT, env))
            by_http = server.Server(handle, log=log)
            await by_http.start_on(http)
            grpc, shown_grpc = stack.enter_context(listening.listening(GRPC_PORT, env))
            await stack.enter_async_context(authorizer_grpc.serving(grpc, verdict))
            print(f"Starting HTTP server at {shown}\nStarting gRPC server at {shown_grpc}", flush=True)
            await ended.wait()
            await by_http.stop(last_requests=server.LAST_REQUESTS)
    except OSError as e:
        print(f"cannot listen: {e.strerror}", file=sys.stderr, flush=True)
        return 1
    log.flush()
    return 0
