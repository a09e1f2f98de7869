"""Memory that this process has freed, given back to the system."""

import asyncio
import ctypes
import gc
import sys

EVERY = 4.0
"""Seconds between two returns: each costs half a millisecond."""


async def keep_small() -> None:
    """Return freed memory now and then, until cancelled; the collector leaves alone what the start has left.

    glibc keeps what lies between blocks in use (malloc_trim(3)): after a start that is 2 MB of 60 for the sandbox and
    for istiod each. Other C libraries have no such call.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    await asyncio.sleep(EVERY)
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    while trim:
        trim(0)
        await asyncio.sleep(EVERY)
