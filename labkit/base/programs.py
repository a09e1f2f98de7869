"""Starting programs of this machine: detached ones that outlive us, and short ones we wait for."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


class Detached(subprocess.Popen[bytes]):
    """A child that is meant to outlive us."""

    def __del__(self, *_: object) -> None:
        # subprocess would warn that it still runs, which is what it is for.
        return


def start(command: Sequence[str], *, log: Path, env: Mapping[str, str]) -> Detached:
    """Start a program of its own session, writing to ``log``; ``env`` is added to ours."""
    with log.open("ab") as out:
        return Detached(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=os.environ | dict(env),
            start_new_session=True,
        )


def run(command: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> int:
    """Run a program on our own terminal to its end; its exit code."""
    return subprocess.run(list(command), env=os.environ | dict(env or {}), cwd=cwd, check=False).returncode


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
