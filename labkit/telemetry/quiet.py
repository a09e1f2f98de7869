"""What grows by itself for a moment, such as lines of a log: read until it stays the same."""

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")

PAUSE = 0.3
"""Seconds between two readings: an app of the sandbox writes its lines every tenth of a second, real ones sooner."""

READINGS = 20
"""At most; what never comes to rest is told as it is."""


def at_rest(read: Callable[[], Value], *, pause: float = PAUSE) -> Value:
    """The first value that two readings in a row agree on; the last one where they never do."""
    seen = read()
    for _ in range(READINGS - 1):
        time.sleep(pause)
        reading = read()
        if reading == seen:
            break
        seen = reading
    return seen
