"""The one seam for programs of the machine that the kit does not bring: docker, kind, istioctl and their kin."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from labkit.base import programs, settings

MISSING, TOO_LONG = 127, 124
"""Exit codes as shells and ``timeout`` have them."""


class Commands(Protocol):
    """Runs programs; tests have recorded outputs."""

    def run(self, words: Sequence[str], *, text: str | None = None, timeout: float = 10.0) -> programs.Output:
        """What it printed; code 127 where there is no such program, 124 where it did not end in time."""

    def path(self, name: str) -> Path | None:
        """Where a program is; None where it is not."""


class Machine:
    """This machine's programs; those of ``./lab tools install`` come first."""

    def __init__(self, paths: settings.Paths, env: Mapping[str, str] | None = None) -> None:
        self._paths, self._env = paths, dict(env or {})

    def __repr__(self) -> str:
        return f"Machine({str(self._paths.tools)!r})"

    def path(self, name: str) -> Path | None:
        """Of the lab's own tools, of the packages, else of the search path."""
        for own in (self._paths.tools / name, programs.beside_python(name)):
            if own.exists():
                return own
        # Not the lab's own istioctl, which stands at the end of the PATH of its terminals and installs nothing.
        shims = str(self._paths.home / "bin")
        search = os.pathsep.join(p for p in os.environ.get("PATH", "").split(os.pathsep) if p and p != shims)
        elsewhere = shutil.which(name, path=search)
        return Path(elsewhere) if elsewhere else None

    def run(self, words: Sequence[str], *, text: str | None = None, timeout: float = 10.0) -> programs.Output:
        """Run it to its end."""
        program = self.path(words[0])
        if program is None:
            return programs.Output(code=MISSING, out="", err=f"{words[0]}: command not found")
        search = f"{self._paths.tools}{os.pathsep}{os.environ.get('PATH', '')}"
        try:
            return programs.output(
                [str(program), *words[1:]], env={"PATH": search, **self._env}, text=text, timeout=timeout
            )
        except subprocess.TimeoutExpired:
            return programs.Output(code=TOO_LONG, out="", err=f"{words[0]} did not end within {timeout:g} s")
        except OSError as e:
            return programs.Output(code=MISSING, out="", err=f"{program}: {e.strerror}")
