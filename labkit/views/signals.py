"""The golden signals of a service, live: three charts above each other, with marks where configuration changed.

It knows one callback, ``read() -> Golden``. A recorded ``Golden`` works as well; its static form is that one's.
"""

from collections.abc import Callable
from typing import Any, Self

import traitlets

from labkit.telemetry.golden import Mark
from labkit.views import assets, looking
from labkit.views.golden import Golden

EVERY = 5.0
"""Seconds between two looks; each asks Prometheus five queries, and the API for the rules."""

Read = Callable[[], Golden]


class SignalsView(looking.PausableView):
    """Requests, failures and latencies as callers see them; ``frame``, ``marks`` and ``table()`` are those drawn."""

    made_by = "lab.golden"
    _esm = assets.module("signals")
    _css = assets.styles("signals")

    service = traitlets.Unicode().tag(sync=True)
    said = traitlets.Unicode().tag(sync=True)
    """The newest numbers in words."""

    points: Any = traitlets.List().tag(sync=True)
    """A dict a moment: ``t`` in seconds since the epoch, and each column of the frame, None where it has no value."""

    changes: Any = traitlets.List().tag(sync=True)
    """``{"t", "what"}`` of each change of configuration."""

    def __init__(self, service: str, read: Read | None = None, *, every: float | None = EVERY) -> None:
        """``every`` is the seconds between two looks; None looks only when ``look`` is called."""
        self._golden = Golden(service=service)
        super().__init__(read=read, every=every, service=service)

    @classmethod
    def of_golden(cls, golden: Golden) -> Self:
        """Recorded signals."""
        view = cls(golden.service, every=None)
        view.take(golden)
        return view

    def __repr__(self) -> str:
        return repr(self._golden)

    @property
    def frame(self) -> Any:
        """The signals as a DataFrame, a row a moment."""
        return self._golden.frame

    @property
    def marks(self) -> list[Mark]:
        """When configuration changed."""
        return list(self._golden.marks)

    def last(self) -> str:
        """The newest numbers in words."""
        return self._golden.last()

    def table(self) -> Any:
        """The table twin: a row a moment."""
        return self._golden.table()

    def static_html(self) -> str:
        """The charts as they are now, for exports."""
        return self._golden._repr_html_()

    def take(self, golden: Golden, *, now: float = 0.0) -> None:
        """Draw signals that were read; they know their own times."""
        with self._guard, self.hold_sync():
            self._golden = golden
            self.message, self.said = "", golden.last()
            self.points = [
                {"t": at.timestamp(), **{name: _number(value) for name, value in row.items()}}
                for at, row in golden.frame.to_dict("index").items()
            ]
            self.changes = [{"t": mark.time.timestamp(), "what": mark.what} for mark in golden.marks]


def _number(value: float) -> float | None:
    """JSON has neither NaN nor infinity."""
    return round(value, 2) if value == value and abs(value) != float("inf") else None
