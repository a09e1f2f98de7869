"""The whole course under nbval."""

import subprocess
import time

from benchmarks import result
from benchmarks.private import CommandError, PrivateLab

BAR = 10.0
"""Minutes on two cores."""

TIMES = 3
"""Green so many times in a row."""

PYTEST = ("-m", "pytest", "--nbval-lax", "--nbval-cell-timeout=120", "-q", "notebooks")


def measure(lab: PrivateLab) -> list[result.Result]:
    """The slowest of several runs; the first red one ends it."""
    name, minutes = "the whole course under nbval", []
    for number in range(TIMES):
        began = time.monotonic()
        try:
            lab.python(*PYTEST, timeout=2 * 60 * BAR)
        except (CommandError, subprocess.TimeoutExpired) as e:
            return [result.failed(name, f"run {number + 1} of {TIMES}: {e}", at_most=BAR)]
        minutes.append((time.monotonic() - began) / 60)
    return [result.Result(name=name, value=max(minutes), unit="min", at_most=BAR, note=f"slowest of {TIMES}")]
