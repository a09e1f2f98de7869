"""Steps with their elapsed time: one line each, rewritten in place on a terminal."""

import contextlib
import sys
import time
from collections.abc import Iterator


class Progress:
    """Prints a line a step; works the same in a terminal and in a log."""

    def __init__(self) -> None:
        self._live = sys.stdout.isatty()
        self._what = ""

    def waits(self) -> None:
        """Say that another command of this lab goes first."""
        print(
            "  … another ./lab up or ./lab down of this lab is at work; this one goes on when that one ends", flush=True
        )

    @contextlib.contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Show ``what`` while it lasts, then whether it worked and the seconds it took."""
        began = time.monotonic()
        self._what = what
        if self._live:
            print(f"  … {what}", end="", flush=True)
        try:
            yield
        except BaseException:
            self._end("✗", what, began)
            raise
        self._end("✓", what, began)

    def line(self, what: str) -> None:
        """A line about something that begins now."""
        print(f"{self._again}  … {what}", flush=True)

    def bytes(self, written: int, length: int | None) -> None:
        """Show how far a download of the current step is, on a terminal."""
        if self._live:
            of = f" of {length / 1e6:.0f}" if length else ""
            print(f"{self._again}  … {self._what} ({written / 1e6:.0f}{of} MB)", end="", flush=True)

    def _end(self, mark: str, what: str, began: float) -> None:
        print(f"{self._again}  {mark} {what:<58}{time.monotonic() - began:6.1f} s", flush=True)

    @property
    def _again(self) -> str:
        """What clears the line of a step that lasts, on a terminal."""
        return "\r\033[K" if self._live else ""
