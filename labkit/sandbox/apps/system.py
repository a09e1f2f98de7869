"""Commands that the machine itself has: the container's process becomes that program."""

import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

FOLDERS = "/usr/local/bin:/opt/homebrew/bin:/usr/bin:/bin"
"""Where they are looked for. Not PATH, which begins with the sandbox's own commands."""


def path_of(command: str) -> str | None:
    """The machine's program of that name, given with or without a folder."""
    return shutil.which(command.rpartition("/")[2], path=FOLDERS)


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Become ``argv``; 127 when this machine has no such program, as a shell says it."""
    path = argv[0] if argv[0].startswith("/") and os.access(argv[0], os.X_OK) else path_of(argv[0])
    if path is None:
        print(f"{argv[0]}: not found on this machine", file=sys.stderr, flush=True)
        return 127
    return _become(path, argv, env)


def shell(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """An image without a program of its own: become ``argv``, or a shell, which ends where it has no input."""
    return main(argv or ["sh"], env)


def python(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Become the Python that runs the sandbox."""
    return _become(sys.executable, [sys.executable, *argv[1:]], env)


def _become(path: str, argv: Sequence[str], env: Mapping[str, str]) -> NoReturn:
    sys.stdout.flush()
    # What Python ignores, a shell's pipe needs: `yes | head -1` ends by it.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.execve(path, list(argv), dict(env))
