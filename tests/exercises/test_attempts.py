"""Every attempt at every exercise of the mesh, in memory: the right ones pass, the wrong ones are told their cause."""

from pathlib import Path

import pytest
import yaml

from labkit.exercises import course
from labkit.kube import manifests
from tests.exercises.simulated import Simulated

ON_A_CLUSTER = ("00", "01", "02", "03", "22")
"""Lessons about pods, their rollouts and ambient mode; those are tried on a running cluster."""

MESH = [exercise for exercise in course.ALL.values() if exercise.id[:2] not in ON_A_CLUSTER]
WRITTEN = yaml.safe_load((Path(__file__).parent / "attempts.yaml").read_text())
"""More attempts than an exercise names itself."""

WRONG = [(exercise, wrong) for exercise in MESH for wrong in exercise.wrong]
RIGHT = [(exercise, right) for exercise in MESH for right in exercise.right]


def verdict(exercise, *, yaml="", answer=None, deletes=""):
    attempt, gone = (manifests.parse(text) if text else [] for text in (yaml, deletes))
    return exercise.judge(Simulated(exercise, attempt, answer, deleted=gone))


@pytest.mark.parametrize("exercise", MESH, ids=lambda e: e.id)
def test_untouched_it_is_not_passed(exercise):
    assert not verdict(exercise).passed


@pytest.mark.parametrize("exercise", MESH, ids=lambda e: e.id)
def test_the_solution_passes(exercise):
    seen = verdict(exercise, yaml=exercise.solution, answer=exercise.answer)
    assert seen.passed, seen


@pytest.mark.parametrize(("exercise", "right"), RIGHT, ids=[f"{e.id} {r.how}" for e, r in RIGHT])
def test_a_right_answer_written_otherwise_passes(exercise, right):
    seen = verdict(exercise, yaml=right.yaml, answer=right.answer, deletes=right.deletes)
    assert seen.passed, seen


@pytest.mark.parametrize(("exercise", "wrong"), WRONG, ids=[f"{e.id} {w.why}" for e, w in WRONG])
def test_a_wrong_answer_is_told_its_cause(exercise, wrong):
    seen = verdict(exercise, yaml=wrong.yaml, answer=wrong.answer)
    assert not seen.passed
    assert wrong.says in f"{seen.observed} {seen.cause}"


@pytest.mark.parametrize("row", WRITTEN, ids=lambda row: f"{row['exercise']} {row['why']}")
def test_an_attempt_gets_its_verdict(row):
    exercise = course.find(row["exercise"])
    evidence = Simulated(exercise, row.get("applies", ()), row.get("answer"), deleted=row.get("deletes", ()))
    seen = exercise.judge(evidence)
    assert seen.passed == ("says" not in row), seen
    assert row.get("says", "") in f"{seen.observed} {seen.cause}"
