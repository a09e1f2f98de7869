"""``./lab down``: nothing of this lab runs afterwards, and with ``--forget`` nothing that it made is left."""

import argparse
import shutil
import sys
from typing import Any

from labkit.base import choice, errors, settings
from labkit.cli import jupyter, progress
from labkit.clusters import cluster, commands, forwarder, kind, sandbox

KEPT = "What you applied is kept: ./lab up brings it back, ./lab down --forget deletes it."


def options(parser: argparse.ArgumentParser) -> None:
    """The options of ``down``."""
    parser.add_argument("--forget", action="store_true", help="also delete what the lab has stored, or made elsewhere")
    parser.add_argument("--yes", action="store_true", help="with --forget on another cluster: do not ask")


def run(arguments: argparse.Namespace) -> int:
    """Stop JupyterLab, then the sandbox with its pods; on another cluster delete what the kit made, if told to."""
    paths = settings.Paths()
    steps = progress.Progress()
    chosen = choice.current(paths)
    with sandbox.one_at_a_time(paths, on_wait=steps.waits):
        with steps.step("JupyterLab and its kernels stopped"):
            had_page = jupyter.stop(paths)
        forwarder.stop_all(paths)
        with steps.step("Sandbox and every pod stopped"):
            sandbox.stop(paths)
        opened = jupyter.open_notebooks(paths) if had_page else []
        if chosen.kubeconfig is not None:
            if arguments.forget:
                _clear(paths, chosen, is_sure=arguments.yes)
        elif arguments.forget:
            with steps.step("Stored objects deleted"):
                sandbox.forget(paths)
                shutil.rmtree(jupyter.runtime(paths), ignore_errors=True)
    if opened:
        print(f"\n{open_tabs(opened)}")
    if not arguments.forget:
        print(f"\n  {KEPT if chosen.kubeconfig is None else _stays(chosen)}")
    return 0


def _stays(chosen: choice.Choice) -> str:
    return f"On {chosen} nothing was changed. ./lab down --forget lists what the kit made there, and deletes it."


def _clear(paths: settings.Paths, chosen: choice.Choice, *, is_sure: bool) -> None:
    """List every object with the kit's label, ask, delete them, and go back to the sandbox.

    A kind cluster of the lab's goes whole.
    """
    from labkit.install import labels, pruning

    if chosen.kind_cluster:
        if not is_sure and not _agreed(f"Delete the kind cluster {chosen.kind_cluster}, which this lab has created?"):
            raise errors.SetupError("Nothing was deleted.", next_step="./lab down --forget --yes does not ask")
        kind.delete(paths, commands.Machine(paths))
        choice.forget(paths)
        print(f"\n  The kind cluster {chosen.kind_cluster} is deleted. The next ./lab up starts a sandbox.")
        return

    api = cluster.of_choice(chosen).client()
    pieces = pruning.pieces(api, chosen.namespace)
    names = {piece.name for piece in pieces if piece.resource.kind == "Namespace"}
    labelled = [entry for entry in labels.listed(api, chosen.namespace) if entry.namespace not in names]
    if pieces or labelled:
        print(f"\nMade by the kit on {chosen}:\n{pruning.summary(pieces)}")
        for entry in labelled:
            print(f"  changed by the kit:\n    {entry}")
        if not is_sure and not _agreed(f"Delete these {len(pieces)} objects, and nothing else?"):
            raise errors.SetupError(
                "Nothing was deleted.", next_step="./lab down --forget --yes deletes without asking"
            )
        for problem in [*pruning.delete(api, pieces), *labels.take_all_back(api, labelled)]:
            print(f"  {problem}")
    choice.forget(paths)
    print(f"\n  {len(pieces)} objects deleted. The next ./lab up starts a sandbox.")


def _agreed(question: str) -> bool:
    if not sys.stdin.isatty():
        return False
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")


def open_tabs(notebooks: list[dict[str, Any]]) -> str:
    """What was open in the browser, and how none of it is lost."""
    lines = ["  These notebooks were open, and their variables are gone:"]
    for notebook in notebooks:
        note = "  NOT SAVED since it last ran" if notebook["unsaved"] else ""
        lines.append(f"    {notebook['path']}{note}")
    lines.append("  Keep the tabs: after ./lab up they connect again, and can be saved and run.")
    return "\n".join(lines)
