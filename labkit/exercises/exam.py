"""A mock exam in the proportions of the Istio Certified Associate: drawn, graded by checks, reported. Pure."""

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from labkit.exercises import course
from labkit.exercises.exercise import Exercise
from labkit.exercises.verdict import Verdict

LIMIT = 2 * 60 * 60.0
"""Seconds."""

PASS = 68.0
"""Per cent of the points."""


@dataclass(frozen=True, kw_only=True)
class Domain:
    """A part of the exam."""

    title: str
    percent: float
    """Of the points."""

    tasks: int
    lessons: tuple[str, ...]
    """Whose exercises it draws from."""

    incidents: tuple[str, ...] = ()
    """Incidents of the clinic that belong here rather than to troubleshooting."""


IDENTITIES = ("21-3", "21-6", "21-7")

DOMAINS = (
    Domain(title="Installation and configuration", percent=20, tasks=3, lessons=("02", "03", "04", "23")),
    Domain(title="Traffic management", percent=35, tasks=6, lessons=("06", "07", "08", "09", "10", "19")),
    Domain(title="Securing workloads", percent=25, tasks=4, lessons=("11", "12", "13"), incidents=IDENTITIES),
    Domain(title="Troubleshooting", percent=20, tasks=3, lessons=("05", "21")),
)
BEGINS = {"02": "03", "03": "05", "04": "05"}
"""Lessons whose exercises come after their own work: the lesson at whose beginning the cluster is by then."""


def pool(domain: Domain) -> list[str]:
    """Exercises that ask for work on the cluster; a question with a number for an answer is no task of an exam."""
    return [id for id, exercise in course.ALL.items() if domain_of(id) is domain and exercise.solution]


def draw(seed: int, *, previous: Collection[str] = ()) -> tuple[str, ...]:
    """Ids of sixteen exercises, domain after domain; those of the try before come only where nothing else is left."""
    generator = random.Random(seed)
    drawn: list[str] = []
    for domain in DOMAINS:
        ids = pool(domain)
        generator.shuffle(ids)
        drawn += sorted(ids, key=lambda id: id in previous)[: domain.tasks]
    return tuple(drawn)


def domain_of(id: str) -> Domain | None:
    """The domain of an exercise; None where it is in none."""
    own = [domain for domain in DOMAINS if id in domain.incidents]
    return next(iter([*own, *(domain for domain in DOMAINS if id[:2] in domain.lessons)]), None)


def points(id: str) -> float:
    """What a task is worth, in per cent of the exam."""
    domain = domain_of(id)
    return domain.percent / domain.tasks if domain else 0.0


def begins(exercise: Exercise) -> str:
    """The lesson to go to before the exercise's own files are applied."""
    return BEGINS.get(exercise.id[:2], exercise.id[:2])


@dataclass(kw_only=True)
class Sitting:
    """One try."""

    seed: int
    started: float
    """Unix seconds."""

    tasks: tuple[str, ...]
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Id → the last verdict: passed, expected, observed, cause, seconds since the start."""

    answers: dict[str, Any] = field(default_factory=dict)

    def left(self, now: float) -> float:
        """Seconds until the end; negative afterwards."""
        return self.started + LIMIT - now

    def record(self, id: str, verdict: Verdict, now: float) -> None:
        """Note a verdict; the last one before the end counts."""
        self.results[id] = {
            "passed": verdict.passed,
            "expected": verdict.expected,
            "observed": verdict.observed,
            "cause": verdict.cause,
            "seconds": round(now - self.started),
        }

    @property
    def score(self) -> float:
        """Per cent."""
        return sum(points(id) for id in self.tasks if self.results.get(id, {}).get("passed"))

    @property
    def is_passed(self) -> bool:
        """Whether the points are enough."""
        return self.score >= PASS - 1e-9

    def as_json(self) -> dict[str, Any]:
        """For a file."""
        return {**vars(self), "tasks": list(self.tasks)}

    @classmethod
    def of_json(cls, document: Mapping[str, Any]) -> "Sitting":
        """From a file."""
        return cls(**{**document, "tasks": tuple(document["tasks"])})


def report(sitting: Sitting) -> list[str]:
    """Lines: each task with what was seen, each domain with its points, and the result."""
    lines = []
    for domain in DOMAINS:
        own = [id for id in sitting.tasks if domain_of(id) is domain]
        lines.append(f"{domain.title} ({domain.percent:g} %)")
        for id in own:
            lines += _task(sitting, id)
    verdict = "passed" if sitting.is_passed else "not passed"
    return [*lines, "", f"{sitting.score:.0f} of 100 points, {PASS:g} are needed: {verdict}"]


def _task(sitting: Sitting, id: str) -> Sequence[str]:
    number, result = sitting.tasks.index(id) + 1, sitting.results.get(id)
    title = f"{number:>4}  {id}  {course.find(id).task}"
    if result is None:
        return [f"  ○ {title}", "            not checked"]
    mark = "✓" if result["passed"] else "○"
    lines = [f"  {mark} {title}", f"            seen: {result['observed']}"]
    if not result["passed"]:
        lines += [f"            expected: {result['expected']}"]
        lines += [f"            likely: {result['cause']}"] if result["cause"] else []
    return lines
