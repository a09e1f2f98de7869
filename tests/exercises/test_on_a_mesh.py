"""Every exercise on a running mesh: untouched, with each wrong answer, and with the reference solution."""

import pytest

from labkit.exercises import course

pytestmark = pytest.mark.sandbox

ATTEMPTS = [(exercise, wrong) for exercise in course.ALL.values() for wrong in exercise.wrong]


@pytest.mark.parametrize("exercise", course.ALL.values(), ids=lambda e: e.id)
def test_untouched_it_is_not_passed(desk, exercise):
    assert not desk.attempt(exercise).check(exercise.id).passed


@pytest.mark.parametrize(("exercise", "wrong"), ATTEMPTS, ids=[f"{e.id} {w.why}" for e, w in ATTEMPTS])
def test_a_wrong_answer_is_told_what_is_wrong(desk, exercise, wrong):
    def says(found):
        return not found.passed and wrong.says in f"{found.observed} {found.cause}"

    desk.verdict(exercise, yaml=wrong.yaml, answer=wrong.answer, until=says)


@pytest.mark.parametrize("exercise", course.ALL.values(), ids=lambda e: e.id)
def test_the_reference_solution_passes(desk, exercise):
    found = desk.verdict(exercise, yaml=exercise.solution, answer=exercise.answer, until=lambda v: v.passed)
    assert found.observed
