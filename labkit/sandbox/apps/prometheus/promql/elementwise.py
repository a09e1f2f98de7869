"""Functions from number to number, applied to each element of a vector."""

import math
from calendar import monthrange
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from labkit.sandbox.apps.prometheus.promql.numbers import divided

NAN = float("nan")


def _guarded(function: Callable[[float], float]) -> Callable[[float], float]:
    """NaN where Python would raise."""

    def call(value: float) -> float:
        try:
            return float(function(value))
        except ValueError:
            return NAN
        except OverflowError:
            return math.inf

    return call


def _logarithm(function: Callable[[float], float]) -> Callable[[float], float]:
    return lambda v: -math.inf if v == 0 else math.inf if v == math.inf else _guarded(function)(v)


def _whole(function: Callable[[float], int]) -> Callable[[float], float]:
    return lambda v: math.copysign(float(function(v)), v) if math.isfinite(v) else v


def rounded(value: float, to: float) -> float:
    """To the nearest multiple of ``to``, halves upwards."""
    inverse = divided(1.0, to)
    scaled = value * inverse + 0.5
    return divided(float(math.floor(scaled)) if math.isfinite(scaled) else scaled, inverse)


def clamped(value: float, low: float, high: float) -> float:
    """Within both bounds; NaN when a bound is."""
    return NAN if low != low or high != high or value != value else max(low, min(high, value))


def _hyperbolic_inverse(value: float) -> float:
    if abs(value) == 1:
        return math.copysign(math.inf, value)
    return _guarded(math.atanh)(value)


NUMBERS: dict[str, Callable[[float], float]] = {
    "abs": abs,
    "acos": _guarded(math.acos),
    "acosh": _guarded(math.acosh),
    "asin": _guarded(math.asin),
    "asinh": _guarded(math.asinh),
    "atan": math.atan,
    "atanh": _hyperbolic_inverse,
    "ceil": _whole(math.ceil),
    "cos": _guarded(math.cos),
    "cosh": _guarded(math.cosh),
    "deg": lambda v: v * 180 / math.pi,
    "exp": _guarded(math.exp),
    "floor": _whole(math.floor),
    "ln": _logarithm(math.log),
    "log10": _logarithm(math.log10),
    "log2": _logarithm(math.log2),
    "rad": lambda v: v * math.pi / 180,
    "sgn": lambda v: math.copysign(1.0, v) if v and v == v else v,
    "sin": _guarded(math.sin),
    "sinh": lambda v: v if math.isinf(v) else math.copysign(_guarded(math.sinh)(abs(v)), v),
    "sqrt": _guarded(math.sqrt),
    "tan": _guarded(math.tan),
    "tanh": math.tanh,
}


CYCLE = 146_097 * 86_400
"""Seconds of 400 years, after which the calendar repeats."""

NO_TIME = 2**63
"""What Go makes of a time that is NaN or infinite (amd64): the conversion gives -2**63, and its calendar wraps."""


def _of_date(read: Callable[[datetime], int], *, is_year: bool = False) -> Callable[[float], float]:
    def call(seconds: float) -> float:
        whole = math.trunc(seconds) if math.isfinite(seconds) and abs(seconds) < 2**63 else NO_TIME
        cycles, rest = divmod(whole, CYCLE)
        return float(read(datetime.fromtimestamp(rest, UTC)) + (400 * cycles if is_year else 0))

    return call


DATES: dict[str, Callable[[float], float]] = {
    "day_of_month": _of_date(lambda at: at.day),
    "day_of_week": _of_date(lambda at: at.isoweekday() % 7),
    "day_of_year": _of_date(lambda at: at.timetuple().tm_yday),
    "days_in_month": _of_date(lambda at: monthrange(at.year, at.month)[1]),
    "hour": _of_date(lambda at: at.hour),
    "minute": _of_date(lambda at: at.minute),
    "month": _of_date(lambda at: at.month),
    "year": _of_date(lambda at: at.year, is_year=True),
}
"""Of seconds since the epoch, in UTC."""


def bounds(name: str, numbers: Sequence[float]) -> tuple[float, float]:
    """The two bounds of ``clamp``, ``clamp_min`` or ``clamp_max``."""
    if name == "clamp":
        return numbers[0], numbers[1]
    return (numbers[0], math.inf) if name == "clamp_min" else (-math.inf, numbers[0])
