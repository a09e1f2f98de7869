"""A moment that may still be brought forward, and waiting for a process until then."""

import asyncio
from typing import Any


class Deadline:
    """So many seconds from now."""

    def __init__(self, seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._at = self._loop.time() + seconds
        self._moved = asyncio.Event()

    def __repr__(self) -> str:
        return f"Deadline(in {self.left:.1f} s)"

    @property
    def left(self) -> float:
        """Seconds until then; 0 once it has passed."""
        return max(0.0, self._at - self._loop.time())

    def shorten(self, seconds: float) -> None:
        """Bring it forward to so many seconds from now; it is never put off."""
        self._at = min(self._at, self._loop.time() + seconds)
        self._moved.set()

    async def outlasts(self, ended: asyncio.Future[Any]) -> bool:
        """Wait for ``ended``; False when the deadline passes first."""
        while not ended.done() and self.left > 0:
            self._moved.clear()
            moved = asyncio.ensure_future(self._moved.wait())
            try:
                await asyncio.wait({ended, moved}, timeout=self.left, return_when=asyncio.FIRST_COMPLETED)
            finally:
                moved.cancel()
        return ended.done()
