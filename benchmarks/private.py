"""A lab of our own in a temporary folder, driven by its command line as a user drives it."""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from labkit.base import errors, programs, settings
from labkit.kube import client

LONGEST_UP = 120.0
"""Seconds after which ``./lab up`` counts as failed."""


class CommandError(errors.LabError):
    """A command of the lab failed; its text is the end of what it printed."""

    def __init__(self, command: str, *, code: int, output: str) -> None:
        super().__init__(f"{command} ended with {code}: {output.strip()[-500:]}\nNext: run it by hand")


class PrivateLab:
    """``with PrivateLab() as lab: lab.up()``; leaves nothing behind."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="labkit-bench-", ignore_cleanup_errors=True)
        self._number = 0
        self.paths = settings.Paths(home=Path(self._folder.name) / "home-0")

    def __repr__(self) -> str:
        return f"PrivateLab({self.paths.home})"

    def __enter__(self) -> "PrivateLab":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()
        self._folder.cleanup()

    def fresh(self) -> None:
        """Forget everything: the next ``up`` starts from nothing."""
        self.down()
        self._number += 1
        self.paths = settings.Paths(home=Path(self._folder.name) / f"home-{self._number}")

    def up(self) -> float:
        """``./lab up``; seconds from the command to its end, which is after a 200 through the gateway."""
        began = time.monotonic()
        self.lab("up", "--no-browser", "--no-jupyter", timeout=LONGEST_UP)
        return time.monotonic() - began

    def down(self) -> None:
        """``./lab down``."""
        if self.paths.home.exists():
            self.lab("down", timeout=60.0)

    def status(self) -> dict[str, Any]:
        """What ``./lab status --json`` says."""
        facts: dict[str, Any] = json.loads(self.lab("status", "--json", timeout=30.0))
        return facts

    def lab(self, *words: str, timeout: float) -> str:
        """Run ``./lab`` with these words; what it printed, or CommandError."""
        ran = self._run(["./lab", *words], timeout=timeout)
        if ran.returncode:
            raise CommandError(f"./lab {words[0]}", code=ran.returncode, output=ran.stdout + ran.stderr)
        return ran.stdout

    def kubectl(self, *words: str, stdin: str = "", timeout: float = 120.0) -> "subprocess.CompletedProcess[str]":
        """Run kubectl on this lab, whatever its exit code."""
        env = {"KUBECACHEDIR": str(self.paths.kube_cache), "KUBECONFIG": str(self.paths.kubeconfig)}
        return self._run([str(programs.beside_python("kubectl")), *words], stdin=stdin, timeout=timeout, env=env)

    def python(self, *words: str, timeout: float) -> str:
        """Run Python with this lab's environment, as a notebook's kernel has it."""
        ran = self._run([str(programs.beside_python("python")), *words], timeout=timeout)
        if ran.returncode:
            raise CommandError("python", code=ran.returncode, output=ran.stdout + ran.stderr)
        return ran.stdout

    def client(self) -> client.Client:
        """A client of its API."""
        return client.Client.from_kubeconfig(self.paths.kubeconfig)

    def _run(
        self, command: list[str], *, timeout: float, stdin: str = "", env: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd=settings.CHECKOUT,
            env=os.environ | {"LABKIT_HOME": str(self.paths.home)} | dict(env or {}),
            check=False,
        )
