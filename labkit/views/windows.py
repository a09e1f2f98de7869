"""Requests gathered into short windows of time, and what a chart of the last minute shows of them. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Protocol

WIDTH = 0.5
"""Seconds of one window: two points a second look alive and still hold a dozen requests each."""

KEEP = 120
"""Windows that are kept: one minute."""

SMOOTH = 6
"""Windows that one point of a share looks back over: three seconds, long enough to calm the dice."""

SERVER_ERROR = 500


class Record(Protocol):
    """One request, as ``traffic.results.Sent`` has it."""

    @property
    def time(self) -> float: ...
    @property
    def status(self) -> int: ...
    @property
    def latency_ms(self) -> float: ...
    @property
    def version(self) -> str: ...


@dataclass(kw_only=True)
class Window:
    """The requests that were sent within one half second."""

    counts: Counter[str] = field(default_factory=Counter)
    """Good answers by version."""

    failed: int = 0
    latencies: dict[str, list[float]] = field(default_factory=dict)
    """Milliseconds of the good answers, by version."""

    def add(self, record: Record) -> None:
        """Count one request."""
        if is_failed(record):
            self.failed += 1
            return
        self.counts[record.version] += 1
        self.latencies.setdefault(record.version, []).append(record.latency_ms)

    @property
    def total(self) -> int:
        """All requests of the window."""
        return self.counts.total() + self.failed


class Series:
    """Windows by their number since the epoch; old ones are forgotten."""

    def __init__(self, *, width: float = WIDTH, keep: int = KEEP) -> None:
        self.width, self.keep = width, keep
        self.windows: dict[int, Window] = {}

    def add(self, records: Iterable[Record]) -> None:
        """Sort requests into the windows in which they were sent, however late the answers came."""
        for record in records:
            self.windows.setdefault(int(record.time / self.width), Window()).add(record)
        if self.windows:
            first = max(self.windows) - self.keep
            self.windows = {n: w for n, w in self.windows.items() if n > first}

    def points(self, versions: Sequence[str]) -> list[dict[str, Any]]:
        """One point a window, oldest first: time, smoothed shares by version, rate, failures, latencies.

        Windows in which nothing was sent have no point, so a pause is a gap. The newest window is left
        out: half of it is still on its way.
        """
        numbers = sorted(self.windows)[:-1]
        return [self._point(number, versions) for number in numbers]

    def _point(self, number: int, versions: Sequence[str]) -> dict[str, Any]:
        near = [self.windows[n] for n in range(number - SMOOTH + 1, number + 1) if n in self.windows]
        whole = sum(w.total for w in near) or 1
        failed = sum(w.failed for w in near)
        here = self.windows[number]
        return {
            "t": round(number * self.width, 2),
            "shares": [round(sum(w.counts[v] for w in near) / whole, 4) for v in versions],
            "failed": round(failed / whole, 4),
            "rate": round(here.total / self.width, 1),
            "rates": [round(here.counts[v] / self.width, 1) for v in versions],
            "errors": round(here.failed / self.width, 1),
            "latency": [middle([x for w in near for x in w.latencies.get(v, [])]) for v in versions],
        }


@dataclass(kw_only=True)
class Tally:
    """Every request since the weights were last changed."""

    since: float
    """Requests sent earlier, in seconds since the epoch, do not count."""

    all: Window = field(default_factory=Window)

    def add(self, records: Iterable[Record]) -> None:
        """Count the requests that were sent late enough."""
        for record in records:
            if record.time >= self.since:
                self.all.add(record)


def is_failed(record: Record) -> bool:
    """Whether there was no answer, or one of 500 and more."""
    return record.status == 0 or record.status >= SERVER_ERROR


def middle(values: Sequence[float]) -> float | None:
    """The median in milliseconds; None of nothing."""
    return round(median(values), 1) if values else None


def records_of(frame: Any) -> list[Record]:
    """The rows of a DataFrame with the columns of ``lab.send``, also one read back from a CSV."""
    import pandas as pd

    times = pd.to_datetime(frame["time"], utc=True, format="ISO8601").map(lambda t: t.timestamp())
    versions = frame["version"].fillna("").astype(str)
    rows = zip(times, frame["status"], frame["latency_ms"], versions, strict=True)
    return [_Row(time=t, status=int(s), latency_ms=float(ms), version=v) for t, s, ms, v in rows]


@dataclass(frozen=True, kw_only=True)
class _Row:
    time: float
    status: int
    latency_ms: float
    version: str


def counts_of(window: Window, versions: Sequence[str]) -> Mapping[str, int]:
    """``{"v1": 9, "v2": 1}``: every version asked for, and any other that answered."""
    return {v: window.counts[v] for v in [*versions, *sorted(set(window.counts) - set(versions) - {""})]}
