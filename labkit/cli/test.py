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

START = ("00-start-here.ipynb", "02-install-istio.ipynb")
"""Lessons that run on the lab's own sandbox too: the one that starts it, and the one that installs Istio."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One command of the gate."""

    name: str
    command: list[str]
    is_beside: bool = False
    """Whether it needs no cluster, so that it runs beside the stages that mostly wait for theirs."""

    is_elsewhere: bool = False
    """Whether it runs in a lab folder without a sandbox, which knows the cluster by its kubeconfig alone."""


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
    results: list[Result] = []
    with private_labs() as labs, tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as aside:
        every = all_stages(python, labs.own, on=arguments.kubeconfig)
        stages = [stage for stage in every if not arguments.only or stage.name in arguments.only]
        runner = Runner(labs, Path(folder))
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


@dataclass(frozen=True, kw_only=True)
class Labs:
    """Two lab folders of a run, and what the environment of both has."""

    own: settings.Paths
    elsewhere: settings.Paths
    shared: Mapping[str, str]

    def environment(self, stage: Stage) -> dict[str, str]:
        """The environment of a stage."""
        paths = self.elsewhere if stage.is_elsewhere else self.own
        return {"LABKIT_HOME": str(paths.home), **self.shared}


class Runner:
    """Runs stages; what a stage beside others prints comes at its end, in one piece."""

    def __init__(self, labs: Labs, folder: Path) -> None:
        self._labs, self._folder = labs, folder
        self._numbers = itertools.count()

    def run(self, stage: Stage) -> Result:
        """Run one to its end."""
        began, number = time.monotonic(), next(self._numbers)
        report, printed = self._folder / f"{number}.xml", self._folder / f"{number}.log"
        extra = [f"--junitxml={report}"] if "pytest" in stage.command else []
        environment = self._labs.environment(stage)
        title = f"\n== {stage.name}: {' '.join(stage.command[1:])}"
        if stage.is_beside:
            code = programs.run_quietly([*stage.command, *extra], printed, env=environment, cwd=settings.CHECKOUT)
            print(f"{title}\n{printed.read_text(errors='replace')}", flush=True)
        else:
            print(title, flush=True)
            code = programs.run([*stage.command, *extra], env=environment, cwd=settings.CHECKOUT)
        if stage.is_elsewhere and sandbox.was_started(self._labs.elsewhere):
            print("A sandbox was started where only a kubeconfig was to be used.")
            code = code or 1
        seconds = time.monotonic() - began
        return Result(name=stage.name, code=code, seconds=seconds, skips=list(skipped.skips(report)))


def all_stages(python: list[str], own: settings.Paths, *, on: Path | None = None) -> list[Stage]:
    """Every stage, cheapest first.

    The notebooks run by a kubeconfig alone, that of a cluster named by ``on`` or of the sandbox of ``own``: what passes
    so asks the Kubernetes API and nothing else.
    """
    beside = programs.beside_python
    pytest = [*python, "pytest", "-q"]
    tests = [*pytest, "-ra", "--durations=15", "tests", "-m"]
    nbval = [*pytest, "--nbval-lax", "--nbval-cell-timeout=120"]
    up = [*python, "labkit", "up", "--no-browser", "--no-jupyter"]
    of_sandbox = [
        Stage(name="notebooks", command=up),
        Stage(name="notebooks", command=[*nbval, *(f"notebooks/{name}" for name in START)]),
    ]
    return [
        Stage(name="style", command=[str(beside("ruff")), "check", "."]),
        Stage(name="style", command=[str(beside("ruff")), "format", "--check", "."]),
        Stage(name="types", command=[*python, "mypy"]),
        Stage(name="layers", command=[str(beside("lint-imports"))]),
        Stage(name="tests", command=[*tests, "not sandbox"], is_beside=True),
        Stage(name="tests", command=[*tests, "sandbox"]),
        Stage(name="pythons", command=[*python, "tools.pythons"]),
        *([] if on else of_sandbox),
        Stage(name="notebooks", command=[*up, "--kubeconfig", str(on or own.kubeconfig)], is_elsewhere=True),
        Stage(name="notebooks", command=[*nbval, "notebooks"], is_elsewhere=True),
    ]


@contextlib.contextmanager
def private_labs() -> Iterator[Labs]:
    """Two lab folders in a temporary one; what was started there ends with them."""
    with tempfile.TemporaryDirectory(prefix="labkit-test-") as folder:
        own, elsewhere = (settings.Paths(home=Path(folder) / name) for name in ("home", "elsewhere"))
        # Proxies of this machine are not for loopback; a test must not depend on them.
        clean = {name: "" for name in os.environ if name.lower() in ("http_proxy", "all_proxy")}
        # Property tests draw the same examples each time only if sets have the same order each time.
        seed = {} if os.environ.get("EXAMPLES") else {"PYTHONHASHSEED": "0"}
        try:
            yield Labs(own=own, elsewhere=elsewhere, shared={"PYTHONPATH": str(settings.CHECKOUT), **clean, **seed})
        finally:
            for paths in (elsewhere, own):
                forwarder.stop_all(paths)
                sandbox.stop(paths)
