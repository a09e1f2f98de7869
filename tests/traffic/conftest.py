"""Apps on loopback, in a thread of their own."""

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest

from labkit.sandbox.apps import server
from labkit.sandbox.apps.exchange import Handler

Serve = Callable[[Handler], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serves a handler on a free port; gives the URL."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    servers: list[server.Server] = []

    def run(handler: Handler) -> str:
        served = server.Server(handler)
        asyncio.run_coroutine_threadsafe(served.start("127.0.0.1", 0), loop).result(5)
        servers.append(served)
        return f"http://127.0.0.1:{served.port}"

    async def end() -> None:
        for served in servers:
            await served.stop(drain=0.0)
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    yield run
    asyncio.run_coroutine_threadsafe(end(), loop).result(5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
