"""Bytes between a process's descriptors and the event loop."""

import asyncio
import contextlib
import fcntl
import os
from collections.abc import Callable

_CHUNK = 65536
_PIPE_SIZE = 256 * 1024
"""Bytes of output a process may be ahead of the sandbox before its write waits; Envoy must not wait to log."""

_F_SETPIPE_SZ = getattr(fcntl, "F_SETPIPE_SZ", None)


def wide_pipe() -> tuple[int, int]:
    """A pipe as (read end, write end), wider than usual where the system allows it."""
    reading, writing = os.pipe()
    if _F_SETPIPE_SZ is not None:
        with contextlib.suppress(OSError):
            fcntl.fcntl(writing, _F_SETPIPE_SZ, _PIPE_SIZE)
    return reading, writing


class Pump:
    """Hands what comes from a descriptor to ``sink`` until its end; owns the descriptor."""

    def __init__(self, fd: int, sink: Callable[[bytes], None]) -> None:
        self._fd, self._sink = fd, sink
        self._is_open = True
        os.set_blocking(fd, False)
        asyncio.get_running_loop().add_reader(fd, self._read)

    def _read(self) -> bool:
        """Whether there may be more."""
        try:
            data = os.read(self._fd, _CHUNK)
        except BlockingIOError:
            return False
        except OSError:  # a terminal whose other side is closed
            data = b""
        if data:
            self._sink(data)
        else:
            self._close()
        return bool(data)

    def finish(self) -> None:
        """Take what is there already and close: the process has ended, whoever else holds the other end."""
        while self._is_open and self._read():
            pass
        self._close()

    def _close(self) -> None:
        if self._is_open:
            self._is_open = False
            asyncio.get_running_loop().remove_reader(self._fd)
            os.close(self._fd)
