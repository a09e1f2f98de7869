"""``./lab test``: every check of the project, in the order in which they are cheap."""

import argparse
import contextlib
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from labkit.base import programs, settings
from labkit.cli import skipped
from labkit.clusters import forwarder, sandbox


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One command of the gate."""

    name: str
    command: list[str]
    is_beside: bool = False
    """Whether it needs no cluster, so that it runs beside the stages that mostly wait for theirs."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """How one stage ended."""

    name: str
    code: int
    seconds: float
    skips: Sequence[tuple[str, str]]


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
    stages = [stage for stage in every if not arguments.only or stage.name in arguments.only]
    results: list[Result] = []
    with private_lab() as environment, tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as aside:
        runner = Runner(environment, Path(folder))
        beside: list[Future[Result]] = []
        for stage in stages:
            if stage.is_beside:
                beside.append(aside.submit(runner.run, stage))
                continue
            results.append(runner.run(stage))
            if results[-1].code and not arguments.keep_going:
                break
        for future in beside:
            results.append(future.result())
    print()
    for result in results:
        print(f"  {'✓' if result.code == 0 else '✗'} {result.name:<20}{result.seconds:6.1f} s")
    print(skipped.summary([skip for result in results for skip in result.skips]))
    return 1 if any(result.code for result in results) else 0


class Runner:
    """Runs stages in one environment; what a stage beside others prints comes at its end, in one piece."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self._environment, self._folder = environment, folder
        self._numbers = itertools.count()

    def run(self, stage: Stage) -> Result:
        """Run one to its end."""
        began, number = time.monotonic(), next(self._numbers)
        report, printed = self._folder / f"{number}.xml", self._folder / f"{number}.log"
        extra = [f"--junitxml={report}"] if "pytest" in stage.command else []
        title = f"\n== {stage.name}: {' '.join(stage.command[1:])}"
        if stage.is_beside:
            code = programs.run_quietly([*stage.command, *extra], printed, env=self._environment, cwd=settings.CHECKOUT)
            print(f"{title}\n{printed.read_text(errors='replace')}", flush=True)
        else:
            print(title, flush=True)
            code = programs.run([*stage.command, *extra], env=self._environment, cwd=settings.CHECKOUT)
        seconds = time.monotonic() - began
        return Result(name=stage.name, code=code, seconds=seconds, skips=list(skipped.skips(report)))


def all_stages(python: list[str], *, on: Path | None = None) -> list[Stage]:
    """Every stage, cheapest first; the notebooks on a sandbox, or on the cluster of a kubeconfig."""
    where = ["--kubeconfig", str(on)] if on else []
    beside = programs.beside_python
    pytest = [*python, "pytest", "-q"]
    tests = [*pytest, "-ra", "--durations=15", "tests", "-m"]
    return [
        Stage(name="style", command=[str(beside("ruff")), "check", "."]),
        Stage(name="style", command=[str(beside("ruff")), "format", "--check", "."]),
        Stage(name="types", command=[*python, "mypy"]),
        Stage(name="layers", command=[str(beside("lint-imports"))]),
        Stage(name="tests", command=[*tests, "not sandbox"], is_beside=True),
        Stage(name="tests", command=[*tests, "sandbox"]),
        Stage(name="pythons", command=[*python, "tools.pythons"]),
        Stage(name="notebooks", command=[*python, "labkit", "up", "--no-browser", "--no-jupyter", *where]),
        Stage(name="notebooks", command=[*pytest, "--nbval-lax", "--nbval-cell-timeout=120", "notebooks"]),
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
