"""What runs in a container of ``prom/prometheus``: the machine's own Prometheus, or this one."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from labkit.base import memory
from labkit.sandbox.apps import server
from labkit.sandbox.apps.prometheus import api, config, flag, following, machines, store

PORT = 9090
CONFIG = "/etc/prometheus/prometheus.yml"
OWN = "LABKIT_PROMETHEUS"
"""The variable of a container that says ``ours`` where the machine's Prometheus shall not run."""


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """The container's program."""
    flags = flag.parse(argv)
    path = Path(env.get("LABKIT_ROOT") or "/") / flags.get("config.file", CONFIG).lstrip("/")
    is_isolated = env.get("LABKIT_ROOT", "/") == "/"
    if is_isolated and env.get(OWN) != "ours" and (programs := machines.programs()):
        program, tool = programs
        if not machines.refusal(tool, path):
            return machines.become(program, flags, env)
        try:
            return machines.run(program, tool, path, flags, env)
        except (machines.Refusal, OSError, ValueError, yaml.YAMLError) as e:
            print(f"sandbox: {program} refuses this configuration ({e}), so the sandbox's own runs", flush=True)
    return asyncio.run(_serve(path, flags, env))


async def _serve(path: Path, flags: Mapping[str, str], env: Mapping[str, str]) -> int:
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
    small = asyncio.create_task(memory.keep_small())
    running = asyncio.create_task(followed.run())
    serving = asyncio.create_task(server.serving({flag.port(flags, PORT): answers.handle}, env, logs=False))
    await asyncio.wait((running, serving), return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        running.result()
    running.cancel()
    small.cancel()
    return await serving
