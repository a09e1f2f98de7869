"""``python -m labkit.sandbox.apiserver --state DIR``: the API server alone, for clients that need no pods."""

import argparse
import asyncio
from pathlib import Path

from labkit.sandbox.apiserver import server


async def serve(state: Path) -> None:
    """Serve until cancelled, printing the kubeconfig's path when ready."""
    found = server.Server(state=state, kubeconfig=state / "kubeconfig")
    await found.start()
    print(state / "kubeconfig", flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        await found.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--state", type=Path, required=True)
    asyncio.run(serve(parser.parse_args().state))
