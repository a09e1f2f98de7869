"""What one check has to say."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from labkit.lab.doctor.facts import Facts

Verdict = Literal["pass", "warn", "fail", "skip"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One row of the table."""

    id: str
    title: str
    """What was looked at."""

    verdict: Verdict
    seen: str
    next_step: str = ""
    """One command that mends it; empty where nothing has to be."""


Answer = tuple[Verdict, str, str]
"""Verdict, what was seen, and what mends it."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check: a question, and a pure function of what was seen."""

    id: str
    title: str
    judge: Callable[[Facts], Answer]

    def __call__(self, facts: Facts) -> Finding:
        """Its row; whatever was seen in a shape that nobody expected is a warning."""
        try:
            verdict, seen, step = self.judge(facts)
        except (LookupError, TypeError, ValueError, AttributeError) as e:
            verdict, seen, step = (
                "warn",
                f"cannot be told ({type(e).__name__}: {e})",
                "report what ./lab doctor --json prints",
            )
        return Finding(id=self.id, title=self.title, verdict=verdict, seen=seen, next_step=step)


def passed(seen: str) -> Answer:
    """In order."""
    return "pass", seen, ""


def skipped(seen: str) -> Answer:
    """Not looked at, and why."""
    return "skip", seen, ""
