"""Incidents: a mesh that somebody broke. A repair counts when what was complained of is over, nothing that was meant is
lost, and the explanation names the object at fault and what is wrong in it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from labkit.exercises import filed, verdict
from labkit.exercises.diagnosis import objects, way
from labkit.exercises.evidence import Evidence
from labkit.exercises.exercise import Exercise, Right, Wrong
from labkit.exercises.verdict import Verdict

Look = Callable[[Evidence], str]
"""What is wrong, in a sentence; empty when nothing is."""


Way = Callable[[Evidence], Sequence[way.Hop]]
"""The way that the requests in question should take, proxy by proxy."""


def nothing(_: Evidence) -> str:
    """Nothing to lose."""
    return ""


@dataclass(frozen=True, kw_only=True)
class Incident:
    """One broken mesh."""

    number: int
    manifest: str
    """What breaks it: a file below ``notebooks/manifests``."""

    complaint: str
    """What people say."""

    done_when: str
    """What works again."""

    culprits: tuple[str, ...]
    """Objects at fault, as answers name them; any one of them."""

    reasons: tuple[tuple[str, ...], ...]
    """An explanation has a word of each group."""

    symptom: Look
    ways: tuple[Way, ...] = ()
    """Where the proxies should send those requests: a repair that does not work is told why."""

    lost: Look = nothing
    """What the repair took away that was meant."""

    hints: tuple[str, str, str]
    solution: str
    explanation: str
    """A good answer."""

    another: tuple[str, str] = ("", "")
    """Another repair, and how it differs."""

    @property
    def id(self) -> str:
        """``21-3``."""
        return f"21-{self.number}"

    @property
    def name(self) -> str:
        """``c3``."""
        return f"c{self.number}"

    def check(self, evidence: Evidence) -> Verdict:
        """The verdict on the repair and on the explanation."""
        expected = f"{self.done_when}, and the object at fault is filed with the reason"
        trouble, answer = self.symptom(evidence), evidence.answer(self.id)
        filing = f"{answer!r} is filed" if answer else "nothing is filed"
        observed = f"{trouble or self.done_when}; {filing}"
        if cause := self._misunderstanding(evidence, answer, trouble):
            return verdict.not_yet(expected, observed, cause=cause)
        if trouble:
            cause = f"the explanation is right; not repaired so far: {self._why(evidence) or trouble}"
            return verdict.not_yet(expected, observed, cause=cause)
        if lost := self.lost(evidence):
            return verdict.not_yet(
                expected, observed, cause=f"repaired at a price: {lost}" + self._why(evidence, before=": ")
            )
        return verdict.passed(expected, observed)

    def _why(self, evidence: Evidence, *, before: str = "") -> str:
        """The first thing that leads those requests elsewhere, or nothing."""
        mesh = objects.read(evidence)
        for hops in self.ways:
            if causes := way.follow(evidence, mesh, hops(evidence)).causes:
                return f"{before}{causes[0].sentence}"
        return ""

    def _misunderstanding(self, evidence: Evidence, answer: object, trouble: str) -> str:
        form = f'lab.answer("{self.id}", "kind/name: what is wrong in it")'
        if not answer:
            return f"{'not explained' if trouble else 'repaired, and not explained'}: {form} files it"
        named = filed.parse(str(answer).partition(":")[0])
        if str(named) not in self.culprits:
            return (
                filed.problem(named, evidence)
                or f"{named} is not at fault: what does it do to the requests in question?"
            )
        text = str(answer).lower()
        if not all(any(word in text for word in group) for group in self.reasons):
            return f"{named} is the right object: add what is wrong in it, which field and why: {form}"
        return ""


def exercise(incident: Incident) -> Exercise:
    """The incident as an exercise of lesson 21."""
    solution, answer, culprit = incident.solution, incident.explanation, incident.culprits[0]
    other, how = incident.another
    return Exercise(
        id=incident.id,
        task=incident.complaint,
        done_when=f"{incident.done_when}, and the object at fault is filed with the reason",
        check=incident.check,
        hints=incident.hints,
        solution=solution,
        answer=answer,
        given=(incident.manifest,),
        right=(Right(how=how, yaml=other, answer=answer),) if other else (),
        wrong=(
            Wrong(why="repaired, nothing filed", yaml=solution, says="repaired, and not explained"),
            Wrong(why="another object", yaml=solution, answer="service/details: its port", says="is not at fault"),
            Wrong(why="without the reason", yaml=solution, answer=culprit, says="add what is wrong in it"),
            Wrong(why="explained, not repaired", answer=answer, says="not repaired so far"),
            Wrong(why="an object that there is not", answer="service/nosuch: gone", says="there is no Service nosuch"),
        ),
    )
