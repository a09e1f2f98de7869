"""What a window's samples say together: sum_over_time and its like."""

import itertools
import math
from collections.abc import Callable, Sequence

from labkit.sandbox.apps.prometheus.promql.rates import compensated
from labkit.sandbox.apps.prometheus.promql.samples import Window

NAN = float("nan")


def _mean(values: Sequence[float]) -> float:
    total = compensated(values)
    if math.isinf(total) and not any(math.isinf(v) for v in values):
        return compensated(v / len(values) for v in values)
    return total / len(values)


def variance(values: Sequence[float]) -> float:
    """Of all the values, not of a sample of them."""
    mean = _mean(values)
    return compensated((v - mean) * (v - mean) for v in values) / len(values) if math.isfinite(mean) else NAN


def smallest(values: Sequence[float]) -> float:
    """The smallest number; NaN when there is none."""
    return min((v for v in values if v == v), default=NAN)


def largest(values: Sequence[float]) -> float:
    """The largest number; NaN when there is none."""
    return max((v for v in values if v == v), default=NAN)


def quantile(q: float, values: Sequence[float]) -> float:
    """Between the two nearest values by their distance; outside 0 to 1 an infinity."""
    if not values or q != q:
        return NAN
    if q < 0 or q > 1:
        return math.copysign(math.inf, q - 0.5)
    ordered = sorted(values, key=lambda v: (v == v, v))  # NaN first, as Prometheus sorts
    rank = q * (len(ordered) - 1)
    low = max(0, math.floor(rank))
    high = min(len(ordered) - 1, low + 1)
    weight = rank - math.floor(rank)
    return ordered[low] * (1 - weight) + ordered[high] * weight


def _changes(values: Sequence[float]) -> float:
    return float(sum(a != b and not (a != a and b != b) for a, b in itertools.pairwise(values)))


def _resets(values: Sequence[float]) -> float:
    return float(sum(b < a for a, b in itertools.pairwise(values)))


def _deviation_of_medians(values: Sequence[float]) -> float:
    middle = quantile(0.5, values)
    return quantile(0.5, [abs(v - middle) for v in values])


def mean(values: Sequence[float]) -> float:
    """The arithmetic mean."""
    return _mean(values)


FUNCTIONS: dict[str, Callable[[Sequence[float]], float]] = {
    "avg_over_time": _mean,
    "changes": _changes,
    "count_over_time": lambda values: float(len(values)),
    "first_over_time": lambda values: values[0],
    "last_over_time": lambda values: values[-1],
    "mad_over_time": _deviation_of_medians,
    "max_over_time": largest,
    "min_over_time": smallest,
    "present_over_time": lambda values: 1.0,
    "resets": _resets,
    "stddev_over_time": lambda values: math.sqrt(variance(values)),
    "stdvar_over_time": variance,
    "sum_over_time": compensated,
}

KEEP_NAME = frozenset({"last_over_time", "first_over_time"})
"""They give a sample as it was, so its metric's name stays."""


def over_time(name: str, window: Window) -> float:
    """One of ``FUNCTIONS`` on a window."""
    return FUNCTIONS[name](window.values)
