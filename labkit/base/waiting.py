"""Waiting for a condition with a deadline, and saying what was last seen when it passes."""

import time
from collections.abc import Callable
from typing import TypeVar

from labkit.base import errors

T = TypeVar("T")


def until(
    probe: Callable[[], T],
    *,
    what: str,
    timeout: float,
    next_step: str,
    every: float = 0.05,
    show: Callable[[T], str] = str,
) -> T:
    """The first truthy value of ``probe()``; it is asked every ``every`` seconds for ``timeout`` seconds.

    Raises NotReadyError with ``show(last value)`` when time is up.
    """
    start = time.monotonic()
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() - start > timeout:
            raise errors.NotReadyError(what, waited=timeout, last_seen=show(value), next_step=next_step)
        time.sleep(every)
