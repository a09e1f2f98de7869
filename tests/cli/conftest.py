"""The command line as a person types it, on a lab of its own."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from labkit.base import settings


@dataclass(frozen=True, kw_only=True)
class Typed:
    """``./lab`` with one lab's folder."""

    paths: settings.Paths

    def __call__(self, *words: str, fails: bool = False) -> str:
        """What it printed, both streams; the exit code must be as expected."""
        done = subprocess.run(
            [sys.executable, "-m", "labkit", *words],
            env=os.environ | {"LABKIT_HOME": str(self.paths.home)},
            cwd=settings.CHECKOUT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode != 0) == fails, f"{words}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> Typed:
    """The command line of a lab that is not up yet."""
    typed = Typed(paths=settings.Paths(home=Path(tmp_path_factory.mktemp("cli")) / "home"))
    yield typed
    typed("down")
