"""``./lab exam``: sixteen tasks, two hours, graded by checks; 68 of 100 points pass. A second try draws others."""

import argparse
import json
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING

from labkit.base import errors, private, settings

if TYPE_CHECKING:
    from labkit.exercises.exam import Sitting
    from labkit.exercises.exercise import Exercise


def options(parser: argparse.ArgumentParser) -> None:
    """The steps of an exam."""
    steps = parser.add_subparsers(dest="step", metavar="STEP", required=True)
    start = steps.add_parser("start", help="draw sixteen tasks; the two hours begin")
    start.add_argument("--seed", type=int, help="a draw that can be repeated")
    steps.add_parser("list", help="the tasks, what is checked, the time that is left")
    for name, sentence in (("task", "bring the cluster to a task's start, and read it"), ("check", "hand a task in")):
        steps.add_parser(name, help=sentence).add_argument("number", type=int)
    answer = steps.add_parser("answer", help="file the answer that a task asks for")
    answer.add_argument("number", type=int)
    answer.add_argument("value")
    steps.add_parser("report", help="what was seen, task by task, and the result")


def run(arguments: argparse.Namespace) -> int:
    """One step; ``report`` ends with 0 where the exam is passed."""
    from labkit.exercises import exam

    paths = settings.Paths()
    if arguments.step == "start":
        return _start(paths, arguments.seed)
    sitting = _read(paths)
    if arguments.step == "list":
        _list(sitting)
    elif arguments.step == "report":
        print("\n".join(exam.report(sitting)))
        return 0 if sitting.is_passed else 1
    else:
        exercise = _exercise(sitting, arguments.number)
        if sitting.left(time.time()) < 0:
            raise ExamError("The two hours are over.", "./lab exam report")
        if arguments.step == "task":
            _task(arguments.number, exercise)
        elif arguments.step == "answer":
            sitting.answers[exercise.id] = arguments.value
            _write(paths, sitting)
            print(f"filed for task {arguments.number}: {arguments.value!r}")
        else:
            _check(paths, sitting, arguments.number, exercise)
    return 0


class ExamError(errors.LabError):
    """A step that is not to be taken now."""

    def __init__(self, what: str, next_step: str) -> None:
        super().__init__(f"{what}\nNext: {next_step}")


def _file(paths: settings.Paths) -> Path:
    return paths.home / "exam.json"


def _read(paths: settings.Paths) -> "Sitting":
    from labkit.exercises import exam

    try:
        return exam.Sitting.of_json(json.loads(_file(paths).read_bytes()))
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise ExamError("No exam was started.", "./lab exam start") from e


def _write(paths: settings.Paths, sitting: "Sitting") -> None:
    paths.make()
    private.write(_file(paths), json.dumps(sitting.as_json()).encode())


def _start(paths: settings.Paths, seed: int | None) -> int:
    from labkit.exercises import exam

    try:
        previous = _read(paths).tasks
    except ExamError:
        previous = ()
    chosen = secrets.randbelow(2**31) if seed is None else seed
    sitting = exam.Sitting(seed=chosen, started=time.time(), tasks=exam.draw(chosen, previous=previous))
    _write(paths, sitting)
    _list(sitting)
    print("\n./lab exam task 1 brings the cluster to the first task; ./lab exam check 1 hands it in.")
    print("Each task begins on a mesh of its own: hand one in before you go to the next.")
    return 0


def _list(sitting: "Sitting") -> None:
    from labkit.exercises import course, exam

    left = max(0.0, sitting.left(time.time()))
    print(f"{left // 3600:.0f} h {left % 3600 // 60:02.0f} min left, {len(sitting.results)} tasks handed in\n")
    for number, id in enumerate(sitting.tasks, start=1):
        mark = "•" if id in sitting.results else " "
        print(f"{mark} {number:>2}  {exam.points(id):4.1f} points  {course.find(id).task}")


def _exercise(sitting: "Sitting", number: int) -> "Exercise":
    from labkit.exercises import course

    if not 1 <= number <= len(sitting.tasks):
        raise ExamError(f"There is no task {number}.", f"./lab exam task 1, up to {len(sitting.tasks)}")
    return course.find(sitting.tasks[number - 1])


def _task(number: int, exercise: "Exercise") -> None:
    from labkit.exercises import causes, exam
    from labkit.lab import Lab

    lab = Lab.connect()
    lab.goto(exam.begins(exercise))
    for name in exercise.given:
        lab.apply(f"manifests/{name}", quiet=True)
    print(f"Task {number}: {exercise.task}\nDone when {exercise.done_when}.")
    if exercise.answer is not None:
        print(f"It asks for an answer: ./lab exam answer {number} '{_form(exercise)}'")
    if isinstance(exercise.answer, dict):
        print("Effects:", *(f"  {word:<18} {sentence}" for word, sentence in causes.EFFECTS.items()), sep="\n")


def _form(exercise: "Exercise") -> str:
    """How an answer is written: a cause has three parts."""
    return "kind/name spec.field effect" if isinstance(exercise.answer, dict) else "…"


def _check(paths: settings.Paths, sitting: "Sitting", number: int, exercise: "Exercise") -> None:
    from labkit.lab import Lab

    lab = Lab.connect()
    if exercise.id in sitting.answers:
        lab.answer(exercise.id, sitting.answers[exercise.id])
    sitting.record(exercise.id, lab.check(exercise.id), time.time())
    _write(paths, sitting)
    print(f"Task {number} is handed in; the last time counts. ./lab exam report tells what was seen.")
