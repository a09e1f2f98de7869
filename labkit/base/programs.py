"""Starting programs of this machine: detached ones that outlive us, and short ones we wait for."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labkit.base import processes

GATE = 'read -r go && exec "$@" </dev/null'
"""Wait for a line, then become the program: with the same process, so the same number and time of birth."""


class Detached(subprocess.Popen[bytes]):
    """A child that is meant to outlive us."""

    def __del__(self, *_: object) -> None:
        # subprocess would warn that it still runs, which is what it is for.
        return


def start(
    command: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str],
    record: Callable[[processes.Identity], None],
    files: Sequence[int] = (),
) -> Detached:
    """Start a program of its own session, writing to ``log``; ``env`` is added to ours, it inherits ``files``.

    ``record`` learns which process it is before its first line runs. Whoever ends us before that, or while we record,
    ends the program with us.
    """
    with log.open("ab") as out:
        child = Detached(
            ["/bin/sh", "-c", GATE, "lab", *command],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=out,
            env=os.environ | dict(env),
            start_new_session=True,
            pass_fds=files,
        )
    assert child.stdin is not None
    with child.stdin as gate:
        record(processes.identity(child.pid))
        gate.write(b"go\n")
    return child


def run(command: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> int:
    """Run a program on our own terminal to its end; its exit code."""
    return subprocess.run(list(command), env=os.environ | dict(env or {}), cwd=cwd, check=False).returncode


def run_quietly(
    command: Sequence[str], log: Path, *, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> int:
    """Run a program to its end with all that it prints in a file; its exit code."""
    with log.open("wb") as out:
        return subprocess.run(
            list(command),
            env=os.environ | dict(env or {}),
            cwd=cwd,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        ).returncode


def beside_python(name: str) -> Path:
    """A program installed with the packages, such as ``kubectl``: it lies beside the interpreter."""
    return Path(sys.executable).parent / name


def tail(log: Path, *, lines: int = 15) -> str:
    """The end of a log, for an error message."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) or "(the log is empty)"
    except OSError as e:
        return str(e)


@dataclass(frozen=True, kw_only=True)
class Output:
    """What a short program printed."""

    code: int
    """Its exit code."""

    out: str
    err: str


def output(
    command: Sequence[str], *, env: Mapping[str, str] | None = None, text: str | None = None, timeout: float
) -> Output:
    """Run a program to its end with ``text`` on its standard input; TimeoutExpired after ``timeout`` seconds."""
    done = subprocess.run(
        list(command),
        env=os.environ | dict(env or {}),
        input=text if text is not None else "",
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Output(code=done.returncode, out=done.stdout, err=done.stderr)
