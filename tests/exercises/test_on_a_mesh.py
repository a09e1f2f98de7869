"""Exercises on a running mesh: untouched, solved, and with attempts of every kind; each verdict asked for once.

Lessons about pods are tried with every attempt here; those about the mesh with a few, since test_attempts tries all.
"""

import pytest

from labkit.exercises import course
from tests.exercises.test_attempts import ON_A_CLUSTER

pytestmark = pytest.mark.sandbox


def tried(attempts, exercise, few):
    if exercise.id.startswith("21-"):
        return ()  # every incident breaks a mesh of its own: here each is solved, the other attempts are made in memory
    return attempts if exercise.id[:2] in ON_A_CLUSTER else attempts[:few]


IN_MEMORY = ("21-1", "21-2", "21-4", "21-5", "21-9")
"""Incidents of routes alone: what they break is in the configuration, which test_attempts reads as a proxy has it."""

SOLVED = pytest.mark.parametrize(
    "exercise", [e for e in course.ALL.values() if e.id not in IN_MEMORY], ids=lambda e: e.id
)
WRONG = [(exercise, wrong) for exercise in course.ALL.values() for wrong in tried(exercise.wrong, exercise, 1)]
RIGHT = [(exercise, right) for exercise in course.ALL.values() for right in tried(exercise.right, exercise, 1)]


@pytest.mark.parametrize("exercise", [e for e in course.ALL.values() if e.id[:2] in ON_A_CLUSTER], ids=lambda e: e.id)
def test_untouched_it_is_not_passed(desk, exercise):
    assert not desk.verdict(exercise).passed


@pytest.mark.parametrize(("exercise", "wrong"), WRONG, ids=[f"{e.id} {w.why}" for e, w in WRONG])
def test_a_wrong_answer_is_told_its_cause(desk, exercise, wrong):
    verdict = desk.verdict(exercise, yaml=wrong.yaml, answer=wrong.answer)
    assert not verdict.passed
    assert wrong.says in f"{verdict.observed} {verdict.cause}"


@pytest.mark.parametrize(("exercise", "right"), RIGHT, ids=[f"{e.id} {r.how}" for e, r in RIGHT])
def test_a_right_answer_written_otherwise_passes(desk, exercise, right):
    verdict = desk.verdict(exercise, yaml=right.yaml, answer=right.answer, deletes=right.deletes)
    assert verdict.passed, verdict


@SOLVED
def test_the_solution_passes(desk, exercise):
    verdict = desk.verdict(exercise, yaml=exercise.solution, answer=exercise.answer)
    assert verdict.passed, verdict
