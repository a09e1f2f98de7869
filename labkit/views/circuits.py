"""The circuit panel: limits, what a limit refused, and ejected endpoints of one proxy, live.

It knows two callbacks: ``read() -> rows`` as ``telemetry.circuits.rows`` has them, and ``drive(callers, on_counts) ->
stop`` for a load that goes on while the panel is read. Recorded rows work as well.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import traitlets

from labkit.base import waiting
from labkit.views import assets, markup, meter
from labkit.views.meter import Read, Row

EVERY = 1.0
"""Seconds between two looks; each costs two requests to the proxy's admin port."""

CALM = 3
"""Looks without a refusal after which a circuit counts as closed again."""

EVENTS = 30
"""Events that are kept."""

MOST_CALLERS = 12

HEAD = ("upstream", "circuit", "connections", "waiting", "requests", "refused", "endpoints")

OnCounts = Callable[[Mapping[int, int]], None]
"""Called with the answers of each round of a load: status to number."""

Drive = Callable[[int, OnCounts], Callable[[], None]]


class CircuitView(meter.MeterView):
    """One row per upstream: whether its circuit is open, what is in use of its limits, which endpoints are ejected.

    ``rows`` are as those of ``telemetry.circuits.rows``, with ``lately``: what was refused since the look before. A
    point has ``refused`` per second and ``ejected`` endpoints.
    """

    made_by = "lab.circuits"
    _esm = assets.module("circuits")
    _css = assets.styles("circuits")

    events: Any = traitlets.List().tag(sync=True)
    """``{"time": "11:02:03", "what": "ratings :9080: 127.66.0.9:9080 is ejected"}``, oldest first."""

    callers = traitlets.Int(0).tag(sync=True)
    """How many callers send the load, each its next request after its last answer; assigning it is what buttons do."""

    load = traitlets.Unicode().tag(sync=True)
    """What the load asks for; empty where there is none."""

    counts: Any = traitlets.Dict().tag(sync=True)
    """Answers of the load by status, since the number of callers was changed."""

    def __init__(
        self,
        proxy: str,
        read: Read | None = None,
        *,
        drive: Drive | None = None,
        load: str = "",
        every: float | None = EVERY,
    ) -> None:
        """``every`` is the seconds between two looks; None looks only when ``look`` is called."""
        self._drive = drive
        self._opened: dict[str, int] = {}
        """Circuits that are open, by upstream, with the looks that were calm since."""
        self._stop_load: Callable[[], None] | None = None
        super().__init__(proxy, read, every=every, load=load)
        self.observe(self._on_callers, names="callers")

    def __repr__(self) -> str:
        opened = sum(bool(row["open"] or row["lately"] or row["recent"]) for row in self.rows)
        ejected = sum(row["ejected"] for row in self.rows)
        return f"Circuits({self.proxy}: {len(self.rows)} upstreams, {opened} open, {ejected} endpoints ejected)"

    def until(self, word: str, *, timeout: float = 60.0) -> str:
        """Look until an event says ``opened``, ``ejected`` or ``back``; the newest such event."""

        def event() -> str:
            self._presence.looked()
            self.look()
            return next((e["what"] for e in reversed(self.events) if word in e["what"]), "")

        return waiting.until(
            event,
            what=f"an event of {self.proxy}'s circuits with {word!r}",
            timeout=timeout,
            every=0.3,
            next_step="the panel's load may be too small: assign more callers",
            show=lambda _: repr(self),
        )

    def table(self) -> Any:
        """The table twin as a DataFrame."""
        import pandas as pd

        return pd.DataFrame([cells(row) for row in self.rows], columns=list(HEAD)).set_index("upstream")

    def static_html(self) -> str:
        """The panel as it is now, for exports."""
        caption = f"Circuits of {self.proxy}"
        events = [[event["time"], event["what"]] for event in self.events]
        listed = markup.table(("time", "what happened"), events) if events else ""
        table = markup.table(HEAD, [cells(r) for r in self.rows], caption=caption)
        return f'<div style="{markup.BOX}">{table}{listed}</div>'

    def take(self, rows: Sequence[Row], *, now: float) -> None:
        """Show rows that were read at ``now``, in seconds of any clock."""
        with self._guard, self.hold_sync():
            before = {name(row): row for row in self.rows}
            # A counter below what it was belongs to a proxy that began anew.
            new = [{**row, "lately": max(0, row["refused"] - _refused(before.get(name(row), row)))} for row in rows]
            passed = now - self.points[-1]["t"] if self.points else 0.0
            lately = sum(row["lately"] for row in new)
            point = {
                "t": round(now, 2),
                "refused": round(lately / passed, 1) if passed > 0 else 0.0,
                "ejected": sum(row["ejected"] for row in new),
            }
            happened = [{"time": time.strftime("%H:%M:%S"), "what": what} for what in self._happened(before, new)]
            new = [{**row, "recent": name(row) in self._opened} for row in new]
            self.rows, self.points, self.message = new, [*self.points, point][-meter.KEEP :], ""
            self.events = [*self.events, *happened][-EVENTS:]

    def _happened(self, before: Mapping[str, Row], rows: Sequence[Row]) -> Iterator[str]:
        for row in rows:
            upstream = name(row)
            old = _states(before[upstream]) if upstream in before else {}
            for address, state in _states(row).items():
                if state == "ejected" != old.get(address):
                    yield f"{upstream}: {address} is ejected"
                elif state == "healthy" and old.get(address) == "ejected":
                    yield f"{upstream}: {address} is back"
            yield from self._circuit(upstream, is_open=bool(row["open"] or row["lately"]))

    def _circuit(self, upstream: str, *, is_open: bool) -> Iterator[str]:
        if is_open:
            if upstream not in self._opened:
                yield f"{upstream}: the circuit opened"
            self._opened[upstream] = 0
        elif upstream in self._opened:
            self._opened[upstream] += 1
            if self._opened[upstream] >= CALM:
                del self._opened[upstream]
                yield f"{upstream}: the circuit closed"

    def _on_callers(self, change: Any) -> None:
        stop, self._stop_load = self._stop_load, None
        if stop is not None:
            stop()
        with self._guard:
            self.counts = {}
        callers = max(0, min(MOST_CALLERS, change["new"]))
        if callers and self._drive is not None:
            self._presence.looked()
            self._stop_load = self._drive(callers, self._count)
            self.start()

    def _count(self, counts: Mapping[int, int]) -> None:
        with self._guard:
            both = self.counts.keys() | {str(status) for status in counts}
            self.counts = {s: self.counts.get(s, 0) + counts.get(int(s), 0) for s in sorted(both)}

    def leaves(self) -> None:
        """Nobody looks, so nothing is read and nothing is sent."""
        self.callers = 0
        self.stop()


def _refused(row: Row) -> int:
    return int(row["refused"])


def _states(row: Row) -> dict[str, str]:
    return {endpoint["address"]: endpoint["state"] for endpoint in row["endpoints"]}


def name(row: Row) -> str:
    """``reviews v1 :9080``."""
    return " ".join(part for part in (row["service"], row["subset"], f":{row['port']}") if part)


def circuit(row: Row) -> str:
    """Whether it is open, and which limit is reached."""
    if row["open"]:
        return f"open: {', '.join(row['open'])}"
    if row["lately"] or row.get("recent"):
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
