"""The rate-limit meter: tokens left, allowed and refused of every limit, live, asked against measured.

It knows one callback, ``read() -> rows`` as ``telemetry.limits.rows`` has them. Recorded rows work as well.
"""

from collections.abc import Sequence
from typing import Any

from labkit.views import assets, markup, meter
from labkit.views.meter import Read, Row

EVERY = 1.0
"""Seconds between two looks; each costs one request to the proxy and two to the service."""

HEAD = ("limit", "kept by", "asked", "left", "allowed", "refused", "measured")


class LimitView(meter.MeterView):
    """One row per limit: what it admits, what is left of it, what it let pass and what it refused.

    ``proxy`` says whose local limits these are; those of the service are everybody's. ``rows`` are as those of
    ``telemetry.limits.rows``, with ``left``, and with ``lately``: refused since the look before. A point has
    ``allowed`` and ``refused``, both per second.
    """

    made_by = "lab.limits"
    _esm = assets.module("limits")
    _css = assets.styles("limits")

    def __init__(self, proxy: str, read: Read | None = None, *, every: float | None = EVERY) -> None:
        """``every`` is the seconds between two looks; None looks only when ``look`` is called."""
        self._looked = 0.0
        self._began: dict[str, tuple[int, int, int]] = {}
        """For each limit of the service: its window, and what was allowed and refused before it."""
        super().__init__(proxy, read, every=every)

    def __repr__(self) -> str:
        allowed, refused = (sum(row[what] for row in self.rows) for what in ("allowed", "refused"))
        return f"Limits({self.proxy}: {len(self.rows)} limits, {allowed} allowed, {refused} refused)"

    def table(self) -> Any:
        """The table twin as a DataFrame."""
        import pandas as pd

        return pd.DataFrame([cells(row) for row in self.rows], columns=list(HEAD)).set_index("limit")

    def static_html(self) -> str:
        """The meter as it is now, for exports."""
        caption = f"Rate limits of {self.proxy}"
        empty = f"<p>{markup.text(NONE)}</p>" if not self.rows else ""
        return f'<div style="{markup.BOX}">{markup.table(HEAD, map(cells, self.rows), caption=caption)}{empty}</div>'

    def take(self, rows: Sequence[Row], *, now: float) -> None:
        """Show rows that were read at ``now``, in seconds of any clock."""
        with self._guard, self.hold_sync():
            if self.rows and not rows:
                self.message = GONE
                return
            before = {_key(row): row for row in self.rows}
            passed = now - self._looked if before else 0.0
            new = [self._with_changes(row, before.get(_key(row)), passed=passed, now=now) for row in rows]
            allowed, refused = (sum(row[what] for row in new) for what in ("passed", "lately"))
            each = (round(n / passed, 1) if passed > 0 else 0.0 for n in (allowed, refused))
            point = {"t": round(now, 2), **dict(zip(("allowed", "refused"), each, strict=True))}
            self.rows, self.points, self.message = new, [*self.points, point][-meter.KEEP :], ""
            self._looked = now

    def _with_changes(self, row: Row, before: Row | None, *, passed: float, now: float) -> dict[str, Any]:
        old = before if before is not None else row
        # A counter below what it was belongs to a proxy or a service that began anew.
        more, lately = (max(0, row[what] - old[what]) for what in ("allowed", "refused"))
        left = self._left_of_window(row, old, now) if row["where"] == "service" else _left_of_bucket(row, old, passed)
        return {**row, "passed": more, "lately": lately, "left": left}

    def _left_of_window(self, row: Row, old: Row, now: float) -> int | None:
        """What is left of a window of the clock; of a limit that every value has for itself, nobody can say."""
        if not row["most"] or not row["per"]:
            return None
        window, key = int(now // row["per"]), _key(row)
        if self._began.get(key, (None,))[0] != window:
            self._began[key] = window, old["allowed"], old["refused"]
        used = int(row["allowed"] - self._began[key][1] + row["refused"] - self._began[key][2])
        return max(0, int(row["most"]) - max(0, used))


GONE = "The limits that stood here were taken away; these are their last numbers."
NONE = "No limit was found: apply an EnvoyFilter with a rate limit, or start the rate limit service."


def _left_of_bucket(row: Row, old: Row, passed: float) -> float | None:
    """Tokens of a bucket, reckoned: Envoy shows none. They come back evenly, and a refusal means that none was left."""
    if not row["most"] or not row["per"]:
        return None
    before = old.get("left")
    full, taken = float(row["most"]), int(row["allowed"] - old["allowed"])
    if before is None:
        # Who looks for the first time after a burst knows only that tokens come back from now on.
        before = 0.0 if row["allowed"] or row["refused"] else full
    tokens: float = min(full, before + passed * row["most"] / row["per"])
    if row["refused"] > old["refused"] or row["shadow"] > old["shadow"]:
        return min(1.0, max(0.0, tokens - taken))
    return max(0.0, tokens - taken)


def _key(row: Row) -> str:
    return f"{row['where']} {row['name']}"


def asked(row: Row) -> str:
    """``4 per 60 s``."""
    return f"{row['most']} per {row['per']:g} s" if row["most"] is not None else "no limit read"


def left(row: Row) -> str:
    """What is left, as a whole number."""
    return "–" if row.get("left") is None else str(int(row["left"]))


def measured(row: Row) -> str:
    """The share that was refused."""
    total = row["allowed"] + row["refused"]
    if not total:
        return "no request yet"
    shadow = f", {row['shadow']} over the limit passed in shadow mode" if row["shadow"] else ""
    return f"{row['refused'] / total:.0%} of {total} refused{shadow}"


def cells(row: Row) -> list[str]:
    """A row as text."""
    keeper = "each proxy" if row["where"] == "proxy" else "the service"
    return [row["name"], keeper, asked(row), left(row), str(row["allowed"]), str(row["refused"]), measured(row)]
