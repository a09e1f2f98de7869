"""The HTTP server of every app: one process, one event loop, keep-alive, one write for each response.

An app is a function from a request to a response (or to an awaitable of one, when it calls others). It
runs in a process forked from a parent that has this module loaded, so nothing starts at import.
"""

import asyncio
import contextlib
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping

from labkit.sandbox.apps import connection
from labkit.sandbox.apps.exchange import Handler
from labkit.sandbox.network import handover

PORT = 9080
"""Where Bookinfo's apps listen."""

LAST_REQUESTS = 0.2
"""Seconds between SIGTERM and closing the listener: Kubernetes tells the endpoints and the process at the
same moment, so requests still come for an instant."""

DRAIN = 10.0
"""Seconds that requests in flight get after that; the kubelet's own grace period is 30."""

LOG_DELAY = 0.1
"""Seconds that an access line may wait for others, so that a busy app makes few writes."""


class Server:
    """Listens on one address; ``port`` tells which when 0 was asked for."""

    def __init__(self, handler: Handler, *, log: Callable[[str], None] | None = None) -> None:
        self._service = connection.Service(handler=handler, log=log)
        self._listeners: list[asyncio.Server] = []

    def __repr__(self) -> str:
        return f"Server({len(self.connections)} connections, ending={self._service.is_ending})"

    @property
    def connections(self) -> set[connection.Connection]:
        """Those that are open."""
        return self._service.connections

    async def start(self, host: str, port: int) -> None:
        """Bind and listen; OSError when the address is taken."""
        loop = asyncio.get_running_loop()
        self._listeners.append(await loop.create_server(self.connected, host, port, backlog=1024, reuse_address=True))

    async def start_on(self, listener: socket.socket) -> None:
        """Serve what connects to a listening socket."""
        loop = asyncio.get_running_loop()
        serve = loop.create_unix_server if listener.family == socket.AF_UNIX else loop.create_server
        self._listeners.append(await serve(self.connected, sock=listener, backlog=1024))

    async def start_in(self, stack: contextlib.AsyncExitStack, port: int, env: Mapping[str, str]) -> str:
        """Serve a port of the pod until the stack ends; how to show where. OSError when the port is taken."""
        servers, shown = await handover.serve(stack, self.connected, port, env)
        self._listeners += servers
        return shown

    def connected(self) -> connection.Connection:
        """What takes one connection."""
        return connection.Connection(self._service)

    @property
    def port(self) -> int:
        """The port that is bound."""
        return int(self._listeners[0].sockets[0].getsockname()[1])

    async def stop(self, *, last_requests: float = 0.0, drain: float = DRAIN) -> None:
        """Answer what still comes for a moment, then close; requests in flight get ``drain`` seconds."""
        self._service.is_ending = True
        await asyncio.sleep(last_requests)
        for listener in self._listeners:
            listener.close()
        end = time.monotonic() + drain
        while self.connections and time.monotonic() < end:
            for open_one in list(self.connections):
                open_one.close_if_idle()
            await asyncio.sleep(0.01)
        for open_one in list(self.connections):
            open_one.abort()


class Log:
    """Lines for stdout, written together every ``LOG_DELAY`` seconds while there are any."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def __call__(self, line: str) -> None:
        if not self._lines:
            asyncio.get_running_loop().call_later(LOG_DELAY, self.flush)
        self._lines.append(line)

    def flush(self) -> None:
        """Write what waits; a reader that went away is not an error of the app."""
        lines, self._lines = self._lines, []
        if not lines:
            return
        try:
            sys.stdout.write("".join(f"{line}\n" for line in lines))
            sys.stdout.flush()
        except OSError:
            return


def serve(handler: Handler, env: Mapping[str, str], *, port: int = PORT) -> int:
    """Serve on the container's address until SIGTERM; the exit code."""
    return asyncio.run(serving({port: handler}, env))


async def serving(handlers: Mapping[int, Handler], env: Mapping[str, str], *, logs: bool = True) -> int:
    """The same for a handler a port, beside other tasks; ``logs`` says whether each request is a line of the output."""
    log = Log()
    servers = []
    async with contextlib.AsyncExitStack() as stack:
        for port, handler in handlers.items():
            server = Server(handler, log=log if logs else None)
            try:
                shown = await server.start_in(stack, port, env)
            except OSError as e:
                print(f"cannot listen on port {port}: {e.strerror}", file=sys.stderr, flush=True)
                return 1
            servers.append(server)
            print(f"listening on {shown}", flush=True)
        ended = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        await ended.wait()
        await asyncio.gather(*(server.stop(last_requests=LAST_REQUESTS) for server in servers))
    log.flush()
    print("ended by SIGTERM", flush=True)
    return 0
