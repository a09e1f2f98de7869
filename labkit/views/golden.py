"""The golden signals of a service as three small charts above each other, with marks where configuration changed.

Plain SVG without a script: the same in a notebook and in an export.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from labkit.telemetry.golden import Mark
from labkit.views import markup, showing

if TYPE_CHECKING:
    import pandas as pd

WIDTH, HEIGHT, LEFT, RIGHT, TOP = 640, 90, 52, 84, 8


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a chart; dashes tell it apart where colours do not."""

    column: str
    label: str
    colour: str
    dash: str = ""


PANELS: tuple[tuple[str, tuple[Line, ...]], ...] = (
    ("requests per second", (Line(column="requests_per_s", label="sent", colour="#0072b2"),)),
    ("failed, per cent", (Line(column="failed_percent", label="failed", colour="#d55e00"),)),
    (
        "milliseconds",
        (
            Line(column="p50_ms", label="half", colour="#009e73"),
            Line(column="p95_ms", label="95 %", colour="#e69f00", dash="6 3"),
            Line(column="p99_ms", label="99 %", colour="#cc79a7", dash="2 3"),
        ),
    ),
)


def _nothing() -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame()


@dataclass(frozen=True, kw_only=True)
class Golden(showing.Shown):
    """The drawing; ``table()`` is its frame."""

    service: str
    frame: "pd.DataFrame" = field(default_factory=_nothing)
    marks: Sequence[Mark] = ()

    def table(self) -> "pd.DataFrame":
        """The table twin: a row a moment."""
        return self.frame

    def __repr__(self) -> str:
        changes = "".join(f"\n  changed at {mark.time:%H:%M:%S}: {mark.what}" for mark in self.marks)
        return f"{self.service}: {self.last()}{changes}"

    def last(self) -> str:
        """The newest numbers in words."""
        rows = self.frame.dropna(subset=["requests_per_s", "p50_ms"]) if len(self.frame) else self.frame
        if not len(rows):
            return "no requests in this time"
        last = rows.iloc[-1]
        failed = 0.0 if last["failed_percent"] != last["failed_percent"] else last["failed_percent"]
        return (
            f"{last['requests_per_s']:.1f} requests per second, {failed:.1f} % fail, half within "
            f"{last['p50_ms']:.0f} ms, 95 % within {last['p95_ms']:.0f} ms"
        )

    def _repr_html_(self) -> str:
        head = f"<b>{markup.text(self.service)}</b> as its callers see it: {markup.text(self.last())}"
        charts = "".join(self._chart(title, lines) for title, lines in PANELS) if len(self.frame) else ""
        changes = "".join(f"<li>{mark.time:%H:%M:%S} {markup.text(mark.what)}</li>" for mark in self.marks)
        listed = f'<div style="{markup.QUIET}">configuration changed:<ol>{changes}</ol></div>' if changes else ""
        return (
            f'<section aria-label="Golden signals of {markup.text(self.service)}" style="{markup.BOX}">'
            f"{head}{charts}{listed}{self._numbers()}</section>"
        )

    def _numbers(self) -> str:
        if not len(self.frame):
            return ""
        rows = [
            (f"{time:%H:%M:%S}", *("" if value != value else f"{value:.1f}" for value in row))
            for time, row in zip(self.frame.index, self.frame.to_numpy().tolist(), strict=True)
        ]
        table = markup.table(("time", *self.frame.columns), rows[-20:])
        return f'<details><summary style="cursor:pointer">The same as a table</summary>{table}</details>'

    def _chart(self, title: str, lines: Sequence[Line]) -> str:
        values = [v for line in lines for v in self.frame[line.column].tolist() if v == v and abs(v) != float("inf")]
        most = max([*values, 1.0]) * 1.1
        parts = [
            _text(LEFT - 6, TOP + 8, _short(most), anchor="end"),
            _text(LEFT - 6, HEIGHT - 4, "0", anchor="end"),
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{HEIGHT}" y2="{HEIGHT}" stroke="currentColor" opacity=".3"/>',
            *(self._mark(number, mark) for number, mark in enumerate(self.marks, start=1)),
        ]
        for number, line in enumerate(lines):
            parts.append(self._line(line, most))
            label = f"{'┅' if line.dash else '━'} {line.label}"
            parts.append(_text(WIDTH - RIGHT + 8, TOP + 12 + 18 * number, label, colour=line.colour))
        return (
            f'<figure style="margin:.6em 0 0"><figcaption style="{markup.QUIET}">{title}</figcaption>'
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT + 4}" role="img" aria-label="{title}" '
            f'style="width:100%;max-width:{WIDTH}px">'
            f"{''.join(parts)}</svg></figure>"
        )

    def _x(self, time: Any) -> float:
        first, last = self.frame.index[0], self.frame.index[-1]
        whole = max(1.0, (last - first).total_seconds())
        part: float = (time - first).total_seconds() / whole
        return LEFT + (WIDTH - LEFT - RIGHT) * part

    def _line(self, line: Line, most: float) -> str:
        points, runs = [], []
        for time, value in zip(self.frame.index, self.frame[line.column].tolist(), strict=True):
            if value == value and abs(value) != float("inf"):
                points.append(f"{self._x(time):.1f} {HEIGHT - (HEIGHT - TOP) * value / most:.1f}")
            elif points:
                runs.append(points)
                points = []
        runs.append(points)
        d = "".join(f"M{'L'.join(run)}" for run in runs if run)
        dash = f' stroke-dasharray="{line.dash}"' if line.dash else ""
        return f'<path d="{d}" fill="none" stroke="{line.colour}" stroke-width="2"{dash}/>' if d else ""

    def _mark(self, number: int, mark: Mark) -> str:
        if not self._is_within(mark.time):
            return ""
        x = self._x(mark.time)
        return (
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT}" stroke="currentColor" stroke-dasharray="3 3" '
            f'opacity=".7"/>{_text(x + 3, TOP + 8, str(number))}'
        )

    def _is_within(self, time: datetime) -> bool:
        return bool(self.frame.index[0] <= time <= self.frame.index[-1])


def _text(x: float, y: float, text: str, *, anchor: str = "start", colour: str = "currentColor") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} fill="{colour}" font-size="11">{markup.text(text)}</text>'


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"
