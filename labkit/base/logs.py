"""Logs that stay small however long their program runs."""

import os
from pathlib import Path

LIMIT = 4 * 1024 * 1024
"""Bytes of a log before its older half goes to a file beside it, which replaces the one before."""

EVERY = 2.0
"""Seconds between two looks at a log's size."""


class Bounded:
    """A log that its program and the program's children append to (``O_APPEND``)."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def keep(self) -> None:
        """Start it afresh when it has grown too large; ``NAME.1`` keeps what it held."""
        try:
            if self._path.stat().st_size > LIMIT:
                older = self._path.read_bytes()[-LIMIT:]
                os.truncate(self._path, 0)
                self._path.with_name(f"{self._path.name}.1").write_bytes(older)
        except OSError:
            return  # no log is worth the program that writes it
