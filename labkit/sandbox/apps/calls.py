"""Many calls of one kind: workers with a connection each, at a rate or as fast as answers come."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from labkit.sandbox.apps import channel

CATCH_UP = 0.25
"""Seconds of calls that are made up for after a stall; what was missed before is not sent in one burst."""

ROUNDING = 1e-6
"""Seconds by which sums of a clock's large numbers may be off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one call went: a reply or an error."""

    at: float
    """When it was sent, in seconds since the epoch."""

    seconds: float
    """From sending to the last byte of the reply."""

    reply: channel.Reply | None
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How many calls, and when; without a count or a duration it goes on until cancelled."""

    workers: int = 4
    """Connections, each with one call at a time."""

    count: int | None = None
    """Calls over all workers together."""

    rate: float | None = None
    """Calls per second over all workers together; None for as fast as answers come."""

    duration: float | None = None
    """Seconds after which no call is sent."""

    limit: float = 15.0
    """Seconds that one call may take."""


async def run(call: channel.Call, plan: Plan, on_outcome: Callable[[Outcome], None]) -> None:
    """Make the calls; each outcome is handed over as it comes."""
    slots = _Slots(plan)
    async with asyncio.TaskGroup() as group:
        for _ in range(max(1, plan.workers)):
            group.create_task(_work(call, plan, slots, on_outcome))


class _Slots:
    """Hands out the moments at which calls are due, so that no worker's slow reply thins out the rest."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._taken = 0
        self._began = self._start = time.monotonic()

    def take(self) -> float | None:
        """The next call's moment in monotonic seconds, or None when there is no more."""
        plan, number, now = self._plan, self._taken, time.monotonic()
        due = self._start + number / plan.rate if plan.rate else now
        if due < now - CATCH_UP:
            self._start += now - due
            due = now
        if plan.count is not None and number >= plan.count:
            return None
        if plan.duration is not None and max(due, now) - self._began > plan.duration - ROUNDING:
            return None
        self._taken += 1
        return due


async def _work(call: channel.Call, plan: Plan, slots: _Slots, on_outcome: Callable[[Outcome], None]) -> None:
    opened: channel.Channel | None = None
    try:
        while (due := slots.take()) is not None:
            if (wait := due - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            at, start = time.time(), time.perf_counter()
            reply, error = None, ""
            try:
                async with asyncio.timeout(plan.limit):
                    opened, reply = await _ask(call, opened)
            except TimeoutError:
                error = f"no reply within {plan.limit:g} s"
            except OSError as e:
                error = e.strerror or str(e) or type(e).__name__
            on_outcome(Outcome(at=at, seconds=time.perf_counter() - start, reply=reply, error=error))
            if error:
                opened = None
                await asyncio.sleep(0.005)  # a refused connection must not become a busy loop
    finally:
        if opened:
            opened.close()


async def _ask(call: channel.Call, kept: channel.Channel | None) -> tuple[channel.Channel, channel.Reply]:
    """Ask on the kept connection if it is open, else on a new one.

    A server may close a kept connection at the moment that we use it; then, and only if no byte came
    back, the request goes out once more (RFC 9112, 9.3.1): that is not a fault of what we measure.
    """
    if kept is not None and kept.is_open:
        try:
            return kept, await kept.ask(call.method, call.request)
        except channel.BrokenError as e:
            if not e.is_unanswered or call.method not in ("GET", "HEAD"):
                raise
    opened = await call.open()
    try:
        return opened, await opened.ask(call.method, call.request)
    except BaseException:
        opened.close()
        raise
