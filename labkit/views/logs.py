"""Access logs of all proxies, live: lines as they are written, filtered, each explained field by field.

It knows one callback, ``read() -> new lines``. Recorded lines work as well.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Self

import traitlets

from labkit.telemetry import accesslogs, logfields
from labkit.telemetry.logfilters import LineFilter
from labkit.views import assets, logtable, looking, markup

EVERY = 1.0
"""Seconds between two looks; each asks every proxy for what it wrote since the look before."""

KEPT = 2000
"""Lines that are kept, of all proxies together."""

SHOWN = 100
"""Rows that a page shows at most, the newest."""

Read = Callable[[], Sequence[accesslogs.Step]]


class LogView(looking.PausableView):
    """One row per line, the newest at the end; a row opens its fields. The filter holds for old lines and new ones."""

    made_by = "lab.logs"
    _esm = assets.module("logs")
    _css = assets.styles("logs")

    proxy = traitlets.Unicode().tag(sync=True)
    path = traitlets.Unicode().tag(sync=True)
    status = traitlets.Unicode().tag(sync=True)
    """A status as text; empty for every one."""

    flags = traitlets.Unicode().tag(sync=True)
    failed = traitlets.Bool(False).tag(sync=True)
    """These five are the filter, as ``LineFilter`` has it."""

    rows: Any = traitlets.List().tag(sync=True)
    """``{"key", "cells", "failed"}`` of the newest lines that fit; cells as ``logtable.HEAD``."""

    count = traitlets.Int(0).tag(sync=True)
    """Lines that were read and are kept."""

    fitting = traitlets.Int(0).tag(sync=True)
    """How many of them fit."""

    selected = traitlets.Unicode().tag(sync=True)
    """The key of the line whose fields are shown; assigning it is what a click does."""

    text = traitlets.Unicode().tag(sync=True)
    """That line as it stands in the log."""

    fields: Any = traitlets.List().tag(sync=True)
    """Its fields: name, value, meaning."""

    def __init__(
        self, read: Read | None = None, *, only: LineFilter | None = None, every: float | None = EVERY
    ) -> None:
        """``every`` is the seconds between two looks; None looks only when ``look`` is called."""
        only = only or LineFilter()
        self._steps: deque[tuple[str, accesslogs.Step]] = deque(maxlen=KEPT)
        self._number = 0
        super().__init__(
            read=read,
            every=every,
            proxy=only.proxy,
            path=only.path,
            status="" if only.status is None else str(only.status),
            flags=only.flags,
            failed=only.failed,
        )
        self.observe(self._on_filter, names=("proxy", "path", "status", "flags", "failed"))
        self.observe(self._on_selected, names="selected")
        self._refresh()

    @classmethod
    def of_steps(cls, steps: Sequence[accesslogs.Step], *, only: LineFilter | None = None) -> Self:
        """Recorded lines."""
        view = cls(only=only, every=None)
        view.take(steps)
        return view

    def __repr__(self) -> str:
        return f"Logs({self.fitting} of {self.count} lines{f', {self.only}' if str(self.only) else ''})"

    @property
    def only(self) -> LineFilter:
        """The filter as it is now; a status that is no number fits nothing."""
        return LineFilter(
            proxy=self.proxy.strip(),
            path=self.path.strip(),
            status=None if not self.status.strip() else int(self.status) if self.status.strip().isdecimal() else -1,
            flags=self.flags.strip().upper(),
            failed=self.failed,
        )

    @property
    def lines(self) -> logtable.LogTable:
        """The lines that fit, as ``lab.logs()`` without ``follow`` has them."""
        only = self.only
        with self._guard:
            return logtable.LogTable(steps=[step for _, step in self._steps if only.fits(step)])

    def table(self) -> Any:
        """The table twin as a DataFrame: a row per line that fits."""
        return self.lines.table()

    def static_html(self) -> str:
        """The newest lines as they are now, for exports."""
        shown = logtable.LogTable(steps=self.lines.steps[-SHOWN:])
        words = f"{self.fitting} of {self.count} lines{f': {self.only}' if str(self.only) else ''}"
        return f'<div style="{markup.QUIET}">{markup.text(words)}</div>{shown._repr_html_()}'

    def take(self, steps: Sequence[accesslogs.Step], *, now: float = 0.0) -> None:
        """Show lines that were read, whenever that was."""
        if not steps and not self.message:
            return
        with self._guard, self.hold_sync():
            for step in steps:
                self._number += 1
                self._steps.append((str(self._number), step))
            self.message = ""
            self._refresh()

    def _refresh(self) -> None:
        only = self.only
        fitting = [(key, step) for key, step in self._steps if only.fits(step)]
        self.count, self.fitting = len(self._steps), len(fitting)
        self.rows = [
            {"key": key, "cells": [str(c) for c in logtable.cells(step)], "failed": LineFilter(failed=True).fits(step)}
            for key, step in fitting[-SHOWN:]
        ]

    def _on_filter(self, _: Any) -> None:
        with self._guard, self.hold_sync():
            self._refresh()

    def _on_selected(self, change: Any) -> None:
        with self._guard, self.hold_sync():
            step = next((step for key, step in self._steps if key == change["new"]), None)
            self.text = f"{step.proxy}: {step.text}" if step else ""
            self.fields = [list(field) for field in logfields.fields(step.text)] if step else []
