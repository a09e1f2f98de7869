"""Durations as Go reads them: ``1h2m3.5s``."""

import re
from fractions import Fraction

from labkit.mesh.validation.gotext import quoted

UNITS = {
    "ns": Fraction(1, 10**9),
    "us": Fraction(1, 10**6),
    "µs": Fraction(1, 10**6),
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "m": Fraction(60),
    "h": Fraction(3600),
}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)")


def seconds(text: str) -> Fraction | None:
    """Its length, exactly; None when it is no duration."""
    sign = -1 if text.startswith("-") else 1
    rest = text.removeprefix("-").removeprefix("+")
    if rest == "0":
        return Fraction(0)
    parts = list(_PART.finditer(rest))
    if not parts or "".join(p.group() for p in parts) != rest:
        return None
    return sign * sum((Fraction(p[1]) * UNITS[p[2]] for p in parts), Fraction(0))


def problem(text: str) -> str:
    """Why a text is no duration, as Go's ParseDuration says it."""
    shown = quoted(text)
    rest = re.sub(r"^[+-]", "", text)
    if not rest or not re.match(r"[0-9.]", rest):
        return f"time: invalid duration {shown}"
    while match := re.match(r"\d+\.?\d*|\.\d+", rest):
        rest = rest[match.end() :]
        unit = re.match(r"[^0-9.]*", rest)
        word = unit.group() if unit else ""
        if not word:
            return f"time: missing unit in duration {shown}"
        if word not in UNITS:
            return f"time: unknown unit {quoted(word)} in duration {shown}"
        rest = rest[len(word) :]
    return f"time: invalid duration {shown}"
