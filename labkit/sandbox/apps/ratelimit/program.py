"""The container's program: files, counters and ports, until SIGTERM."""

import asyncio
import contextlib
import signal
import sys
from collections import Counter
from collections.abc import Mapping, Sequence

import grpc

from labkit.sandbox.apps import server
from labkit.sandbox.apps.exchange import Handler
from labkit.sandbox.apps.ratelimit import counters, files
from labkit.sandbox.apps.ratelimit.service import RateLimit
from labkit.sandbox.network import listening

PORT, GRPC_PORT, DEBUG_PORT = 8080, 8081, 6070
TRUE = ("true", "1", "t", "TRUE", "True", "T")
LAST_REQUESTS = 0.2
"""Seconds between SIGTERM and the end of the gRPC server."""


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """``/bin/ratelimit``."""
    backend = env.get("BACKEND_TYPE", "redis")
    if backend != "redis":
        print(f"Invalid setting for BackendType: {backend}; this stand-in counts in redis", file=sys.stderr, flush=True)
        return 1
    return asyncio.run(_serve(env))


async def _serve(env: Mapping[str, str]) -> int:
    statistics: Counter[str] = Counter()
    host, _, port = env.get("REDIS_URL", "localhost:6379").rpartition(":")
    store = counters.Counters(host, int(port) if port.isdecimal() else 6379, env)
    try:
        await store.ping()
    except counters.RedisError as e:
        # The service itself ends too, and is started again until Redis is there.
        print(f"panic: {e}", file=sys.stderr, flush=True)
        return 2
    read = files.Files(files.folder_of(env), statistics)
    read.look()
    limiter = RateLimit(read, store, statistics, is_shadow=env.get("SHADOW_MODE") in TRUE)
    async with contextlib.AsyncExitStack() as stack:
        try:
            await _listen(stack, limiter, env)
        except OSError as e:
            print(f"cannot listen: {e.strerror or e}", file=sys.stderr, flush=True)
            return 1
        looking = asyncio.create_task(_look(read))
        ended = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        await ended.wait()
        looking.cancel()
        store.close()
        print("Ratelimit server received SIGTERM, shutting down gracefully", flush=True)
    return 0


async def _listen(stack: contextlib.AsyncExitStack, limiter: RateLimit, env: Mapping[str, str]) -> None:
    at = stack.enter_context(listening.place(_port(env, "GRPC_PORT", GRPC_PORT), env))
    rpc = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    rpc.add_generic_rpc_handlers((limiter.handler(),))
    rpc.add_insecure_port(at.bound)
    await rpc.start()
    at.announce()
    print(f"Listening for gRPC on {at.shown}", flush=True)
    stack.push_async_callback(rpc.stop, LAST_REQUESTS)
    # The health page comes last: whoever finds it finds the service.
    for handler, variable, port in ((limiter.pages, "DEBUG_PORT", DEBUG_PORT), (limiter.web, "PORT", PORT)):
        await _web(stack, handler, _port(env, variable, port), env)


async def _web(stack: contextlib.AsyncExitStack, handler: Handler, port: int, env: Mapping[str, str]) -> None:
    listener, shown = stack.enter_context(listening.listening(port, env))
    web = server.Server(handler)
    await web.start_on(listener)
    stack.push_async_callback(web.stop)
    print(f"Listening for HTTP on {shown}", flush=True)


async def _look(read: files.Files) -> None:
    while True:
        await asyncio.sleep(files.LOOK)
        read.look()


def _port(env: Mapping[str, str], variable: str, otherwise: int) -> int:
    text = env.get(variable, "")
    return int(text) if text.isdecimal() else otherwise
