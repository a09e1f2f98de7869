"""Durations as Go reads them: ``1h2m3.5s``."""

import re
from fractions import Fraction

UNITS = {
    "ns": Fraction(1, 10**9),
    "us": Fraction(1, 10**6),
    "µs": Fraction(1, 10**6),
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "m": Fraction(60),
    "h": Fraction(3600),
}
"""Seconds."""

_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)")


def seconds(text: str) -> Fraction | None:
    """Its length, exactly; None when it is no duration."""
    sign = -1 if text.startswith("-") else 1
    rest = text.removeprefix("-").removeprefix("+")
    if rest == "0":
        return Fraction(0)
    parts = list(_PART.finditer(rest))
    if not parts or "".join(part.group() for part in parts) != rest:
        return None
    return sign * sum((Fraction(part[1]) * UNITS[part[2]] for part in parts), Fraction(0))
