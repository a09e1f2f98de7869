"""``./lab test``: every check of the project, in the order in which they are cheap."""

import argparse
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from labkit.base import programs, settings
from labkit.cli import skipped
from labkit.clusters import forwarder, sandbox

Stage = tuple[str, list[str]]
"""A name and a command line."""


def options(parser: argparse.ArgumentParser) -> None:
    """The options of ``test``."""
    parser.add_argument("only", nargs="*", metavar="STAGE", help="style, types, layers, tests, pythons, notebooks")
    parser.add_argument(
        "--kubeconfig", type=Path, metavar="FILE", help="run the notebooks on this cluster, which has Istio"
    )
    parser.add_argument("--keep-going", action="store_true", help="run later stages after a failed one")


def run(arguments: argparse.Namespace) -> int:
    """Run the stages; 0 when all of them passed. The lab of the user, if one runs, is left alone."""
    python = [sys.executable, "-m"]
    every = all_stages(python, on=arguments.kubeconfig)
    stages = [stage for stage in every if not arguments.only or stage[0] in arguments.only]
    results, skips = [], list[tuple[str, str]]()
    with private_lab() as environment, tempfile.TemporaryDirectory() as folder:
        for number, (name, command) in enumerate(stages):
            began = time.monotonic()
            print(f"\n== {name}: {' '.join(command[1:])}", flush=True)
            report = Path(folder) / f"{number}.xml"
            extra = [f"--junitxml={report}"] if "pytest" in command else []
            code = programs.run([*command, *extra], env=environment, cwd=settings.CHECKOUT)
            skips += skipped.skips(report)
            results.append((name, code, time.monotonic() - began))
            if code and not arguments.keep_going:
                break
    print()
    for name, code, seconds in results:
        print(f"  {'✓' if code == 0 else '✗'} {name:<20}{seconds:6.1f} s")
    print(skipped.summary(skips))
    return 1 if any(code for _, code, _ in results) else 0


def all_stages(python: list[str], *, on: Path | None = None) -> list[Stage]:
    """Every stage, cheapest first; the notebooks on a sandbox, or on the cluster of a kubeconfig."""
    where = ["--kubeconfig", str(on)] if on else []
    beside = programs.beside_python
    return [
        ("style", [str(beside("ruff")), "check", "."]),
        ("style", [str(beside("ruff")), "format", "--check", "."]),
        ("types", [*python, "mypy"]),
        ("layers", [str(beside("lint-imports"))]),
        ("tests", [*python, "pytest", "tests", "-q", "-ra", "--durations=15"]),
        ("pythons", [*python, "tools.pythons"]),
        ("notebooks", [*python, "labkit", "up", "--no-browser", "--no-jupyter", *where]),
        ("notebooks", [*python, "pytest", "--nbval-lax", "--nbval-cell-timeout=120", "-q", "notebooks"]),
    ]


@contextlib.contextmanager
def private_lab() -> Iterator[dict[str, str]]:
    """The environment of a lab of its own in a temporary folder; stopped at the end if it was started."""
    with tempfile.TemporaryDirectory(prefix="labkit-test-") as folder:
        paths = settings.Paths(home=Path(folder) / "home")
        # Proxies of this machine are not for loopback; a test must not depend on them.
        clean = {name: "" for name in os.environ if name.lower() in ("http_proxy", "all_proxy")}
        # Property tests draw the same examples each time only if sets have the same order each time.
        seed = {} if os.environ.get("EXAMPLES") else {"PYTHONHASHSEED": "0"}
        try:
            yield {"LABKIT_HOME": str(paths.home), "PYTHONPATH": str(settings.CHECKOUT), **clean, **seed}
        finally:
            forwarder.stop_all(paths)
            sandbox.stop(paths)
