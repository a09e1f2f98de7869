"""Requests gathered into short windows of time, and what a chart of the last minute shows of them. Pure."""

from collections import Counter, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Protocol

WIDTH = 0.5
"""Seconds of one window: two points a second look alive and still hold a dozen requests each."""

KEEP = 120
"""Windows that are kept: one minute."""

SMOOTH = 6
"""Windows that one point of a share looks back over: three seconds, long enough to calm the dice."""

REMEMBERED = 2_000
"""Latencies of which a median is taken: an hour of traffic must not make the view slower by the minute."""

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
    @property
    def error(self) -> str: ...


@dataclass(kw_only=True)
class Window:
    """The requests that were sent within one half second."""

    counts: Counter[str] = field(default_factory=Counter)
    """Good answers by version; the empty name is for those that name none."""

    failures: Counter[str] = field(default_factory=Counter)
    """Failed requests, likewise."""

    latencies: dict[str, deque[float]] = field(default_factory=dict)
    """Milliseconds of the last good answers, by version."""

    last_failure: str = ""
    """What the last failed request ended in: ``503 no healthy upstream``."""

    unanswered: int = 0
    """Failed requests to which no answer came at all."""

    def add(self, record: Record) -> None:
        """Count one request."""
        if is_failed(record):
            self.failures[record.version] += 1
            self.unanswered += record.status == 0
            self.last_failure = f"{record.status or 'no answer'} {record.error}".strip()
            return
        self.counts[record.version] += 1
        self.latencies.setdefault(record.version, deque(maxlen=REMEMBERED)).append(record.latency_ms)

    @property
    def failed(self) -> int:
        """All failed requests of the window."""
        return self.failures.total()

    @property
    def total(self) -> int:
        """All requests of the window."""
        return self.counts.total() + self.failed

    def sent_to(self, version: str) -> int:
        """Requests that a version answered, well or not."""
        return self.counts[version] + self.failures[version]


class Series:
    """Windows by their number since the epoch; old ones are forgotten."""

    def __init__(self, *, width: float = WIDTH, keep: int = KEEP) -> None:
        self.width, self.keep = width, keep
        self.windows: dict[int, Window] = {}
        self._drawn: dict[tuple[int, tuple[str, ...]], dict[str, Any]] = {}
        """Points that nothing was added to since: a picture four times a second draws two of a hundred anew."""

    def add(self, records: Iterable[Record]) -> None:
        """Sort requests into the windows in which they were sent, however late the answers came."""
        touched = set()
        for record in records:
            number = int(record.time / self.width)
            self.windows.setdefault(number, Window()).add(record)
            touched.add(number)
        first = max(self.windows, default=0) - self.keep
        self.windows = {n: w for n, w in self.windows.items() if n > first}
        stale = {n + after for n in touched for after in range(SMOOTH)}
        self._drawn = {key: p for key, p in self._drawn.items() if key[0] in self.windows and key[0] not in stale}

    def points(self, versions: Sequence[str]) -> list[dict[str, Any]]:
        """One point a window, oldest first: time, smoothed shares by version, rate, failures, latencies.

        A failed answer that names its version counts as that version's; ``failed`` is the share of the others.
        Windows in which nothing was sent have no point, so a pause is a gap. The newest window is left
        out: half of it is still on its way.
        """
        numbers = sorted(self.windows)[:-1]
        keys = [(number, tuple(versions)) for number in numbers]
        self._drawn.update({key: self._point(*key) for key in keys if key not in self._drawn})
        return [self._drawn[key] for key in keys]

    def recent(self) -> "Window":
        """The requests of the last three seconds together."""
        newest = max(self.windows, default=0)
        return merged([w for n, w in sorted(self.windows.items()) if n > newest - SMOOTH])

    def _point(self, number: int, versions: Sequence[str]) -> dict[str, Any]:
        near = [self.windows[n] for n in range(number - SMOOTH + 1, number + 1) if n in self.windows]
        whole = sum(w.total for w in near) or 1
        lost = sum(w.failures[""] for w in near)
        here = self.windows[number]
        return {
            "t": round(number * self.width, 2),
            "shares": [round(sum(w.sent_to(v) for w in near) / whole, 4) for v in versions],
            "failed": round(lost / whole, 4),
            "rate": round(here.total / self.width, 1),
            "rates": [round(here.sent_to(v) / self.width, 1) for v in versions],
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


def merged(parts: Iterable[Window]) -> Window:
    """Several windows as one."""
    whole = Window()
    for part in parts:
        whole.counts += part.counts
        whole.failures += part.failures
        whole.unanswered += part.unanswered
        whole.last_failure = part.last_failure or whole.last_failure
        for version, values in part.latencies.items():
            whole.latencies.setdefault(version, deque(maxlen=REMEMBERED)).extend(values)
    return whole


def is_failed(record: Record) -> bool:
    """Whether there was no answer, or one of 500 and more."""
    return record.status == 0 or record.status >= SERVER_ERROR


def middle(values: Collection[float]) -> float | None:
    """The median in milliseconds; None of nothing."""
    return round(median(values), 1) if values else None


def records_of(frame: Any) -> list[Record]:
    """The rows of a DataFrame with the columns of ``lab.send``, also one read back from a CSV."""
    import pandas as pd

    times = pd.to_datetime(frame["time"], utc=True, format="ISO8601").map(lambda t: t.timestamp())
    texts = [
        frame[name].fillna("").astype(str) if name in frame else [""] * len(frame) for name in ("version", "error")
    ]
    rows = zip(times, frame["status"], frame["latency_ms"], *texts, strict=True)
    return [_Row(time=t, status=int(s), latency_ms=float(ms), version=v, error=e) for t, s, ms, v, e in rows]


@dataclass(frozen=True, kw_only=True)
class _Row:
    time: float
    status: int
    latency_ms: float
    version: str
    error: str


def counts_of(window: Window, versions: Sequence[str]) -> Mapping[str, int]:
    """``{"v1": 9, "v2": 1}``: requests by version, every one asked for and any other that answered."""
    seen = set(window.counts) | set(window.failures)
    return {v: window.sent_to(v) for v in [*versions, *sorted(seen - set(versions) - {""})]}
