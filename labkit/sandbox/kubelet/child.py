"""What happens between the fork and the first line of a container's program."""

import contextlib
import fcntl
import importlib
import os
import random
import select
import signal
import sys
import termios
import traceback
from typing import Any, NoReturn

from labkit.base import loading
from labkit.sandbox.kubelet import isolation, linux
from labkit.sandbox.kubelet.rootfs import Rootfs

DEFAULTS = (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP)
"""Signals that a container gets as a fresh process does. Not SIGPIPE: a Python program ignores it, and gets an error
of the connection that its peer has closed; with the default it would end (exit code 141)."""


NOT_BUILT = 128
"""Exit code of a container whose file system could not be built, as of one whose program cannot be started."""


def become(frame: dict[str, Any], files: list[int], *, parent: int | None) -> NoReturn:
    """Turn this fresh fork into the process that ``frame`` describes; never returns.

    ``parent`` is a pidfd of the process that must outlive us; a process without one ends with its container.
    """
    code = 1
    try:
        _settle(frame, files, parent)
        code = _enter(frame) or _run(frame)
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


def _settle(frame: dict[str, Any], files: list[int], parent: int | None) -> None:
    signal.set_wakeup_fd(-1)
    for number in DEFAULTS:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.setsid()
    if parent is not None:
        linux.die_with_parent()
        if select.select([parent], [], [], 0)[0]:
            os._exit(137)  # it died before it could be our death signal
    if frame["tty"]:
        fcntl.ioctl(files[0], termios.TIOCSCTTY, 0)
    for target, fd in enumerate(files):
        os.dup2(fd, target)
    # Everything above is the launcher's: its socket, its wake-up pipe, other children's ends.
    os.closerange(3, max(64, *files) + 1)
    os.environ.clear()
    os.environ.update(frame["env"])
    random.seed()


def _enter(frame: dict[str, Any]) -> int:
    """See the container's file system, if it has one of its own, from its working folder; an exit code on failure."""
    try:
        if frame["rootfs"]:
            view = Rootfs.of(frame["rootfs"])
            if frame["member"]:
                isolation.give_up(view)
            else:
                isolation.enter(view)
        os.chdir(frame["cwd"])
    except OSError as e:
        where = f": {e.filename}" if e.filename else ""
        print(f"cannot build the container's file system: {e.strerror or e}{where}", file=sys.stderr, flush=True)
        return NOT_BUILT
    return 0


def _run(frame: dict[str, Any]) -> int:
    argv: list[str] = frame["argv"]
    if not frame["entry"]:
        return _replace(argv)
    sys.argv = list(argv)
    # Logs must be readable as they are written, as PYTHONUNBUFFERED does in images.
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    module, _, function = frame["entry"].partition(":")
    with contextlib.suppress(OSError, ValueError, IndexError):
        is_named = bool(argv) and not argv[0].startswith("-")
        linux.show_as(argv if is_named else [module.rpartition(".")[2], *argv])
    with loading.sparingly():
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
