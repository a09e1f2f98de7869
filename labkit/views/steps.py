"""Steps as they happen: one line each with its seconds, printed in a notebook, silent in a program."""

import sys
import time
from typing import TextIO


class Steps:
    """Call it with the name of each step that begins; ``end`` closes the last one."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out if out is not None else (sys.stdout if in_notebook() else None)
        self._name, self._since = "", 0.0

    def __call__(self, name: str) -> None:
        """A step begins, so the one before it is done."""
        self.end()
        self._name, self._since = name, time.monotonic()

    def __enter__(self) -> "Steps":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.end()

    def end(self) -> None:
        """Print the step that is done."""
        if self._name and self._out is not None:
            print(f"  ✓ {self._name:<44} {time.monotonic() - self._since:5.1f} s", file=self._out, flush=True)
        self._name = ""


def in_notebook() -> bool:
    """Whether IPython runs us, which shows what is printed below the cell."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and ipython.get_ipython() is not None
