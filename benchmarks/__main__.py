"""Measure, print the table, and end with 1 when a bar is missed."""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import (
    ambient,
    chapters,
    compiling,
    counting,
    course,
    idle,
    lasting,
    limiter,
    mistakes,
    permissions,
    publishing,
    result,
    rotations,
    starting,
    throughput,
    watching,
)
from benchmarks.private import PrivateLab

MEASURES: dict[str, Callable[[PrivateLab], list[result.Result]]] = {
    "up": starting.measure,
    "idle": idle.measure,
    "throughput": throughput.measure,
    "metrics": counting.measure,
    "watching": watching.measure,
    "lasting": lasting.measure,
    "mistakes": mistakes.measure,
    "publish": publishing.measure,
    "compile": compiling.measure,
    "rotations": rotations.measure,
    "permissions": permissions.measure,
    "limiter": limiter.measure,
    "ambient": ambient.measure,
    "goto": chapters.measure,
    "course": course.measure,
}

ON_REQUEST = ("ambient", "course")
"""Half an hour, and one that leaves another profile behind: only when they are named."""


def main(words: Sequence[str] | None = None) -> int:
    """Run what was asked for; the exit code."""
    parser = argparse.ArgumentParser(prog="./lab bench", description=__doc__)
    parser.add_argument("only", nargs="*", metavar="MEASURE", help=f"any of: {', '.join(MEASURES)}")
    parser.add_argument("--json", action="store_true", help="for programs")
    arguments = parser.parse_args(words)
    unknown = [name for name in arguments.only if name not in MEASURES]
    if unknown:
        parser.error(f"there is no measure {unknown[0]}; there are {', '.join(MEASURES)}")
    names = [name for name in MEASURES if (name in arguments.only if arguments.only else name not in ON_REQUEST)]
    results = measured(names)
    if arguments.json:
        print(json.dumps([one.as_data() for one in results], indent=2))
    else:
        print(f"\n{machine()}\n\n{result.table(results)}")
    return 1 if any(one.holds is False for one in results) else 0


def measured(names: Sequence[str]) -> list[result.Result]:
    """The results of these measures, in a lab of their own; one that fails does not end the others."""
    results: list[result.Result] = []
    with PrivateLab() as lab:
        if "up" not in names:
            lab.up()
        for name in names:
            began = time.monotonic()
            try:
                results += MEASURES[name](lab)
            except (Exception, subprocess.TimeoutExpired) as e:
                results.append(result.failed(name, e, at_most=0.0))
            print(f"  {name} took {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return results


def machine() -> str:
    """``Linux x86_64, 2 cores, 24 GiB, Python 3.11.7, load 0.4``."""
    try:
        memory = int(Path("/proc/meminfo").read_text().split()[1]) / 2**20
        text = f"{memory:.0f} GiB, "
    except OSError:
        text = ""
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {text}"
        f"Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}"
    )


if __name__ == "__main__":
    sys.exit(main())
