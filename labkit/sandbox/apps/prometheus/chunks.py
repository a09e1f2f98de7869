"""A series that takes little memory: its newest samples as they came, all older ones packed.

Most series of a proxy stay the same for minutes, and all series of a target have their samples at the same times. So a
packed sample takes one to four bytes, where a plain one takes sixteen.
"""

import zlib
from array import array
from bisect import bisect_left
from collections.abc import Hashable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from labkit.sandbox.apps.prometheus.promql.labels import Labels

SIZE = 32
"""Samples of a chunk: reading one sample unpacks no more than that."""

RECENT = 256
"""Times of chunks that are kept to be shared; as many targets fill one in the same seconds."""

UNPACKED = 2048
"""Chunks that stay unpacked for the next step of a query."""

FOREVER = 2**62

Shared = TypeVar("Shared", bound=Hashable)
Part = tuple[Sequence[int], Sequence[float]]


class Moments(NamedTuple):
    """When the samples of a chunk were taken; the very same object in series that were sampled together."""

    first: int
    last: int
    """In milliseconds, as all times here."""
    packed: bytes


class Chunk(NamedTuple):
    """Samples that get no neighbours any more."""

    at: Moments
    values: bytes
    """One number where all are the same, else all of them packed."""


_shared: dict[Hashable, Any] = {}


def _share(value: Shared) -> Shared:
    """An equal value that is in memory already."""
    if len(_shared) >= RECENT:
        _shared.clear()
    held: Shared = _shared.setdefault(value, value)
    return held


def _packed(times: "array[int]", values: "array[float]") -> Chunk:
    numbers, one = values.tobytes(), values[:1].tobytes()
    # By bits: NaNs equal nothing, and 0.0 equals -0.0.
    numbers = _share(one) if numbers == one * len(values) else zlib.compress(numbers, 1)
    return Chunk(_share(Moments(times[0], times[-1], zlib.compress(times.tobytes(), 1))), numbers)


@lru_cache(maxsize=UNPACKED)
def _unpacked(chunk: Chunk) -> tuple["array[int]", "array[float]"]:
    times, values = array("q", zlib.decompress(chunk.at.packed)), array("d")
    is_one = len(chunk.values) == values.itemsize
    values.frombytes(chunk.values * len(times) if is_one else zlib.decompress(chunk.values))
    return times, values


class Held:
    """A series of the store."""

    __slots__ = ("_chunks", "_times", "_values", "labels")

    def __init__(self, labels: Labels) -> None:
        self.labels = labels
        self._chunks: list[Chunk] | None = None
        self._times, self._values = array("q"), array("d")

    @property
    def first(self) -> int:
        """The time of the oldest sample; FOREVER without one."""
        return self._chunks[0].at.first if self._chunks else self._times[0] if self._times else FOREVER

    @property
    def last(self) -> int:
        """The time of the newest sample; -FOREVER without one."""
        return self._times[-1] if self._times else self._chunks[-1].at.last if self._chunks else -FOREVER

    @property
    def times(self) -> Sequence[int]:
        """All of them, in milliseconds since the epoch."""
        return self.part(-FOREVER, FOREVER)[0]

    @property
    def values(self) -> Sequence[float]:
        """All of them."""
        return self.part(-FOREVER, FOREVER)[1]

    def part(self, start: int, end: int) -> Part:
        """Times and values that hold all samples from ``start`` to ``end``, and perhaps some around them."""
        if not self._chunks or (self._times and self._times[0] <= start):
            return self._times, self._values
        times, values = array("q"), array("d")
        for chunk in self._chunks:
            if chunk.at.last >= start and chunk.at.first <= end:
                more_times, more_values = _unpacked(chunk)
                times += more_times
                values += more_values
        return times + self._times, values + self._values

    def append(self, time: int, value: float) -> None:
        """Add a sample that is newer than all."""
        self._times.append(time)
        self._values.append(value)
        if len(self._times) >= SIZE:
            self._chunks = self._chunks or []
            self._chunks.append(_packed(self._times, self._values))
            self._times, self._values = array("q"), array("d")

    def drop_before(self, time: int) -> int:
        """Let go of older samples, and of those that are packed with them; how many those were."""
        gone = 0
        while self._chunks and self._chunks[0].at.first < time:
            gone += len(_unpacked(self._chunks.pop(0))[0])
        if self._chunks:
            return gone
        index = bisect_left(self._times, time)
        del self._times[:index], self._values[:index]
        return gone + index

    def has_between(self, start: int, end: int) -> bool:
        """Whether it has a sample in this time."""
        times, _ = self.part(start, end)
        index = bisect_left(times, start)
        return index < len(times) and times[index] <= end
