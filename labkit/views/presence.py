"""Whether a page still shows a view: what runs for a view stops when nobody looks."""

import time
from typing import Any

UNSEEN = 90.0
"""Seconds without a sign of life of any page; hidden tabs give one a minute."""


class Presence:
    """Pages say ``{"alive": their name}`` now and then, and ``{"gone": their name}`` when the view is taken away."""

    def __init__(self) -> None:
        self.seen = time.monotonic()
        """When the last sign of life came."""
        self._pages: set[str] = set()

    def looked(self) -> None:
        """Somebody looks, though no page may say so: a cell that waits."""
        self.seen = time.monotonic()

    def hears(self, content: Any) -> str:
        """Take a message: ``alive``, ``gone`` when it was the last page that left, or nothing."""
        if not isinstance(content, dict):
            return ""
        if "alive" in content:
            self.looked()
            self._pages.add(str(content["alive"]))
            return "alive"
        if "gone" in content:
            self._pages.discard(str(content["gone"]))
            return "" if self._pages else "gone"
        return ""

    @property
    def is_lost(self) -> bool:
        """Whether no sign of life came for too long."""
        return time.monotonic() - self.seen > UNSEEN
