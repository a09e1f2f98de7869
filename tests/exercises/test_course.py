"""Every exercise has what a learner will ask for."""

import re

import pytest

from labkit.exercises import course, lesson21
from labkit.kube import manifests
from labkit.lab import chapters, preparation
from tests.exercises.conftest import Written

EVERY = pytest.mark.parametrize("exercise", course.ALL.values(), ids=lambda e: e.id)


@EVERY
def test_it_belongs_to_a_lesson_and_is_complete(exercise):
    assert exercise.id[:2] in chapters.CHAPTERS
    assert len(set(exercise.hints)) == 3
    assert exercise.task.endswith((".", "?"))
    assert exercise.solved_by


@EVERY
def test_what_it_names_is_there(exercise):
    words = "\n".join([*exercise.hints, exercise.task])
    named = [*exercise.given, *re.findall(r"manifests/([\w.-]+)", words)]
    assert [name for name in named if not (preparation.MANIFESTS / name.rstrip(".")).exists()] == []


@EVERY
def test_its_manifests_can_be_read(exercise):
    attempts = [*exercise.wrong, *exercise.right]
    for text in filter(None, [exercise.solution, *(attempt.yaml for attempt in attempts)]):
        assert manifests.parse(text)


@EVERY
def test_there_are_four_wrong_answers_that_differ_in_their_cause(exercise):
    assert len({wrong.says for wrong in exercise.wrong}) >= 4
    assert all(wrong.yaml or wrong.answer is not None for wrong in exercise.wrong)


@EVERY
def test_on_an_empty_cluster_it_is_not_passed_and_nothing_raises(exercise):
    verdict = exercise.judge(Written())
    assert not verdict.passed
    assert verdict.exercise == exercise.id
    assert verdict.next_step


@EVERY
def test_a_strange_answer_is_not_passed_and_nothing_raises(exercise):
    for strange in ("", "?", -1, 0.001, True, [], object()):
        assert not exercise.judge(Written(answers={exercise.id: strange})).passed


def test_an_unknown_exercise_lists_those_of_its_lesson():
    with pytest.raises(course.UnknownExerciseError, match=r"'07-9'.\nKnown: 07-1, 07-2, 07-3, 07-4\n"):
        course.find("07-9")


def test_an_incident_is_found_by_its_name_and_an_unknown_one_lists_them():
    assert course.find("c3") is course.find("21-3")
    with pytest.raises(lesson21.UnknownIncidentError, match="There is no incident"):
        lesson21.incident("c99")
