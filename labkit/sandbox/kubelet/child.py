"""What happens between the fork and the first line of a container's program."""

import contextlib
import ctypes
import fcntl
import importlib
import os
import random
import signal
import sys
import termios
import traceback
from typing import Any, NoReturn

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
"""Loaded before the first fork, so that children share it."""

DEFAULTS = (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP)
"""Signals that a container gets as a fresh process does. Not SIGPIPE: a Python program ignores it, and gets an error
of the connection that its peer has closed; with the default it would end (exit code 141)."""


def adopt_orphans() -> None:
    """Become the parent of grandchildren whose parent ends (Linux), so that none is lost sight of."""
    if _LIBC:
        _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def become(frame: dict[str, Any], files: list[int]) -> NoReturn:
    """Turn this fresh fork into the process that ``frame`` describes; never returns."""
    code = 1
    try:
        _settle(frame, files)
        code = _run(frame)
    except SystemExit as e:
        code = e.code if isinstance(e.code, int) else int(e.code is not None)
    except KeyboardInterrupt:
        code = 130
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code & 0xFF)


def _settle(frame: dict[str, Any], files: list[int]) -> None:
    parent = os.getppid()
    signal.set_wakeup_fd(-1)
    for number in DEFAULTS:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.setsid()
    if _LIBC:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(137)  # the launcher died before it could be our death signal
    if frame["tty"]:
        fcntl.ioctl(files[0], termios.TIOCSCTTY, 0)
    for target, fd in enumerate(files):
        os.dup2(fd, target)
    # Everything above is the launcher's: its socket, its wake-up pipe, other children's ends.
    os.closerange(3, max(64, *files) + 1)
    os.environ.clear()
    os.environ.update(frame["env"])
    os.chdir(frame["cwd"])
    random.seed()


def _run(frame: dict[str, Any]) -> int:
    argv: list[str] = frame["argv"]
    if not frame["entry"]:
        return _replace(argv)
    sys.argv = list(argv)
    # Logs must be readable as they are written, as PYTHONUNBUFFERED does in images.
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    module, _, function = frame["entry"].partition(":")
    main = getattr(importlib.import_module(module), function)
    return int(main(argv, dict(os.environ)) or 0)


def _replace(argv: list[str]) -> int:
    try:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.execvpe(argv[0], argv, dict(os.environ))
    except FileNotFoundError:
        print(f"{argv[0]}: not found on this machine", file=sys.stderr, flush=True)
        return 127
    except OSError as e:
        print(f"{argv[0]}: {e.strerror}", file=sys.stderr, flush=True)
        return 126
