"""Work by key: a key is done by one task at a time, and again if it was asked for meanwhile."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from labkit.kube import informer, status

log = logging.getLogger(__name__)

FIRST_RETRY, LONGEST_RETRY = 0.005, 10.0
"""Seconds before a failed key is tried again, doubling."""

Work = Callable[[informer.Key], Awaitable[None]]


class Queue:
    """Runs ``work`` for every key added; failures are retried with a growing pause."""

    def __init__(self, work: Work, *, name: str) -> None:
        self._work, self._name = work, name
        self._waiting: dict[informer.Key, None] = {}
        self._failures: dict[informer.Key, int] = {}
        self._timers: dict[informer.Key, asyncio.TimerHandle] = {}
        self._wake = asyncio.Event()

    def add(self, key: informer.Key) -> None:
        """Ask for a key; asking twice before it is done is asking once."""
        self._waiting[key] = None
        self._wake.set()

    def add_later(self, key: informer.Key, seconds: float) -> None:
        """Ask for a key in a while; the work then asks again, so that one timer a key, the earliest, is enough."""
        loop = asyncio.get_running_loop()
        timer = self._timers.get(key)
        if timer is not None and not timer.cancelled() and timer.when() <= loop.time() + seconds:
            return
        if timer is not None:
            timer.cancel()
        self._timers[key] = loop.call_later(seconds, self._ring, key)

    def _ring(self, key: informer.Key) -> None:
        del self._timers[key]
        self.add(key)

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                key = next(iter(self._waiting))
                del self._waiting[key]
                await self._once(key)
                # Calls into our own process may never pause: the others have their turn here.
                await asyncio.sleep(0)

    async def _once(self, key: informer.Key) -> None:
        try:
            await self._work(key)
            self._failures.pop(key, None)
        except (status.StatusError, OSError) as e:
            count = self._failures.get(key, 0)
            self._failures[key] = count + 1
            if count > 8:
                log.warning("%s %s: %s", self._name, "/".join(key), e)
            self.add_later(key, pause(count))
        except Exception:
            # One bad object must not stop the work on all others.
            log.exception("%s %s", self._name, "/".join(key))
            self._failures[key] = self._failures.get(key, 0) + 1
            self.add_later(key, LONGEST_RETRY)


def pause(failures: int) -> float:
    """Seconds before a key that failed so often before is tried again; events may add it thousands of times."""
    return float(min(FIRST_RETRY * 2 ** min(failures, 20), LONGEST_RETRY))
