"""A meter: the rows of one proxy, read again and again while a page shows them.

It knows one callback, ``read() -> rows``. Recorded rows work as well.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import traitlets

from labkit.views import looking

KEEP = 120
"""Looks that are kept: two minutes, a look a second."""

Row = Mapping[str, Any]
Read = Callable[[], Sequence[Row]]


class MeterView(looking.PausableView):
    """What limits, circuits and the like have in common; a subclass says what a look changes, in ``take``."""

    proxy = traitlets.Unicode().tag(sync=True)
    """Whose rows these are."""

    rows: Any = traitlets.List().tag(sync=True)
    points: Any = traitlets.List().tag(sync=True)
    """A dict per look, with ``t`` in seconds and a number per chart."""

    def __init__(self, proxy: str, read: Read | None = None, *, every: float | None, **traits: Any) -> None:
        """``every`` is the seconds between two looks; None looks only when ``look`` is called."""
        super().__init__(read=read, every=every, proxy=proxy, **traits)

    @classmethod
    def of_rows(cls, proxy: str, rows: Sequence[Row]) -> Self:
        """Recorded rows."""
        view = cls(proxy, every=None)
        view.take(rows, now=0.0)
        return view
