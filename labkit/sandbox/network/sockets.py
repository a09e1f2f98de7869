"""Unix sockets of a pod: the kernel takes names of 107 bytes at most, and a pod's folder may lie deeper than that."""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

LONGEST = 107
"""Bytes of a socket's name on Linux, without the last zero (unix(7))."""

OWNER_ONLY = 0o600


@contextlib.contextmanager
def named(path: Path) -> Iterator[str]:
    """A name by which the kernel takes the path: itself, or one that leads through an open folder."""
    if len(os.fsencode(path)) <= LONGEST:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def connect(path: Path, *, within: float | None = None) -> socket.socket:
    """A connection to a socket; OSError where nobody listens."""
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        link.settimeout(within)
        with named(path) as name:
            link.connect(name)
    except BaseException:
        link.close()
        raise
    return link


def is_taken(path: Path) -> bool:
    """Whether somebody listens there; what a program left that was killed does not count."""
    try:
        connect(path, within=1.0).close()
    except OSError:
        return False
    return True


def listen(path: Path, *, backlog: int = 512) -> socket.socket:
    """A listening socket that its owner alone can reach; it takes the place of an older one in a single step."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.unlink(missing_ok=True)
        with named(draft) as name:
            before = os.umask(0o177)
            try:
                listener.bind(name)
            finally:
                os.umask(before)
        listener.listen(backlog)
        draft.replace(path)
    except BaseException:
        listener.close()
        raise
    return listener
