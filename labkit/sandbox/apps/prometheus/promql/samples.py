"""Series of samples, and what a query sees of them at one time."""

import struct
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from labkit.sandbox.apps.prometheus.promql.errors import SAME_LABELS, QueryError
from labkit.sandbox.apps.prometheus.promql.labels import Labels
from labkit.sandbox.apps.prometheus.promql.matchers import Matcher

_STALE_BITS = (0x7FF0000000000002).to_bytes(8, "little")
STALE = struct.unpack("<d", _STALE_BITS)[0]
"""The value that ends a series: a NaN that no computation gives (Prometheus, ``model/value``)."""


def is_stale(value: float) -> bool:
    """Whether a value is the marker rather than a number or an ordinary NaN."""
    return value != value and struct.pack("<d", value) == _STALE_BITS


@dataclass(frozen=True, slots=True)
class Series:
    """Samples of one set of labels."""

    labels: Labels
    times: Sequence[int]
    """Milliseconds since the epoch, rising."""
    values: Sequence[float]


class Sample(NamedTuple):
    """One element of an instant vector."""

    labels: Labels
    value: float


Vector = list[Sample]


def unique(vector: Vector) -> Vector:
    """The vector; QueryError where two elements have the same labels, as after their names were dropped."""
    if len({sample.labels for sample in vector}) != len(vector):
        raise QueryError(SAME_LABELS)
    return vector


class Window(NamedTuple):
    """One element of a range vector."""

    labels: Labels
    times: Sequence[int]
    values: Sequence[float]
    start: int
    """Where the window begins, in milliseconds, whether or not a sample is there."""
    end: int


class Source(Protocol):
    """Where series come from."""

    def select(self, matchers: Sequence[Matcher]) -> Iterable[Series]:
        """Every series that all matchers accept, with all its samples."""


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """In what the majors of Prometheus differ."""

    is_left_open: bool
    """Whether a sample at the very beginning of a window is outside."""

    halves_first: bool
    """Whether a rate's way to the window's edge is cut to half an interval before it is cut at zero."""


V2 = Dialect(is_left_open=False, halves_first=False)
V3 = Dialect(is_left_open=True, halves_first=True)


def latest(series: Series, at: int, lookback: int, dialect: Dialect) -> tuple[int, float] | None:
    """The newest sample that is not older than ``lookback``; None after a marker."""
    index = bisect_right(series.times, at) - 1
    if index < 0:
        return None
    time, value = series.times[index], series.values[index]
    oldest = at - lookback
    if time < oldest or (dialect.is_left_open and time == oldest) or is_stale(value):
        return None
    return time, value


def window(series: Series, start: int, end: int, dialect: Dialect) -> Window | None:
    """The samples of a window without markers; None when there are none."""
    bisect = bisect_right if dialect.is_left_open else bisect_left
    first, last = bisect(series.times, start), bisect_right(series.times, end)
    times, values = series.times[first:last], series.values[first:last]
    if any(v != v for v in values):
        kept = [(t, v) for t, v in zip(times, values, strict=True) if not is_stale(v)]
        times, values = [t for t, _ in kept], [v for _, v in kept]
    return Window(series.labels, times, values, start, end) if len(times) else None
