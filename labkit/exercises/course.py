"""Every exercise of the course, by id."""

from collections.abc import Mapping

from labkit.base import errors
from labkit.exercises import (
    lesson00,
    lesson01,
    lesson02,
    lesson03,
    lesson04,
    lesson05,
    lesson06,
    lesson07,
    lesson08,
    lesson09,
    lesson10,
    lesson11,
    lesson12,
    lesson13,
    lesson14,
    lesson15,
    lesson16,
    lesson17,
    lesson18,
    lesson19,
    lesson20,
    lesson21,
    lesson22,
    lesson23,
    routed,
)
from labkit.exercises.exercise import Exercise

LESSONS = (
    lesson00,
    lesson01,
    lesson02,
    lesson03,
    lesson04,
    lesson05,
    lesson06,
    lesson07,
    lesson08,
    lesson09,
    lesson10,
    lesson11,
    lesson12,
    lesson13,
    lesson14,
    lesson15,
    lesson16,
    lesson17,
    lesson18,
    lesson19,
    lesson20,
    lesson21,
    lesson22,
    lesson23,
    routed,
)


class UnknownExerciseError(errors.LabError):
    """There is no such exercise."""

    def __init__(self, id: str) -> None:
        lesson = str(id).partition("-")[0]
        near = [other for other in ALL if other.startswith(f"{lesson}-")] or list(ALL)
        super().__init__(f"There is no exercise {id!r}.\nKnown: {', '.join(near)}\nNext: lab.check({near[0]!r})")


def find(id: str) -> Exercise:
    """The exercise; UnknownExerciseError lists what its lesson has. An incident, ``c3``, is the exercise ``21-3``."""
    if id in lesson21.BY_NAME:
        return ALL[lesson21.BY_NAME[id].id]
    if id not in ALL:
        raise UnknownExerciseError(id)
    return ALL[id]


def _all() -> Mapping[str, Exercise]:
    return {exercise.id: exercise for lesson in LESSONS for exercise in lesson.EXERCISES}


ALL = _all()
