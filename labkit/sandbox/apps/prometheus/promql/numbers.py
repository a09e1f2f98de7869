"""Numbers as Prometheus writes them, and divides them."""

import math
from decimal import Decimal


def text_of(value: float) -> str:
    """Without exponent and with no more digits than tell it from its neighbours: ``1e21`` has 22 of them."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    text = format(Decimal(repr(value)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def divided(a: float, b: float) -> float:
    """``a / b`` by IEEE 754: Python refuses to divide by zero."""
    if b == 0:
        return float("nan") if a == 0 or a != a else math.copysign(math.inf, a) * math.copysign(1, b)
    return a / b
