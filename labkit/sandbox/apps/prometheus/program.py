"""What runs in a container of ``prom/prometheus``: the machine's own Prometheus, or this one."""

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from labkit.sandbox.apps import server, system
from labkit.sandbox.apps.prometheus import api, config, flag, following, store
from labkit.sandbox.network import listening

PORT = 9090
CONFIG = "/etc/prometheus/prometheus.yml"
OWN = "LABKIT_PROMETHEUS"
"""The variable of a container that says ``ours`` where the machine's Prometheus shall not run."""


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """The container's program."""
    flags = flag.parse(argv)
    machines = None if env.get(OWN) == "ours" else system.path_of("prometheus")
    if machines and env.get("LABKIT_ROOT", "/") == "/":
        return _become(machines, flags, env)
    return asyncio.run(_serve(flags, env))


def _become(path: str, flags: Mapping[str, str], env: Mapping[str, str]) -> int:
    """Only its address differs from what it was told: ``0.0.0.0`` would be the whole machine's."""
    own = dict(flags) | {"web.listen-address": f"{env.get(listening.ADDRESS, '127.0.0.1')}:{flag.port(flags, PORT)}"}
    words = [f"--{name}" if text == "true" else f"--{name}={text}" for name, text in own.items()]
    print(f"running this machine's {path}", flush=True)
    os.execve(path, ["prometheus", *words], dict(env))


async def _serve(flags: Mapping[str, str], env: Mapping[str, str]) -> int:
    path = Path(env.get("LABKIT_ROOT") or "/") / flags.get("config.file", CONFIG).lstrip("/")
    followed = following.Following(store.Store(), env)

    def reload() -> None:
        new = config.load(path)
        for part in new.unsupported:
            print(f"sandbox: {part} is not carried out", flush=True)
        followed.configure(new)

    try:
        reload()
    except config.ConfigError as e:
        print(f"error: {e}", file=sys.stderr, flush=True)
        return 1
    answers = api.Api(followed, reload, has_lifecycle=flags.get("web.enable-lifecycle") == "true")
    running = asyncio.create_task(followed.run())
    serving = asyncio.create_task(server.serving(answers.handle, env, port=flag.port(flags, PORT), logs=False))
    await asyncio.wait((running, serving), return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        running.result()
    running.cancel()
    return await serving
