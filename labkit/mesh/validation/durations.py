"""Durations as Go reads them, and Go's words for those it does not read."""

import re

from labkit.kube.durations import UNITS, seconds
from labkit.mesh.validation.gotext import quoted

__all__ = ["problem", "seconds"]


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
