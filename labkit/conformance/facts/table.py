"""Facts as a table for a terminal."""

import textwrap
from collections.abc import Sequence

from labkit.conformance.facts.fact import Outcome

WIDTHS = (4, 36, 34, 44, 16)
"""Characters of number, fact, asked, observed and verdict."""


def head() -> str:
    """The names of the columns, and a rule."""
    return _row(("", "fact", "asked", "observed", "verdict")) + "\n" + "─" * sum(WIDTHS)


def row(outcome: Outcome) -> str:
    """One fact, over as many lines as it takes."""
    fact = outcome.fact
    verdict = outcome.verdict if outcome.verdict == "skipped" else f"{outcome.verdict} in {outcome.seconds:.1f} s"
    return _row((str(fact.number), fact.sentence, fact.asked, outcome.observed, verdict))


def foot(outcomes: Sequence[Outcome]) -> str:
    """``24/24 true``, with what was skipped."""
    true, skipped = (sum(o.verdict == word for o in outcomes) for word in ("true", "skipped"))
    return f"{true}/{len(outcomes)} true" + (f", {skipped} skipped" if skipped else "")


def _row(cells: Sequence[str]) -> str:
    columns = [
        [line for text in cell.splitlines() for line in textwrap.wrap(text, width - 2)] or [""]
        for cell, width in zip(cells, WIDTHS, strict=True)
    ]
    height = max(map(len, columns))
    lines = zip(*(column + [""] * (height - len(column)) for column in columns), strict=True)
    return "\n".join("".join(f"{t:<{w}}" for t, w in zip(line, WIDTHS, strict=True)).rstrip() for line in lines)
