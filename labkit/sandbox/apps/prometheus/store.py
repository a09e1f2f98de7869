"""Samples in memory: as many as fit a bound, the oldest leave first."""

from collections.abc import Iterator, Sequence
from itertools import chain

from labkit.sandbox.apps.prometheus.chunks import Held
from labkit.sandbox.apps.prometheus.promql import matchers
from labkit.sandbox.apps.prometheus.promql.labels import NAME, Labels, value
from labkit.sandbox.apps.prometheus.promql.matchers import Matcher

MOST_SAMPLES = 1_500_000
"""Samples to hold; they and some ten thousand series take 20 MB."""

RETENTION = 7_200_000
"""Milliseconds to hold a sample for, if there is room."""

LEAVE = 0.2
"""Part of the time held that leaves when there is no more room."""


class Store:
    """Series by their labels. Who appends keeps the series itself: labels are long, and looked up but once."""

    def __init__(self, *, most: int = MOST_SAMPLES, retention: int = RETENTION) -> None:
        self._most, self._retention = most, retention
        self._named: dict[str, dict[Labels, Held]] = {}
        """By metric, then by all labels."""
        self._pairs: dict[tuple[str, str], tuple[str, str]] = {}
        self.count = 0
        """Samples held."""

    def __repr__(self) -> str:
        return f"Store({len(self)} series, {self.count} samples)"

    def __len__(self) -> int:
        return sum(map(len, self._named.values()))

    def series(self, of: Labels) -> Held:
        """The series of these labels, to append to; it counts as held once it has a sample."""
        held = self._named.get(value(of, NAME), {}).get(of)
        if held is not None:
            return held
        # Series differ in a label or two: what they share is held once.
        return Held(tuple(self._pairs.setdefault(pair, pair) for pair in of))

    def append(self, series: Held, time: int, number: float) -> bool:
        """Add a sample; False when the series has one of that time or a later one."""
        if series.last >= time:
            return False
        if series.first > time:  # it had none
            self._named.setdefault(value(series.labels, NAME), {})[series.labels] = series
        series.append(time, number)
        self.count += 1
        return True

    def select(self, asked: Sequence[Matcher]) -> list[Held]:
        """Every series that all matchers accept, in the order of labels."""
        name = next((m.value for m in asked if m.name == NAME and m.op == "="), None)
        candidates = self._every() if name is None else self._named.get(name, {}).values()
        every = tuple(asked)
        return sorted((s for s in candidates if matchers.accept(every, s.labels)), key=lambda s: s.labels)

    def between(self, start: int, end: int) -> Iterator[Held]:
        """Series with a sample in this time."""
        return (series for series in self._every() if series.has_between(start, end))

    def trim(self, now: int) -> None:
        """Let go of what is too old, and of the oldest while there is too much."""
        self._drop_before(now - self._retention)
        while self.count > self._most:
            oldest = min(series.first for series in self._every())
            self._drop_before(oldest + max(1, round((now - oldest) * LEAVE)))

    def _drop_before(self, time: int) -> None:
        for series in list(self._every()):
            if series.first >= time:
                continue
            self.count -= series.drop_before(time)
            if series.first > series.last:
                name = value(series.labels, NAME)
                del self._named[name][series.labels]
                if not self._named[name]:
                    del self._named[name]

    def _every(self) -> Iterator[Held]:
        return chain.from_iterable(named.values() for named in self._named.values())
