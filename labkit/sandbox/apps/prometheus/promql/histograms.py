"""Quantiles from a histogram's buckets."""

import math
from collections.abc import Iterable, Sequence

from labkit.sandbox.apps.prometheus.promql import labels
from labkit.sandbox.apps.prometheus.promql.labels import NAME, Labels
from labkit.sandbox.apps.prometheus.promql.numbers import divided
from labkit.sandbox.apps.prometheus.promql.samples import Sample, Vector

Bucket = tuple[float, float]
"""Upper bound and how many observations are at or below it."""

NAN = float("nan")
ROUNDING = 1e-12
"""By which part of itself a count may fall without having fallen (Prometheus 3, ``smallDeltaTolerance``)."""


def quantiles(q: float, vector: Iterable[Sample]) -> Vector:
    """``histogram_quantile``: one element for each set of labels but ``le``."""
    groups: dict[Labels, list[Bucket]] = {}
    for of, count in vector:
        if (bound := _bound(labels.value(of, "le"))) is not None:
            groups.setdefault(labels.without(of, ("le", NAME)), []).append((bound, count))
    return [Sample(of, quantile(q, buckets)) for of, buckets in groups.items()]


def _bound(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def quantile(q: float, buckets: Iterable[Bucket]) -> float:
    """The value below which a part ``q`` of the observations lies, on a straight line inside its bucket."""
    if q != q:
        return NAN
    if q < 0 or q > 1:
        return math.copysign(math.inf, q - 0.5)
    rising = _rising(sorted(buckets))
    if not rising or rising[-1][0] != math.inf or len(rising) < 2 or not rising[-1][1] > 0:
        return NAN
    rank = q * rising[-1][1]
    index = next((i for i, (_, count) in enumerate(rising[:-1]) if count >= rank), len(rising) - 1)
    if index == len(rising) - 1:
        return rising[-2][0]
    end, count = rising[index]
    if index == 0:
        return end if end <= 0 else end * divided(rank, count)
    start, below = rising[index - 1]
    return start + (end - start) * divided(rank - below, count - below)


def _rising(buckets: Sequence[Bucket]) -> list[Bucket]:
    """Buckets with one bound joined, and counts that never fall: scrapes may catch a histogram half written."""
    joined: list[Bucket] = []
    for bound, count in buckets:
        if joined and joined[-1][0] == bound:
            joined[-1] = (bound, joined[-1][1] + count)
        else:
            joined.append((bound, count))
    highest = joined[0][1] if joined else 0.0
    rising = []
    for bound, count in joined:
        if count - highest > ROUNDING * abs(count + highest):
            highest = count
        rising.append((bound, highest))
    return rising
