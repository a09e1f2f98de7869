"""A meter: the rows of one proxy, read again and again while a page shows them.

It knows one callback, ``read() -> rows``. Recorded rows work as well.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import traitlets

from labkit.base import errors
from labkit.views import live

KEEP = 120
"""Looks that are kept: two minutes, a look a second."""

Row = Mapping[str, Any]
Read = Callable[[], Sequence[Row]]


class MeterView(live.LiveView):
    """What limits, circuits and the like have in common; a subclass says what a look changes, in ``_take``."""

    proxy = traitlets.Unicode().tag(sync=True)
    """Whose rows these are."""

    running = traitlets.Bool(False).tag(sync=True)
    """Whether it keeps looking; a page that shows it starts that, assigning it is what the button does."""

    can_read = traitlets.Bool(True).tag(sync=True)
    """False for recorded rows."""

    rows: Any = traitlets.List().tag(sync=True)
    points: Any = traitlets.List().tag(sync=True)
    """A dict per look, with ``t`` in seconds and a number per chart."""

    message = traitlets.Unicode().tag(sync=True)
    """Why the last look failed."""

    def __init__(self, proxy: str, read: Read | None = None, *, every: float | None, **traits: Any) -> None:
        """``every`` is the seconds between two looks; None looks only when ``look`` is called."""
        self._read, self._every = read, every
        self._guard = threading.RLock()
        super().__init__(proxy=proxy, can_read=read is not None, **traits)
        self.observe(self._on_running, names="running")

    @classmethod
    def of_rows(cls, proxy: str, rows: Sequence[Row]) -> Self:
        """Recorded rows."""
        view = cls(proxy, every=None)
        view._take(rows, now=0.0)
        return view

    def start(self) -> Self:
        """Keep looking; returns itself."""
        self.running = True
        return self

    def stop(self) -> None:
        """Look no more."""
        self.running = False

    def look(self) -> Self:
        """Look once, now; returns itself."""
        if self._read is not None:
            try:
                self._take(self._read(), now=time.time())
            except errors.LabError as e:
                with self._guard:
                    self.message = str(e)
        return self

    def appears(self) -> None:
        """Looking begins with the first page that shows the view."""
        if self._read is not None:
            self.start()

    def leaves(self) -> None:
        """Nobody looks, so nothing is read."""
        self.stop()

    def _take(self, rows: Sequence[Row], *, now: float) -> None:
        """Show rows that were read at ``now``, in seconds of any clock."""
        raise NotImplementedError

    def _on_running(self, change: Any) -> None:
        if not change["new"]:
            self.unwatch()
        elif self._read is None:
            self.running = False
        elif self._every is not None:
            self.watch(self.look, every=self._every)
