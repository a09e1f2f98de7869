"""What a check says: expected, observed, the likely cause, and what to try next."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The judgement of one exercise; it never raises."""

    exercise: str
    """Its id, ``07-1``."""

    passed: bool
    expected: str
    observed: str
    cause: str = ""
    """What most often makes it so; empty when it passed."""

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
        body = "".join(f"<dt style='opacity:.75'>{k}</dt><dd style='margin:0'>{escape(v)}</dd>" for k, v in rows)
        return (
            f'<div style="border-left:5px solid {colour};padding:.4em .9em;max-width:60em">'
            f"<b>{escape(self.exercise)} {mark}</b>"
            f'<dl style="display:grid;grid-template-columns:max-content 1fr;gap:.15em 1em;margin:.3em 0 0">{body}</dl>'
            "</div>"
        )


def passed(expected: str, observed: str) -> Verdict:
    """A good verdict; the exercise's id is put in by whoever runs the check."""
    return Verdict(exercise="", passed=True, expected=expected, observed=observed)


def not_yet(expected: str, observed: str, *, cause: str, next_step: str = "") -> Verdict:
    """A verdict of work that is not done; without ``next_step`` the hint is named."""
    return Verdict(exercise="", passed=False, expected=expected, observed=observed, cause=cause, next_step=next_step)


def number(answer: object, right: int, *, what: str, seen: str, causes: Mapping[int, str]) -> Verdict:
    """On a filed number; ``causes`` says what a wrong one usually comes from, ``seen`` is shown when right."""
    expected = f"the number of {what}"
    if answer is None:
        return not_yet(expected, "nothing is filed", cause="lab.answer(id, number) files it")
    if isinstance(answer, bool) or not isinstance(answer, int | float):
        return not_yet(expected, f"{answer!r} is filed", cause="that is not a number")
    if answer == right:
        return passed(expected, f"{right}: {seen}")
    return not_yet(expected, f"{answer:g} is filed", cause=causes.get(int(answer), "the cluster shows another number"))
