"""Apps on loopback ports, in one event loop that runs only while a test asks something."""

import asyncio
import json
import socket
from collections.abc import Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pytest

from labkit.sandbox.apps import channel, exchange, server
from labkit.sandbox.apps.exchange import Handler, Request, Response
from labkit.sandbox.network import door, sockets

T = TypeVar("T")


class World:
    """Serves handlers and asks them."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.servers: list[server.Server] = []

    def run(self, doing: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(doing)

    def serve(self, handler: Handler, *, log: list[str] | None = None) -> str:
        """Serve on a free port; the URL."""
        served = server.Server(handler, log=log.append if log is not None else None)
        self.run(served.start("127.0.0.1", 0))
        self.servers.append(served)
        return f"http://127.0.0.1:{served.port}"

    def ask(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        env: Mapping[str, str] | None = None,
    ) -> channel.Reply:
        fields = [("Connection", "close"), *(headers or {}).items()]
        return self.run(_ask(channel.call(method, url, fields=fields, body=body, env=env)))

    def get(self, url: str, **headers: str) -> channel.Reply:
        """GET; ``end_user="jason"`` sends ``end-user: jason``."""
        return self.ask("GET", url, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def json(self, url: str, **headers: str) -> Any:
        return json.loads(self.get(url, **headers).body)

    def close(self) -> None:
        for served in self.servers:
            self.run(served.stop())
        self.run(_settled())
        self.loop.close()


async def _settled() -> None:
    """End what still runs, and let every connection that was closed come to its end."""
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for _ in range(5):
        await asyncio.sleep(0)


async def _ask(call: channel.Call) -> channel.Reply:
    opened = await call.open()
    try:
        return await opened.ask(call.method, call.request)
    finally:
        opened.close()


class Mesh:
    """A fake sidecar: all that a pod calls comes to it; it answers for services and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Response] = {}
        """What to answer, by the start of the URL; a silent host never answers."""
        self.silent: set[str] = set()
        self.asked: list[Request] = []

    async def handle(self, request: Request) -> Response:
        request.path = f"http://{request.headers['host']}{request.path}"
        self.asked.append(request)
        if any(request.path.startswith(start) for start in self.silent):
            await asyncio.sleep(60)
        for start, answer in self.answers.items():
            if request.path.startswith(start):
                return answer
        return exchange.text("no healthy upstream", status=503)

    def urls(self) -> list[str]:
        return [request.path for request in self.asked]


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.close()


@pytest.fixture
def mesh() -> Mesh:
    return Mesh()


@pytest.fixture
def behind(world: World, mesh: Mesh, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of an app whose sidecar is the fake mesh."""
    answer = door.Answer(socket="mesh.sock").encoded() + b"\n"

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(answer)
        writer.close()

    async def begin() -> asyncio.Server:
        served = server.Server(mesh.handle)
        world.servers.append(served)
        await served.start_on(_listening(tmp_path / "mesh.sock"))
        return await asyncio.start_unix_server(lead, sock=_listening(tmp_path / door.SOCKET))

    leading = world.run(begin())
    yield {door.FOLDER: str(tmp_path), "HOSTNAME": "app-v1-abc"}
    leading.close()


def _listening(path: Path) -> socket.socket:
    listener = sockets.listen(path)
    listener.setblocking(False)
    return listener
