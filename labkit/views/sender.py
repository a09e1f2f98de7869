"""A sender: a view that can have requests sent as long as somebody looks at it.

It knows one callback, ``send(on_batch) -> stop``.
"""

from collections.abc import Callable, Sequence
from typing import Any, Self

import traitlets

from labkit.base import errors
from labkit.views import live

Send = Callable[[Callable[[Sequence[Any]], None]], Callable[[], None]]
"""Begins to send, hands over what came back in batches, and returns what ends it."""


class SenderView(live.LiveView):
    """What the split, the mesh and the graph have in common: requests are sent while ``running`` is True."""

    running = traitlets.Bool(False).tag(sync=True)
    """Whether requests are being sent; assigning it is what the button does."""

    message = traitlets.Unicode().tag(sync=True)

    def __init__(self, send: Send | None, **traits: Any) -> None:
        self._sender = send
        self._stop_sending: Callable[[], None] | None = None
        super().__init__(**traits)
        self.observe(self._on_running, names="running")

    def start(self) -> Self:
        """Send requests; returns itself."""
        self.running = True
        return self

    def stop(self) -> None:
        """Send no more."""
        self.running = False

    def _on_running(self, change: Any) -> None:
        if change["new"]:
            self._begin()
        else:
            self._end()

    def _begin(self) -> None:
        if self._sender is None:
            self.running = False
            return
        self._presence.looked()
        try:
            self._stop_sending = self._sender(self._on_batch)
        except errors.LabError as e:
            self.message, self.running = str(e), False

    def _end(self) -> None:
        stop, self._stop_sending = self._stop_sending, None
        if stop is not None:
            stop()

    def _on_batch(self, _: Sequence[Any]) -> None:
        if self.running and self._presence.is_lost:
            self.running = False
