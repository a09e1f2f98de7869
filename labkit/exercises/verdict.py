"""What a check says: expected, observed, the likely cause, and what to try next."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from labkit.exercises import numbers
from labkit.exercises.diagnosis.cause import Cause


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The judgement of one exercise; it never raises."""

    exercise: str
    """Its id, ``07-1``."""

    passed: bool
    expected: str
    observed: str
    cause: str = ""
    """What makes it so, as far as the evidence shows; empty when it passed."""

    next_step: str = ""

    def __repr__(self) -> str:
        lines = [
            f"{self.exercise} {'passed' if self.passed else 'not yet'}",
            f"  expected: {self.expected}",
            f"  observed: {self.observed}",
        ]
        if not self.passed:
            lines += [f"  likely:   {self.cause}"] if self.cause else []
            lines += [f"  next:     {self.next_step}"] if self.next_step else []
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        colour, mark = ("#009E73", "✓ passed") if self.passed else ("#D55E00", "○ not yet")
        rows = [("expected", self.expected), ("observed", self.observed)]
        if not self.passed:
            rows += [(k, v) for k, v in (("likely", self.cause), ("next", self.next_step)) if v]
        body = "".join(f"<dt style='opacity:.75'>{k}</dt><dd style='margin:0'>{_marked(v)}</dd>" for k, v in rows)
        return (
            f'<div style="border-left:5px solid {colour};padding:.4em .9em;max-width:60em">'
            f"<b>{escape(self.exercise)} {mark}</b>"
            f'<dl style="display:grid;grid-template-columns:max-content 1fr;gap:.15em 1em;margin:.3em 0 0">{body}</dl>'
            "</div>"
        )


def _marked(text: str) -> str:
    """Escaped, with what stands between backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def passed(expected: str, observed: str) -> Verdict:
    """A good verdict; the exercise's id is put in by whoever runs the check."""
    return Verdict(exercise="", passed=True, expected=expected, observed=observed)


def not_yet(expected: str, observed: str, *, cause: str, next_step: str = "") -> Verdict:
    """A verdict of work that is not done; without ``next_step`` the hint is named."""
    return Verdict(exercise="", passed=False, expected=expected, observed=observed, cause=cause, next_step=next_step)


def because(expected: str, observed: str, causes: Sequence[Cause]) -> Verdict:
    """A verdict with the first of these causes, and no cause where there is none."""
    first = causes[0] if causes else None
    return not_yet(
        expected, observed, cause=first.sentence if first else "", next_step=first.next_step if first else ""
    )


OTHER = "the cluster shows another number"


def number(
    answer: object,
    right: float,
    *,
    what: str,
    shows: str,
    causes: Mapping[float, str],
    is_share: bool = False,
    other: str = OTHER,
) -> Verdict:
    """On a filed number; ``shows`` is told when it is right.

    ``causes`` says what a wrong one usually comes from; ``other`` what to look at with any other number.
    """
    expected = f"the number of {what}"
    if answer is None:
        return not_yet(expected, "nothing is filed", cause="lab.answer(id, number) files it")
    value = numbers.per_cent(answer) if is_share else numbers.count(answer)
    if value is None:
        return not_yet(expected, f"{answer!r} is filed", cause=f"{answer!r} is no number: file one, as in 4 or '4'")
    if abs(value - right) < 1e-6:
        return passed(expected, f"{right:g}: {shows}")
    near = round(value) if is_share else value
    return not_yet(expected, f"{value:g} is filed", cause=causes.get(value) or causes.get(near) or other)
