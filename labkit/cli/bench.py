"""``./lab bench``: the numbers to hold, measured on this machine."""

import argparse
import sys

from labkit.base import programs, settings


def options(parser: argparse.ArgumentParser) -> None:
    """Everything after ``bench`` goes to the benchmarks."""
    parser.add_argument("rest", nargs=argparse.REMAINDER, help="options of python -m benchmarks; kills KIND kills")


def run(arguments: argparse.Namespace) -> int:
    """Run ``benchmarks/`` of the checkout."""
    first, *others = arguments.rest or [""]
    words = ["benchmarks.kills", *others] if first == "kills" else ["benchmarks", *arguments.rest]
    return programs.run([sys.executable, "-m", *words], cwd=settings.CHECKOUT)
