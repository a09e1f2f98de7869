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

    def part(self, start: int, end: int) -> tuple[Sequence[int], Sequence[float]]:
        """Times and values that hold all samples from ``start`` to ``end``, and perhaps others around them."""
        return self.times, self.values


class Stored(Protocol):
    """A series as a source holds it, which may unpack no more of it than is asked for."""

    @property
    def labels(self) -> Labels:
        """Its labels."""

    def part(self, start: int, end: int) -> tuple[Sequence[int], Sequence[float]]:
        """Times and values that hold all samples from ``start`` to ``end``, and perhaps others around them."""


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


class Matrix(list[Window]):
    """A range vector, perhaps an empty one."""


class Source(Protocol):
    """Where series come from."""

    def select(self, matchers: Sequence[Matcher]) -> Iterable[Stored]:
        """Every series that all matchers accept."""


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """In what the majors of Prometheus differ."""

    is_left_open: bool
    """Whether a sample at the very beginning of a window is outside."""

    halves_first: bool
    """Whether a rate's way to the window's edge is cut to half an interval before it is cut at zero."""


V2 = Dialect(is_left_open=False, halves_first=False)
V3 = Dialect(is_left_open=True, halves_first=True)


def latest(series: Stored, at: int, lookback: int, dialect: Dialect) -> tuple[int, float] | None:
    """The newest sample that is not older than ``lookback``; None after a marker."""
    oldest = at - lookback
    times, values = series.part(oldest, at)
    index = bisect_right(times, at) - 1
    if index < 0:
        return None
    time, value = times[index], values[index]
    if time < oldest or (dialect.is_left_open and time == oldest) or is_stale(value):
        return None
    return time, value


def window(series: Stored, start: int, end: int, dialect: Dialect) -> Window | None:
    """The samples of a window without markers; None when there are none."""
    bisect = bisect_right if dialect.is_left_open else bisect_left
    times, values = series.part(start, end)
    first, last = bisect(times, start), bisect_right(times, end)
    times, values = times[first:last], values[first:last]
    if any(v != v for v in values):
        kept = [(t, v) for t, v in zip(times, values, strict=True) if not is_stale(v)]
        times, values = [t for t, _ in kept], [v for _, v in kept]
    return Window(series.labels, times, values, start, end) if len(times) else None
