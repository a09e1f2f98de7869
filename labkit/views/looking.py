"""Views that read again and again while a page shows them, with and without a button that pauses the reading."""

import threading
import time
from collections.abc import Callable
from typing import Any, Self

import traitlets

from labkit.base import errors
from labkit.views import live


class LookingView(live.LiveView):
    """Reads every so many seconds, from the first page that shows it to the last; a subclass draws in ``take``."""

    message = traitlets.Unicode().tag(sync=True)
    """Why the last look failed, or what else there is to say."""

    def __init__(self, *, read: Callable[[], Any] | None, every: float | None, **traits: Any) -> None:
        """``every`` is the seconds between two looks; None looks only when ``look`` is called."""
        self._read, self._every = read, every
        self._guard = threading.RLock()
        super().__init__(**traits)

    def look(self) -> Self:
        """Look once, now; returns itself."""
        if self._read is not None:
            try:
                reading = self._read()
            except errors.LabError as e:
                with self._guard:
                    self.message = str(e)
            else:
                self.take(reading, now=time.time())
        return self

    def appears(self) -> None:
        """Looking begins with the first page that shows the view."""
        if self._read is not None and self._every is not None:
            self.watch(self.look, every=self._every)

    def leaves(self) -> None:
        """Nobody looks, so nothing is read."""
        self.unwatch()

    def take(self, reading: Any, *, now: float) -> None:
        """Draw what was read at ``now``, in seconds of any clock."""
        raise NotImplementedError


class PausableView(LookingView):
    """A view whose looking a button pauses; recorded readings have no button."""

    running = traitlets.Bool(False).tag(sync=True)
    """Whether it keeps looking; a page that shows it starts that, assigning it is what the button does."""

    can_read = traitlets.Bool(True).tag(sync=True)
    """False for recorded readings."""

    def __init__(self, *, read: Callable[[], Any] | None, every: float | None, **traits: Any) -> None:
        """``every`` is the seconds between two looks; None looks only when ``look`` is called."""
        super().__init__(read=read, every=every, can_read=read is not None, **traits)
        self.observe(self._on_running, names="running")

    def start(self) -> Self:
        """Keep looking; returns itself."""
        self.running = True
        return self

    def stop(self) -> None:
        """Look no more; what was read stays."""
        self.running = False

    def appears(self) -> None:
        """Looking begins with the first page that shows the view."""
        if self._read is not None and self._every is not None:
            self.start()

    def leaves(self) -> None:
        """Nobody looks, so nothing is read."""
        self.stop()

    def _on_running(self, change: Any) -> None:
        if not change["new"]:
            self.unwatch()
        elif self._read is None:
            self.running = False
        elif self._every is not None:
            self.watch(self.look, every=self._every)
