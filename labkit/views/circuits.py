"""The circuit panel: limits, what a limit refused, and ejected endpoints of one proxy, live.

It knows one callback, ``read() -> rows`` as ``telemetry.circuits.rows`` makes them; recorded rows work as well.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import traitlets

from labkit.base import errors
from labkit.views import assets, live, markup

EVERY = 2.0
"""Seconds between two looks; each costs two requests to the proxy's admin port."""

KEEP = 60
"""Looks that are kept: two minutes."""

HEAD = ("upstream", "circuit", "connections", "waiting", "requests", "refused", "endpoints")

Row = Mapping[str, Any]
Read = Callable[[], Sequence[Row]]


class CircuitView(live.LiveView):
    """One row per upstream: whether its circuit is open, what is in use of its limits, which endpoints are ejected."""

    made_by = "lab.circuits"
    _esm = assets.module("circuits")
    _css = assets.styles("circuits")

    proxy = traitlets.Unicode().tag(sync=True)
    """Whose circuits these are."""

    running = traitlets.Bool(False).tag(sync=True)
    """Whether it keeps looking; a page that shows it starts that, assigning it is what the button does."""

    can_read = traitlets.Bool(True).tag(sync=True)
    rows: Any = traitlets.List().tag(sync=True)
    """As ``telemetry.circuits.rows``, with ``lately``: what was refused since the look before."""

    points: Any = traitlets.List().tag(sync=True)
    """``{"t": seconds, "refused": per second, "ejected": endpoints}``, a point a look."""

    message = traitlets.Unicode().tag(sync=True)

    def __init__(self, proxy: str, read: Read | None = None, *, every: float | None = EVERY) -> None:
        """``every`` is the seconds between two looks; None looks only when ``look`` is called."""
        self._read, self._every = read, every
        self._guard = threading.RLock()
        super().__init__(proxy=proxy, can_read=read is not None)
        self.observe(self._on_running, names="running")

    @classmethod
    def of_rows(cls, proxy: str, rows: Sequence[Row]) -> "CircuitView":
        """Recorded rows."""
        view = cls(proxy)
        view._take(rows, now=0.0)
        return view

    def __repr__(self) -> str:
        opened = sum(bool(row["open"] or row["lately"]) for row in self.rows)
        ejected = sum(row["ejected"] for row in self.rows)
        return f"Circuits({self.proxy}: {len(self.rows)} upstreams, {opened} open, {ejected} endpoints ejected)"

    def start(self) -> "CircuitView":
        """Keep looking; returns itself."""
        self.running = True
        return self

    def stop(self) -> None:
        """Look no more."""
        self.running = False

    def look(self) -> "CircuitView":
        """Look once, now."""
        if self._read is not None:
            try:
                self._take(self._read(), now=time.time())
            except errors.LabError as e:
                with self._guard:
                    self.message = str(e)
        return self

    def table(self) -> Any:
        """The table twin as a DataFrame."""
        import pandas as pd

        return pd.DataFrame([cells(row) for row in self.rows], columns=list(HEAD)).set_index("upstream")

    def static_html(self) -> str:
        """The panel as it is now, for exports."""
        caption = f"Circuits of {self.proxy}"
        return f'<div style="{markup.BOX}">{markup.table(HEAD, [cells(r) for r in self.rows], caption=caption)}</div>'

    def _take(self, rows: Sequence[Row], *, now: float) -> None:
        before = {name(row): row["refused"] for row in self.rows}
        # A counter below what it was is one of a proxy that began anew.
        made = [{**row, "lately": max(0, row["refused"] - before.get(name(row), row["refused"]))} for row in rows]
        passed = now - self.points[-1]["t"] if self.points else 0.0
        lately = sum(row["lately"] for row in made)
        point = {
            "t": round(now, 2),
            "refused": round(lately / passed, 1) if passed > 0 else 0.0,
            "ejected": sum(row["ejected"] for row in made),
        }
        with self._guard, self.hold_sync():
            self.rows, self.points, self.message = made, [*self.points, point][-KEEP:], ""

    def _on_running(self, change: Any) -> None:
        if not change["new"]:
            self.unwatch()
        elif self._read is None:
            self.running = False
        elif self._every is not None:
            self.watch(self.look, every=self._every)

    def appears(self) -> None:
        """Looking begins with the first page that shows the view."""
        if self._read is not None:
            self.start()

    def leaves(self) -> None:
        """Nobody looks, so nothing is read."""
        self.stop()


def name(row: Row) -> str:
    """``reviews v1 :9080``."""
    return " ".join(part for part in (row["service"], row["subset"], f":{row['port']}") if part)


def circuit(row: Row) -> str:
    """Whether it is open, and which limit is reached."""
    if row["open"]:
        return f"open: {', '.join(row['open'])}"
    if row["lately"]:
        return "open just now"
    now, most = row["connections"]
    return "closed, connections used up" if most is not None and now >= most else "closed"


def endpoints(row: Row) -> str:
    """How many are there, and which of them are out."""
    out = [f"{e['address']} {e['state']}" for e in row["endpoints"] if e["state"] != "healthy"]
    return ", ".join([f"{len(row['endpoints']) - len(out)} of {len(row['endpoints'])} healthy", *out])


def used(pair: Sequence[Any]) -> str:
    """``3 of 10``, or ``3`` where there is no limit."""
    return str(pair[0]) if pair[1] is None else f"{pair[0]} of {pair[1]}"


def cells(row: Row) -> list[str]:
    """A row as text."""
    pairs = [used(row[what]) for what in ("connections", "waiting", "requests")]
    return [name(row), circuit(row), *pairs, str(row["refused"]), endpoints(row)]
