"""tcp-echo: sends every line back with a prefix. Arguments: ports, joined by commas, and the prefix."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Mapping, Sequence

from labkit.sandbox.network import handover

PORTS = "9000,9001"


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """The container's program, called ``[tcp-echo] PORTS PREFIX``."""
    ports, prefix = parse(argv)
    return asyncio.run(_serve(env, ports, prefix))


def parse(argv: Sequence[str]) -> tuple[list[int], str]:
    """``["9000,9001", "one"]`` gives ``([9000, 9001], "one")``; a leading program name is passed over."""
    words = [word for word in argv if not word.endswith("tcp-echo")]
    ports = words[0] if words else PORTS
    return [int(port) for port in ports.split(",")], words[1] if len(words) > 1 else "hello"


class Echo(asyncio.Protocol):
    """One connection; every line is answered by itself."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix.encode()
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            print(f"request: {line.decode('utf-8', 'replace')}", flush=True)
            if self._transport:
                self._transport.write(b"%b %b\n" % (self._prefix, line))


async def _serve(env: Mapping[str, str], ports: Sequence[int], prefix: str) -> int:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    async with contextlib.AsyncExitStack() as stack:
        for port in ports:
            try:
                _, shown = await handover.serve(stack, lambda: Echo(prefix), port, env)
            except OSError as e:
                print(f"cannot listen on port {port}: {e.strerror}", file=sys.stderr, flush=True)
                return 1
            print(f"listening on {shown}, prefix: {prefix}", flush=True)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ended.set)
        await ended.wait()
    return 0
