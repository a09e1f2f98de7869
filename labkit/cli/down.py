"""``./lab down``: nothing of this lab runs afterwards."""

import argparse

from labkit.base import settings
from labkit.cli import jupyter, progress
from labkit.clusters import sandbox


def options(parser: argparse.ArgumentParser) -> None:
    """The options of ``down``."""
    parser.add_argument("--forget", action="store_true", help="also delete the cluster's stored objects")


def run(arguments: argparse.Namespace) -> int:
    """Stop JupyterLab, then the sandbox with its pods."""
    paths = settings.Paths()
    steps = progress.Progress()
    with sandbox.one_at_a_time(paths):
        with steps.step("JupyterLab and its kernels stopped"):
            jupyter.stop(paths)
        with steps.step("Sandbox and every pod stopped"):
            sandbox.stop(paths)
        if arguments.forget:
            with steps.step("Stored objects deleted"):
                sandbox.forget(paths)
    if not arguments.forget:
        print("\n  What you applied is kept: ./lab up brings it back, ./lab down --forget deletes it.")
    return 0
