"""How fast a window's samples rise: rate, increase, delta, irate, idelta, deriv, predict_linear."""

from collections.abc import Iterable, Sequence
from functools import reduce
from itertools import pairwise
from operator import add

from labkit.sandbox.apps.prometheus.promql.samples import Dialect, Window


def extrapolated(window: Window, dialect: Dialect, *, is_counter: bool, is_rate: bool) -> float | None:
    """The rise over the whole window, guessed from the samples inside; per second for a rate.

    Towards an edge the line goes on for as long as samples may have been missed there: to the edge when it is
    nearer than 1.1 intervals, else by half an interval; a counter's line ends where it would be zero.
    """
    times, values = window.times, window.values
    if len(times) < 2:
        return None
    rise = values[-1] - values[0]
    if is_counter:
        rise = _with_restarts(rise, values)
    sampled = (times[-1] - times[0]) / 1000
    interval = sampled / (len(times) - 1)
    before, after = (times[0] - window.start) / 1000, (window.end - times[-1]) / 1000
    if dialect.halves_first:
        before = _within(before, interval)
    if is_counter and rise > 0 and values[0] >= 0:
        before = min(before, sampled * (values[0] / rise))
    whole = sampled + _within(before, interval) + _within(after, interval)
    factor = whole / sampled
    return rise * (factor / ((window.end - window.start) / 1000) if is_rate else factor)


def _within(gap: float, interval: float) -> float:
    return gap if gap < interval * 1.1 else interval / 2


def _with_restarts(rise: float, values: Sequence[float]) -> float:
    """The rise and what the counter had counted before each of its restarts."""
    return reduce(add, (before for before, after in pairwise(values) if after < before), rise)


def instant(window: Window, *, is_rate: bool) -> float | None:
    """From the last two samples."""
    if len(window.times) < 2:
        return None
    (before, last), seconds = window.values[-2:], (window.times[-1] - window.times[-2]) / 1000
    if seconds == 0:
        return None
    if not is_rate:
        return last - before
    return (last if last < before else last - before) / seconds


def line(window: Window, zero: int) -> tuple[float, float]:
    """Slope per second and height at ``zero`` (in milliseconds) of the line of least squares."""
    times, values = window.times, window.values
    first = values[0]
    if all(value == first for value in values):
        return (0.0, first) if first - first == 0 else (float("nan"), float("nan"))
    xs = [(time - zero) / 1000 for time in times]
    count = float(len(xs))
    sum_x, sum_y = compensated(xs), compensated(values)
    sum_xy, sum_x2 = compensated(x * y for x, y in zip(xs, values, strict=True)), compensated(x * x for x in xs)
    slope = (sum_xy - sum_x * sum_y / count) / (sum_x2 - sum_x * sum_x / count)
    return slope, sum_y / count - slope * sum_x / count


def deriv(window: Window) -> float | None:
    """The slope per second."""
    return line(window, window.times[0])[0] if len(window.times) > 1 else None


def predicted(window: Window, at: int, seconds: float) -> float | None:
    """The height ``seconds`` after ``at``."""
    if len(window.times) < 2:
        return None
    slope, height = line(window, at)
    return slope * seconds + height


def compensated(numbers: Iterable[float]) -> float:
    """A sum by Neumaier's rule, which keeps the digits that a plain sum loses."""
    total = lost = 0.0
    for number in numbers:
        after = total + number
        if after - after != 0:
            lost = 0.0
        elif abs(total) >= abs(number):
            lost += (total - after) + number
        else:
            lost += (number - after) + total
        total = after
    return total + lost
