"""The machine's own Prometheus in a container, with our discovery beside it where it has none in Kubernetes."""

import asyncio
import hmac
import json
import os
import secrets
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import yaml

from labkit.kube import aio
from labkit.sandbox.apps import exchange, server, system
from labkit.sandbox.apps.exchange import Request, Response
from labkit.sandbox.apps.prometheus import discovery, flag, translation
from labkit.sandbox.apps.prometheus.cluster import ClusterObjects
from labkit.sandbox.network import door, listening

PORT = 9090
REASON = 200
"""Letters of promtool's words that are repeated in the log."""

LOOK = 1.0
"""Seconds between looks whether the configuration was changed: a mounted ConfigMap may change at any time."""


SYNCED = 5.0
"""Seconds to wait for the cluster's objects before it starts."""


class Refusal(Exception):
    """Why the machine's Prometheus cannot do the job."""


def programs() -> tuple[str, str] | None:
    """Prometheus and promtool of this machine; None where one is missing."""
    program, tool = system.path_of("prometheus"), system.path_of("promtool")
    return (program, tool) if program and tool else None


def refusal(tool: str, path: Path) -> str:
    """Why promtool refuses a configuration; empty where it takes it."""
    checked = subprocess.run([tool, "check", "config", path], capture_output=True, text=True, check=False)
    return " ".join((checked.stderr or checked.stdout).split())[:REASON] if checked.returncode else ""


def words(flags: Mapping[str, str], env: Mapping[str, str]) -> list[str]:
    """Its command line. Only its address differs from what it was told: ``0.0.0.0`` is the whole machine's."""
    own = dict(flags) | {"web.listen-address": f"{_address(env)}:{flag.port(flags, PORT)}"}
    return [f"--{name}" if text == "true" else f"--{name}={text}" for name, text in own.items()]


def _address(env: Mapping[str, str]) -> str:
    return env.get(listening.ADDRESS, "127.0.0.1")


def become(program: str, flags: Mapping[str, str], env: Mapping[str, str]) -> NoReturn:
    """The container's process becomes the program."""
    print(f"running this machine's {program}", flush=True)
    door.stand_in(env)
    os.execve(program, ["prometheus", *words(flags, env)], dict(env))


def run(program: str, tool: str, path: Path, flags: Mapping[str, str], env: Mapping[str, str]) -> int:
    """Run the program with targets from here, until it ends; Refusal where it takes no translated file either."""
    return asyncio.run(_beside(program, tool, path, flags, env))


async def _beside(program: str, tool: str, path: Path, flags: Mapping[str, str], env: Mapping[str, str]) -> int:
    targets = Targets()
    listener = server.Server(targets.handle)
    await listener.start(_address(env), 0)
    with tempfile.TemporaryDirectory(prefix="prometheus-") as folder:
        file = Path(folder) / "prometheus.yml"
        own = _File(path, file, url=f"http://{_address(env)}:{listener.port}", token=targets.token)
        roles = own.write()
        if reason := refusal(tool, file):
            raise Refusal(reason)
        print(f"running this machine's {program}, which was built without discovery in Kubernetes", flush=True)
        async with aio.Client.in_cluster(env) as client:
            following = asyncio.create_task(targets.follow(roles, client))
            await asyncio.sleep(0)  # it has begun to follow
            with suppress(TimeoutError):  # it asks again, but only after a while
                await asyncio.wait_for(targets.cluster.until_synced(), SYNCED)
            try:
                return await _run(program, words({**flags, "config.file": str(file)}, env), env, own)
            finally:
                following.cancel()


async def _run(program: str, command: list[str], env: Mapping[str, str], file: "_File") -> int:
    door.stand_in(env)
    process = await asyncio.create_subprocess_exec(program, *command, env=dict(env))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, process.terminate)
    watching = asyncio.create_task(file.watch(lambda: process.send_signal(signal.SIGHUP)))
    code = await process.wait()
    watching.cancel()
    return code


class _File:
    """The translated configuration beside the one that the container was given."""

    def __init__(self, source: Path, target: Path, *, url: str, token: str) -> None:
        self._source, self._target, self._url, self._token = source, target, url, token
        self._text = ""

    def write(self) -> tuple[str, ...]:
        """Translate; the roles that are asked for."""
        self._text = self._source.read_text()
        new = translation.translated(self._text, url=self._url, token=self._token, folder=self._source.parent)
        for part in new.unsupported:
            print(f"sandbox: {part} is not carried out", flush=True)
        self._target.touch(mode=0o600)
        self._target.write_text(new.text)
        return new.roles

    async def watch(self, changed: Callable[[], None]) -> None:
        """Translate again when the text changes, and call ``changed``."""
        while True:
            await asyncio.sleep(LOOK)
            with suppress(OSError, ValueError, yaml.YAMLError):
                if self._source.read_text() != self._text:
                    self.write()
                    changed()


class Targets:
    """Answers ``http_sd_configs``: each role's targets, to whoever has the token."""

    def __init__(self) -> None:
        self.token = secrets.token_urlsafe(24)
        self.cluster = ClusterObjects(lambda: None)

    async def follow(self, roles: Iterable[str], client: aio.Client) -> None:
        """Follow what these roles look at, until cancelled."""
        async with asyncio.TaskGroup() as group:
            self.cluster.follow(roles, client, group)

    def handle(self, request: Request) -> Response:
        """The targets of the role in the path."""
        if not hmac.compare_digest(request.headers.get("authorization", ""), f"Bearer {self.token}"):
            return exchange.text("no token\n", status=401)
        if not self.cluster.is_synced:
            return exchange.text("not listed yet\n", status=503)
        return exchange.json_text(groups(discovery.targets(request.path.lstrip("/"), self.cluster.objects)))


def groups(targets: Iterable[Mapping[str, str]]) -> str:
    """Targets in the JSON of Prometheus' HTTP discovery, each a group of its own."""
    return json.dumps(
        [
            {
                "targets": [target["__address__"]],
                "labels": {name: value for name, value in target.items() if name != "__address__"},
            }
            for target in targets
        ]
    )
