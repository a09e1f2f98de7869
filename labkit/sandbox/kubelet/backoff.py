"""How long a failing container waits before its next life, as the kubelet counts it."""

from dataclasses import dataclass

FIRST = 10.0
"""Seconds after the second failure; the first restart is immediate."""

MOST = 300.0
"""Seconds at most."""

FORGIVEN_AFTER = 2 * MOST
"""Seconds of life after which a failure counts as the first again."""


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """What is remembered between two lives."""

    delay: float = 0.0
    """Seconds that the next restart waits."""

    def after(self, lived: float) -> "Backoff":
        """The state once a life of ``lived`` seconds ended and its restart was granted."""
        if self.delay == 0.0 or lived > FORGIVEN_AFTER:
            return Backoff(delay=FIRST)
        return Backoff(delay=min(self.delay * 2, MOST))

    def wait(self, lived: float) -> float:
        """Seconds to wait before the restart that follows a life of ``lived`` seconds."""
        return 0.0 if lived > FORGIVEN_AFTER else self.delay


def go_duration(seconds: float) -> str:
    """``80`` as Go prints it: ``1m20s``."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
