"""``python -m labkit.sandbox.apiserver --state DIR``: the API server alone, and where its kubeconfig is."""

import argparse
import asyncio
import contextlib
import importlib
import sys
import time
from pathlib import Path

from labkit.sandbox.apiserver import server


async def serve(state: Path, *, port: int, controllers: bool) -> None:
    """Run until interrupted."""
    began = time.perf_counter()
    kubeconfig = state / "kubeconfig"
    running = server.Server(state=state, kubeconfig=kubeconfig, port=port)
    await running.start()
    print(kubeconfig, flush=True)
    print(f"ready after {time.perf_counter() - began:.3f} s on port {running.port}", file=sys.stderr, flush=True)
    try:
        if controllers:
            module = importlib.import_module("labkit.sandbox.controllers")
            await module.run(running.local, root_ca=running.root_ca)
        await asyncio.Event().wait()
    finally:
        await running.stop()


def main() -> None:
    """Read the arguments and serve."""
    ask = argparse.ArgumentParser(prog="python -m labkit.sandbox.apiserver", description=__doc__)
    ask.add_argument("--state", type=Path, required=True, help="folder for objects, keys and the kubeconfig")
    ask.add_argument("--port", type=int, default=0)
    ask.add_argument("--controllers", action="store_true", help="run the controllers too")
    arguments = ask.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(arguments.state, port=arguments.port, controllers=arguments.controllers))


if __name__ == "__main__":
    main()
