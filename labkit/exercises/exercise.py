"""One exercise."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from labkit.base import errors
from labkit.exercises.evidence import Evidence
from labkit.exercises.verdict import Verdict
from labkit.kube import status

Check = Callable[[Evidence], Verdict]


AGREE = 3
"""Verdicts in a row that have to be the same while open connections may give answers of before a change."""

PAUSE = 2.0
"""Seconds between them."""


def settled(
    check: Callable[[], Verdict], unsettled: Callable[[], float], *, sleep: Callable[[float], None] = time.sleep
) -> Verdict:
    """The verdict of a check; asked again while a change of a policy may not hold on every open connection yet.

    Istio's proxies keep a listener for connections that were open before, up to 45 s: each gives one more old answer.
    So a verdict counts when several agree that it is passed, or when no such connection can be left.
    """
    verdict, waited, agreed = check(), 0.0, 1
    while unsettled() > 0 and not (verdict.passed and agreed >= AGREE):
        sleep(PAUSE)
        waited += PAUSE
        again = check()
        agreed = agreed + 1 if again.passed == verdict.passed else 1
        verdict = again
    if not waited:
        return verdict
    note = f"(asked for {waited:.0f} s: connections of before the change may give old answers)"
    return replace(verdict, observed=f"{verdict.observed} {note}")


def _filing(id: str, answer: object) -> str:
    """The cell that files an answer; one of several parts has them by name."""
    if not isinstance(answer, dict) or "object" not in answer:
        return f'lab.answer("{id}", {answer!r})'
    parts = "".join(f", {name}={value!r}" for name, value in answer.items() if name != "object")
    return f'lab.answer("{id}", {answer["object"]!r}{parts})'


@dataclass(frozen=True, kw_only=True)
class Wrong:
    """A plausible attempt that does not solve an exercise, and what its verdict has to say of it."""

    why: str
    """What is wrong with it, in a few words: the id of its test."""

    says: str
    """Part of the verdict's ``observed`` or ``cause``."""

    yaml: str = ""
    """What was applied."""

    answer: object = None
    """What was filed."""


@dataclass(frozen=True, kw_only=True)
class Right:
    """An attempt that solves an exercise and is written otherwise than the solution."""

    how: str
    """What is different, in a few words: the id of its test."""

    deletes: str = ""
    """What was deleted before, as YAML."""

    yaml: str = ""
    """What was applied."""

    answer: object = None
    """What was filed."""


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """A task with its check, hints and solution."""

    id: str
    """Lesson and number, ``07-1``."""

    task: str
    done_when: str
    check: Check
    hints: tuple[str, str, str]
    """From a nudge to nearly the solution."""

    solution: str = ""
    """YAML to apply; empty for an exercise that only wants an answer."""

    answer: object = None
    """What to file, for an exercise that wants an answer."""

    given: tuple[str, ...] = ()
    """Files below ``notebooks/manifests`` that the lesson has applied before."""

    wrong: tuple[Wrong, ...] = ()
    """At least four that differ in kind."""

    right: tuple[Right, ...] = ()

    @property
    def solved_by(self) -> str:
        """Everything that solves it, as text to read."""
        filed = f"{_filing(self.id, self.answer)}\n" if self.answer is not None else ""
        return self.solution + (f"\n# and then\n{filed}" if filed and self.solution else filed)

    def hint(self, level: int) -> str:
        """A hint; levels beyond the last give the last."""
        number = min(max(level, 1), len(self.hints))
        more = f'  (lab.hint("{self.id}", {number + 1}) says more)' if number < len(self.hints) else ""
        return f"Hint {number} of {len(self.hints)}: {self.hints[number - 1]}{more}"

    def judge(self, evidence: Evidence) -> Verdict:
        """The verdict, once every proxy has what was applied; trouble on the way is a verdict too."""
        try:
            late = evidence.until_live()
            verdict = settled(lambda: self.check(evidence), evidence.unsettled)
            if late and not verdict.passed:
                both = "; ".join(filter(None, (late, verdict.cause)))
                verdict = replace(verdict, cause=both, next_step="lab.analyze()")
        except errors.LabError as e:
            first, _, rest = str(e).partition("\n")
            is_denied = isinstance(e, status.StatusError) and e.code == 403
            verdict = Verdict(
                exercise=self.id,
                passed=False,
                expected=self.done_when,
                observed=first,
                cause="you may not read what the check looks at"
                if is_denied
                else "the cluster or the gateway did not answer the check's questions",
                next_step="kubectl auth can-i --list; ask the cluster's owner for this right"
                if is_denied
                else rest.replace("Next: ", "").replace("\n", "; "),
            )
        except Exception as e:  # an object in a shape that the check did not expect: still no traceback for a learner
            verdict = Verdict(
                exercise=self.id,
                passed=False,
                expected=self.done_when,
                observed=f"the check cannot read an object of this exercise: {type(e).__name__}: {e}",
                cause="",
                next_step="lab.reset() and try again",
            )
        hint = f'lab.hint("{self.id}") gives a hint'
        return replace(verdict, exercise=self.id, next_step=verdict.next_step or ("" if verdict.passed else hint))
