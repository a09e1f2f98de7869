"""Incidents: a mesh that somebody broke. A repair counts when what was complained of is over, nothing that was meant is
lost, and the explanation names the object at fault, the field, and what it does to requests."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from labkit.exercises import causes, filed, verdict
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

    fields: tuple[str, ...]
    """Where the mistake is written: ``http.route.destination.subset``; any one of them."""

    effects: tuple[str, ...]
    """What it does, as ``causes.EFFECTS`` has it; any one of them, and the first is the best."""

    symptom: Look
    ways: tuple[Way, ...] = ()
    """Where the proxies should send those requests: a repair that does not work is told why."""

    lost: Look = nothing
    """What the repair took away that was meant."""

    hints: tuple[str, str, str]
    solution: str
    note: str
    """The cause in a sentence, as a good note has it."""

    another: tuple[str, str] = ("", "")
    """Another repair, and how it differs."""

    @property
    def id(self) -> str:
        """``21-3``."""
        return f"21-{self.number}"

    @property
    def explanation(self) -> dict[str, str]:
        """A right answer."""
        return {"object": self.culprits[0], "field": f"spec.{self.fields[0]}", "effect": self.effects[0]}

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
            if reasons := way.follow(evidence, mesh, hops(evidence)).causes:
                return f"{before}{reasons[0].sentence}"
        return ""

    def _misunderstanding(self, evidence: Evidence, answer: object, trouble: str) -> str:
        form = f'lab.answer("{self.id}", "kind/name", field="spec.…", effect="…")'
        if not answer:
            return f"{'not explained' if trouble else 'repaired, and not explained'}: {form} files it"
        cause = causes.parse(answer)
        named = filed.parse(cause.object)
        if str(named) not in self.culprits:
            return (
                filed.problem(named, evidence)
                or f"{named} is not at fault: what does it do to the requests in question?"
            )
        return causes.problem(replace(cause, object=str(named)), fields=self.fields, effects=self.effects, form=form)


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
        right=(
            *((Right(how=how, yaml=other, answer=answer),) if other else ()),
            Right(
                how="as one text, with a note",
                yaml=solution,
                answer=f"{culprit} {answer['field']} {answer['effect']}: {incident.note}",
            ),
            Right(
                how="the end of the field, another order",
                yaml=solution,
                answer={"effect": answer["effect"].upper(), "field": answer["field"].split(".")[-1], "object": culprit},
            ),
        ),
        wrong=(
            Wrong(why="repaired, nothing filed", yaml=solution, says="repaired, and not explained"),
            Wrong(
                why="another object",
                yaml=solution,
                answer={**answer, "object": "service/details"},
                says="is not at fault",
            ),
            Wrong(why="the object alone", yaml=solution, answer=culprit, says="file its field and effect as well"),
            Wrong(
                why="the right words without the parts",
                yaml=solution,
                answer=f"{culprit}: {incident.note}",
                says="file its field and effect as well",
            ),
            Wrong(
                why="another field",
                yaml=solution,
                answer={**answer, "field": "spec.exportTo"},
                says="is not where the mistake is written",
            ),
            Wrong(
                why="another effect",
                yaml=solution,
                answer={**answer, "effect": "limited"},
                says="it is not so that a rate limit refuses",
            ),
            Wrong(why="explained, not repaired", answer=answer, says="not repaired so far"),
            Wrong(why="an object that there is not", answer="service/nosuch: gone", says="there is no Service nosuch"),
        ),
    )
