"""The sandbox as one process: API server, controllers, kubelet and service proxy, up and down together."""

import asyncio
import contextlib
import fcntl
import gc
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from labkit.base import errors, logs, memory, processes, records, settings, tls
from labkit.sandbox import controllers
from labkit.sandbox.apiserver import server
from labkit.sandbox.kubelet import agent
from labkit.sandbox.network import addresses, proxy

RECORD = "sandbox.json"
"""In ``Paths.run``: which process this is, and once it serves, its port, since when, and what a person should know."""

LOG = "sandbox.log"
"""In ``Paths.logs``: what this process prints."""

COPY_EVERY = 60.0
"""Seconds between two copies of a database that changes."""


@contextlib.contextmanager
def only_one(run: Path) -> Iterator[None]:
    """Hold the sandbox's lock; the kernel gives it up when this process ends, however it ends."""
    run.mkdir(parents=True, exist_ok=True)
    with (run / "sandbox.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as e:
            raise errors.SetupError(
                f"A sandbox already runs for {run.parent}.",
                next_step="./lab status shows it; ./lab down stops it",
            ) from e
        yield


async def serve(paths: settings.Paths) -> None:
    """Run until SIGTERM or SIGINT, or until one of the parts fails; every pod is stopped on the way out."""
    tls.use_small_buffers()
    paths.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    paths.home.chmod(0o700)
    record = records.Record(path=paths.run / RECORD)
    own = processes.identity(os.getpid())
    with only_one(paths.run), addresses.hold_block() as block:
        record.write(own)
        api_server = server.Server(state=paths.state, kubeconfig=paths.kubeconfig, inside=block.gateway)
        await api_server.start()
        services = proxy.ServiceProxy(api_server.local, block, api_port=api_server.port)
        kubelet = agent.Kubelet(
            api_server.local,
            paths=paths,
            block=block,
            api_port=api_server.port,
            root_ca=api_server.root_ca,
            networks=services.networks,
        )
        api_server.node = kubelet
        parts = {
            "controllers": controllers.run(api_server.local, root_ca=api_server.root_ca),
            "kubelet": kubelet.run(),
            "service proxy": services.run(),
            "memory": memory.keep_small(),
            "housekeeping": _keep_house(api_server, logs.Bounded(paths.logs / LOG)),
        }
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(part, name=name) for name, part in parts.items()]
                stop = group.create_task(_until_stopped(tasks), name="stop")
                record.write(own, port=api_server.port, started=time.time(), notices=api_server.notices)
                await stop
        finally:
            await api_server.stop()


async def _keep_house(api_server: server.Server, log: logs.Bounded) -> None:
    """Keep the log small and the copy of the database young."""
    while True:
        await api_server.copy()
        due = time.monotonic() + COPY_EVERY
        while time.monotonic() < due:
            log.keep()
            await asyncio.sleep(logs.EVERY)


async def _until_stopped(tasks: list[asyncio.Task[None]]) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    # What is loaded now stays: the collector need not look at it while pods start.
    gc.freeze()
    await stopped.wait()
    for task in tasks:
        task.cancel()
