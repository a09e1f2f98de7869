"""What runs in a container of ``prom/prometheus``: the machine's own Prometheus, or this one."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from labkit.sandbox.apps import server, system
from labkit.sandbox.apps.prometheus import api, config, flag, following, store
from labkit.sandbox.network import listening

PORT = 9090
CONFIG = "/etc/prometheus/prometheus.yml"
REASON = 200
"""Letters of promtool's words that are repeated in the log."""

OWN = "LABKIT_PROMETHEUS"
"""The variable of a container that says ``ours`` where the machine's Prometheus shall not run."""


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """The container's program."""
    flags = flag.parse(argv)
    path = Path(env.get("LABKIT_ROOT") or "/") / flags.get("config.file", CONFIG).lstrip("/")
    if machines := _machines(path, env):
        return _become(machines, flags, env)
    return asyncio.run(_serve(path, flags, env))


def _machines(path: Path, env: Mapping[str, str]) -> str | None:
    """The machine's Prometheus, where it reads this configuration: Debian's has no discovery in Kubernetes."""
    program, tool = system.path_of("prometheus"), system.path_of("promtool")
    is_isolated = env.get("LABKIT_ROOT", "/") == "/"
    if not (program and tool and is_isolated) or env.get(OWN) == "ours":
        return None
    checked = subprocess.run([tool, "check", "config", path], capture_output=True, text=True, check=False)
    if checked.returncode:
        reason = " ".join((checked.stderr or checked.stdout).split())[:REASON]
        print(
            f"sandbox: {program} refuses this configuration ({reason}), so the sandbox's own Prometheus runs",
            flush=True,
        )
        return None
    return program


def _become(path: str, flags: Mapping[str, str], env: Mapping[str, str]) -> int:
    """Only its address differs from what it was told: ``0.0.0.0`` would be the whole machine's."""
    own = dict(flags) | {"web.listen-address": f"{env.get(listening.ADDRESS, '127.0.0.1')}:{flag.port(flags, PORT)}"}
    words = [f"--{name}" if text == "true" else f"--{name}={text}" for name, text in own.items()]
    print(f"running this machine's {path}", flush=True)
    os.execve(path, ["prometheus", *words], dict(env))


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
    running = asyncio.create_task(followed.run())
    serving = asyncio.create_task(server.serving({flag.port(flags, PORT): answers.handle}, env, logs=False))
    await asyncio.wait((running, serving), return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        running.result()
    running.cancel()
    return await serving
