"""``python -m labkit.sandbox``: the sandbox in the foreground, until it is told to stop."""

import asyncio
import sys

from labkit.base import errors, settings
from labkit.sandbox import daemon


def main() -> int:
    """Run the sandbox of ``LABKIT_HOME``; 0 after an orderly stop."""
    try:
        asyncio.run(daemon.serve(settings.Paths()))
    except errors.LabError as e:
        print(e, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
