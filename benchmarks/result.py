"""A number, its bar, and the table of both."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Result:
    """One measured number."""

    name: str
    """What was measured, as a reader says it."""

    value: float | None
    """The number, or None when it could not be measured."""

    unit: str = ""
    at_most: float | None = None
    """The bar, if smaller is better."""

    at_least: float | None = None
    """The bar, if larger is better; with neither, the number is only shown."""

    note: str = ""
    """How it was measured, how it spreads, or why it was not."""

    @property
    def holds(self) -> bool | None:
        """Whether the number meets its bar; None when there is no bar, False when there is no number."""
        if self.at_most is None and self.at_least is None:
            return None
        if self.value is None or math.isnan(self.value):
            return False
        return (self.at_most is None or self.value <= self.at_most) and (
            self.at_least is None or self.value >= self.at_least
        )

    @property
    def bar(self) -> str:
        """``≤ 4 s``."""
        if self.at_most is not None:
            return f"≤ {self.at_most:g}{_space(self.unit)}"
        return f"≥ {self.at_least:g}{_space(self.unit)}" if self.at_least is not None else ""

    def as_data(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self) | {"holds": self.holds}


def failed(name: str, why: object, *, at_most: float | None = None, at_least: float | None = None) -> Result:
    """The result of a measurement that did not come to an end; the first line of ``why`` is its note."""
    line = str(why).strip().partition("\n")[0] or type(why).__name__
    return Result(name=name, value=None, at_most=at_most, at_least=at_least, note=line)


def median(name: str, values: Sequence[float], **bar: Any) -> Result:
    """The median of several measurements, with their spread as the note."""
    spread = f"median of {len(values)}, {number(min(values))} to {number(max(values))}"
    note = ", ".join(text for text in (spread, bar.pop("note", "")) if text)
    return Result(name=name, value=statistics.median(values), note=note, **bar)


def number(value: float) -> str:
    """Three digits that mean something: ``2.41``, ``38.2``, ``287``, ``7,310``."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def table(results: Sequence[Result]) -> str:
    """The results as lines of a Markdown table."""
    rows = [("", "measured", "bar", "", "how")]
    for result in results:
        value = "not measured" if result.value is None else f"{number(result.value)}{_space(result.unit)}"
        mark = {True: "holds", False: "MISSED", None: ""}[result.holds]
        rows.append((result.name, value, result.bar, mark, result.note))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _space(unit: str) -> str:
    return f" {unit}" if unit else ""
