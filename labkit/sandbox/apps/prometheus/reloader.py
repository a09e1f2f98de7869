"""``prometheus-config-reloader``: asks Prometheus to read its configuration again when the mounted files change."""

import asyncio
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from labkit.sandbox.apps import channel, exchange, server
from labkit.sandbox.apps.exchange import Request, Response
from labkit.sandbox.apps.prometheus import flag

LOOK = 2.0
"""Seconds between two looks; the real one is told by the kernel."""

PORT = 8080


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """The container's program."""
    return asyncio.run(_run(flag.parse(argv), env))


async def _run(flags: Mapping[str, str], env: Mapping[str, str]) -> int:
    folder = Path(env.get("LABKIT_ROOT") or "/") / flags.get("watched-dir", "/etc/config").lstrip("/")
    watching = asyncio.create_task(_watch(folder, flags.get("reload-url", ""), env))
    try:
        return await server.serving({flag.port(flags, PORT, name="listen-address"): _page}, env, logs=False)
    finally:
        watching.cancel()


def _page(request: Request) -> Response:
    if request.path == "/healthz":
        return exchange.text("ok")
    if request.path == "/metrics":
        return exchange.text("# TYPE reloader_watches gauge\nreloader_watches 1\n")
    return exchange.text("404 page not found\n", status=404)


async def _watch(folder: Path, url: str, env: Mapping[str, str]) -> None:
    seen = _digest(folder)
    while True:
        await asyncio.sleep(LOOK)
        now = _digest(folder)
        if now == seen:
            continue
        try:
            call = channel.call("POST", url, fields=[("Connection", "close")], env=env)
            opened = await call.open()
            reply = await opened.ask(call.method, call.request)
            opened.close()
        except OSError as e:
            print(f"cannot reach {url}: {e}; trying again", flush=True)
            continue
        seen = now
        print(f"Reload triggered: {reply.status} {reply.body.decode('utf-8', 'replace').strip()}", flush=True)


def _digest(folder: Path) -> str:
    """Of a ConfigMap's volume: the kubelet swaps ``..data`` when it changes."""
    try:
        return os.readlink(folder / "..data")  # noqa: PTH115 (the link itself is the answer)
    except OSError:
        files = sorted(path for path in folder.glob("*") if path.is_file())
        return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
