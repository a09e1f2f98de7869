"""TCP ports of this machine: which are free, and who has those that are not."""

import contextlib
import errno
import os
import pwd
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")

NOBODY = "another program"

LISTENING = "0A"
"""The state of a socket that listens, in ``/proc/net/tcp`` (``TCP_LISTEN``)."""


def is_free(host: str, port: int) -> bool:
    """Whether ``host:port`` could be listened on now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a connection that lingers in TIME_WAIT does not make a port taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as e:
            if e.errno in (errno.EADDRINUSE, errno.EACCES, errno.EADDRNOTAVAIL):
                return False
            raise
    return True


def free_port(host: str = "127.0.0.1", *, preferred: int | None = None) -> int:
    """A port nobody listens on: ``preferred`` if it is free, else one the system picks."""
    if preferred is not None and is_free(host, preferred):
        return preferred
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, kw_only=True)
class Listener:
    """A TCP socket that listens (Linux)."""

    address: str
    """``127.0.0.1``, ``0.0.0.0`` for every address, ``::`` for those of IPv6 too."""

    port: int
    user: int
    """Whose it is."""

    inode: int
    """The socket's number, by which its process has it open."""


def listeners() -> list[Listener]:
    """Every listening TCP socket of this machine; none where the system has no ``/proc``."""
    return [one for family in ("tcp", "tcp6") for one in _table(_PROC / "net" / family)]


def _table(path: Path) -> Iterator[Listener]:
    with contextlib.suppress(OSError):
        for line in path.read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENING:
                host, _, port = fields[1].partition(":")
                yield Listener(address=_address(host), port=int(port, 16), user=int(fields[7]), inode=int(fields[9]))


def _address(digits: str) -> str:
    """``0100007F`` is ``127.0.0.1``: words of four bytes, each in the machine's own order."""
    words = [int(digits[i : i + 8], 16).to_bytes(4, "little") for i in range(0, len(digits), 8)]
    return socket.inet_ntop(socket.AF_INET6 if len(words) > 1 else socket.AF_INET, b"".join(words))


def holder(port: int) -> str:
    """Who listens at a port of every address, in words: `` `nginx` (process 812) ``, or whose program it is."""
    for one in listeners():
        if one.port == port and one.address in ("0.0.0.0", "::"):
            pid = process_of(one.inode)
            return f"`{_command(pid)}` (process {pid})" if pid else f"a program of user {_name(one.user)}"
    return NOBODY


def process_of(inode: int) -> int | None:
    """The process that has a socket open; None when it is another user's."""
    for pid in filter(str.isdigit, os.listdir(_PROC)):  # noqa: PTH208 (names are all that is needed)
        with contextlib.suppress(OSError):
            for link in (_PROC / pid / "fd").iterdir():
                if os.readlink(link) == f"socket:[{inode}]":  # noqa: PTH115 (it names no file)
                    return int(pid)
    return None


def _command(pid: int) -> str:
    try:
        return os.fsdecode((_PROC / str(pid) / "cmdline").read_bytes()).replace("\0", " ").strip()[:80]
    except OSError:
        return "?"


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)
