"""``python -m labkit.sandbox``: the sandbox in the foreground, until it is told to stop."""

import argparse
import asyncio
import contextlib
import sys
from pathlib import Path

from labkit.base import errors, settings
from labkit.sandbox import daemon


def main() -> int:
    """Run the sandbox of ``--home`` or ``LABKIT_HOME``; 0 after an orderly stop."""
    parser = argparse.ArgumentParser(prog="python -m labkit.sandbox", description=__doc__)
    parser.add_argument("--home", type=Path, default=settings.home(), help="the lab's folder")
    paths = settings.Paths(home=parser.parse_args().home.absolute())
    try:
        asyncio.run(daemon.serve(paths))
    except errors.LabError as e:
        print(e, file=sys.stderr)
        with contextlib.suppress(OSError):
            (paths.run / daemon.FAILURE).write_text(str(e))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
