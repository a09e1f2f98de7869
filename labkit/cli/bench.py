"""``./lab bench``: the numbers to hold, measured on this machine."""

import argparse
import sys

from labkit.base import programs, settings


def options(parser: argparse.ArgumentParser) -> None:
    """Everything after ``bench`` goes to the benchmarks."""
    parser.add_argument("rest", nargs=argparse.REMAINDER, help="options of python -m benchmarks")


def run(arguments: argparse.Namespace) -> int:
    """Run ``benchmarks/`` of the checkout."""
    return programs.run([sys.executable, "-m", "benchmarks", *arguments.rest], cwd=settings.CHECKOUT)
