"""Memory that this process has freed, given back to the system."""

import asyncio
import contextlib
import ctypes
import gc
import mmap
import sys
from collections.abc import Iterator
from pathlib import Path

EVERY = 4.0
"""Seconds between two returns: each costs half a millisecond."""


async def keep_small() -> None:
    """Return freed memory now and then, until cancelled; the collector leaves alone what the start has left.

    glibc keeps what lies between blocks in use (malloc_trim(3)): after a start that is 2 MB of 60 for the sandbox and
    for istiod each. Other C libraries have no such call.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    await asyncio.sleep(EVERY)
    if trim:
        _unmap_code()
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    while trim:
        trim(0)
        await asyncio.sleep(EVERY)


def _unmap_code() -> None:
    """Unmap the libraries' machine code; what runs again comes back from the page cache, a page at a time.

    A start runs much that is never run again: 9 of gRPC's 10 MB. Only pages that are as they are in their file go,
    since madvise(2) forgets all others.
    """
    advise = ctypes.CDLL(None).madvise
    smaps = ""
    with contextlib.suppress(OSError):  # Not every kernel has it.
        smaps = Path("/proc/self/smaps").read_text(encoding="utf-8", errors="replace")
    for start, end in _code(smaps):
        advise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), mmap.MADV_DONTNEED)


def _code(smaps: str) -> Iterator[tuple[int, int]]:
    """First address and end of each mapping of a file's code that nothing has changed, by proc_pid_smaps(5)."""
    place: tuple[int, int] | None = None
    for line in smaps.splitlines():
        words = line.split()
        if not words[0].endswith(":"):
            start, end = (int(address, 16) for address in words[0].split("-"))
            is_code = words[1] == "r-xp" and len(words) > 5 and words[5].startswith("/")
            place = (start, end) if is_code else None
        elif words[0] == "Anonymous:" and words[1] == "0" and place:
            yield place
