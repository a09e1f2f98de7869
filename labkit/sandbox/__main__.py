"""``python -m labkit.sandbox``: the sandbox in the foreground, until it is told to stop."""

import argparse
import asyncio
import contextlib
import os
import sqlite3
import sys
from pathlib import Path

from labkit.base import errors, loading, settings

with loading.sparingly():
    from labkit.sandbox import daemon


def main() -> int:
    """Run the sandbox of ``--home`` or ``LABKIT_HOME``; 0 after an orderly stop."""
    parser = argparse.ArgumentParser(prog="python -m labkit.sandbox", description=__doc__)
    parser.add_argument("--home", type=Path, default=settings.home(), help="the lab's folder")
    parser.add_argument("--report", type=int, metavar="FD", help="an inherited pipe, for why it did not come up")
    given = parser.parse_args()
    if given.report is not None:
        os.set_inheritable(given.report, False)
    paths = settings.Paths(home=given.home.absolute())
    try:
        try:
            asyncio.run(daemon.serve(paths))
        except OSError as e:
            raise errors.FileError(e, home=str(paths.home)) from e
        except sqlite3.Error as e:
            raise errors.SetupError(f"The lab's objects cannot be stored: {e}.", next_step=_space(paths)) from e
    except errors.LabError as e:
        if given.report is not None:
            with contextlib.suppress(BrokenPipeError):  # whoever started it may be gone
                os.write(given.report, str(e).encode())
        with contextlib.suppress(OSError):  # the log may lie on a full disk
            print(e, file=sys.stderr, flush=True)
        return 1
    return 0


def _space(paths: settings.Paths) -> str:
    return f"free some space on the disk of {paths.home}, then ./lab up"


if __name__ == "__main__":
    sys.exit(main())
