"""``./lab down``: nothing of this lab runs afterwards."""

import argparse
import shutil
from typing import Any

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
    with sandbox.one_at_a_time(paths, on_wait=steps.waits):
        with steps.step("JupyterLab and its kernels stopped"):
            had_page = jupyter.stop(paths)
        with steps.step("Sandbox and every pod stopped"):
            sandbox.stop(paths)
        if arguments.forget:
            with steps.step("Stored objects deleted"):
                sandbox.forget(paths)
                shutil.rmtree(jupyter.runtime(paths), ignore_errors=True)
        opened = jupyter.open_notebooks(paths) if had_page else []
    if opened:
        print(f"\n{open_tabs(opened)}")
    if not arguments.forget:
        print("\n  What you applied is kept: ./lab up brings it back, ./lab down --forget deletes it.")
    return 0


def open_tabs(notebooks: list[dict[str, Any]]) -> str:
    """What was open in the browser, and how none of it is lost."""
    lines = ["  These notebooks were open, and their variables are gone:"]
    for notebook in notebooks:
        note = "  NOT SAVED since it last ran" if notebook["unsaved"] else ""
        lines.append(f"    {notebook['path']}{note}")
    lines.append("  Keep the tabs: after ./lab up they connect again, and can be saved and run.")
    return "\n".join(lines)
