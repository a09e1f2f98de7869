"""The kernel's table of sockets: who listens where."""

import contextlib
import time
from collections.abc import Mapping
from pathlib import Path

LOOK_EVERY = 0.02
"""Seconds between two looks at the table."""

TCP = Path("/proc/net/tcp")
LISTENING = "0A"
"""The state of a listening socket in ``/proc/net/tcp`` (proc(5))."""


def has_table() -> bool:
    """Whether this kernel has one."""
    return TCP.exists()


def listeners(ip: str) -> Mapping[int, int]:
    """How many sockets listen at each port of an address, as of a moment ago."""
    return _Table.read().get("".join(f"{int(part):02X}" for part in reversed(ip.split("."))), {})


class _Table:
    """Many that look at once look at it together."""

    _when, _counts = 0.0, dict[str, dict[int, int]]()

    @classmethod
    def read(cls) -> dict[str, dict[int, int]]:
        """Address as the kernel writes it → port → listening sockets."""
        now = time.monotonic()
        if now - cls._when >= LOOK_EVERY:
            cls._when, cls._counts = now, {}
            with contextlib.suppress(OSError):
                for line in TCP.read_text().splitlines()[1:]:
                    _, local, _, state, *_ = line.split(None, 4)
                    if state == LISTENING:
                        address, _, port = local.partition(":")
                        counts = cls._counts.setdefault(address, {})
                        counts[int(port, 16)] = counts.get(int(port, 16), 0) + 1
        return cls._counts
