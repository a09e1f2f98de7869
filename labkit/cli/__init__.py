"""The command line: ``./lab up`` and its kin. The only part of the kit that prints."""

import argparse
import errno
import importlib
import sys
from collections.abc import Sequence

from labkit.base import errors, settings

COMMANDS = {
    "up": "start the sandbox, Istio, Bookinfo and the gateway, and open JupyterLab",
    "down": "stop everything this lab started",
    "status": "what runs, its memory and its addresses",
    "env": 'shell settings for kubectl: eval "$(./lab env)"',
    "istioctl": "Istio's command line on this lab: ./lab istioctl proxy-status",
    "exam": "a mock exam: sixteen tasks, two hours, 68 of 100 points",
    "demo": "play the traffic split in this terminal, in under a minute",
    "run": "execute one notebook without a browser: ./lab run 07",
    "test": "every check: style, types, layers, unit, sandbox, notebooks, browser",
    "gallery": "all views on one page, from canned frames",
    "doctor": "what this machine and the chosen cluster lack, and the command that mends each",
    "tools": "fetch kind, istioctl, helm and prometheus, each verified by its published sum",
    "images": "images of a class on a stick: ./lab images save DIR, ./lab images load DIR",
    "conformance": "try on live proxies what Istio promises: asked, observed, verdict",
    "soak": "ten minutes of traffic while routes change and pods and istiod are killed",
    "bench": "measure this machine against the numbers to hold",
}
"""Each is a module beside this one, with ``options(parser)`` and ``run(arguments) -> exit code``."""


FILES = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.ENOENT)
"""Errors of the system that a person mends: a full disk, a folder that cannot be written."""


def parser(words: Sequence[str] = tuple(COMMANDS)) -> argparse.ArgumentParser:
    """All commands, those among ``words`` with their options: the module of another one is not loaded."""
    top = argparse.ArgumentParser(prog="./lab", description="A hands-on Istio course on your own machine.")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, sentence in COMMANDS.items():
        options = commands.add_parser(name, help=sentence, description=sentence)
        if name in words:
            # Modules are light: what is slow to import, they import when they run.
            importlib.import_module(f"labkit.cli.{name}").options(options)
    return top


def main(words: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it did what it says, 1 with one clear message when it could not."""
    given = sys.argv[1:] if words is None else words
    try:
        arguments = parser(given).parse_args(given)
        command = importlib.import_module(f"labkit.cli.{arguments.command}")
        code: int = command.run(arguments)
    except errors.LabError as e:
        print(e, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped by you. ./lab status shows what runs; ./lab down stops it.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 141  # the reader of our output went away, as in ./lab status | head -1
    except OSError as e:
        if e.errno not in FILES:
            raise
        print(errors.FileError(e, home=str(settings.home())), file=sys.stderr)
        return 1
    return code
