"""The classical mistakes, each tried against every exercise that it applies to."""

import pytest

from labkit.kube import manifests
from tests.exercises import mistakes
from tests.exercises.simulated import Simulated, started
from tests.exercises.test_attempts import MESH

TRIED = [
    (exercise, mistake, attempt)
    for exercise in MESH
    if exercise.solution
    for mistake in mistakes.MISTAKES
    if exercise.id not in mistake.spares
    if (attempt := mistakes.spoiled(mistake, manifests.parse(exercise.solution))) is not None
]

BY_A_CALLER = [exercise for exercise in MESH if mistakes.caller_of(exercise.id, started(exercise))]


@pytest.mark.parametrize(("exercise", "mistake", "attempt"), TRIED, ids=[f"{e.id} {m.name}" for e, m, _ in TRIED])
def test_a_classical_mistake_is_named(exercise, mistake, attempt):
    verdict = exercise.judge(Simulated(exercise, attempt, exercise.answer))
    assert not verdict.passed
    assert any(part in verdict.cause for part in mistake.says), verdict


@pytest.mark.parametrize("exercise", BY_A_CALLER, ids=lambda e: e.id)
def test_a_caller_without_a_sidecar_is_named(exercise):
    caller = mistakes.caller_of(exercise.id, started(exercise))
    attempt = [*manifests.parse(exercise.solution), *mistakes.without_a_sidecar(caller)]
    verdict = exercise.judge(Simulated(exercise, attempt, exercise.answer))
    assert not verdict.passed
    assert "has no sidecar, and rules are carried out by the caller's sidecar" in verdict.cause


@pytest.mark.parametrize("mistake", mistakes.MISTAKES, ids=lambda m: m.name)
def test_each_is_tried_somewhere(mistake):
    assert any(tried is mistake for _, tried, _ in TRIED)
