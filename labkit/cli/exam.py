"""``./lab exam``: sixteen tasks, two hours, graded by checks; 68 of 100 points pass. A second try draws others."""

import argparse
import time
from typing import TYPE_CHECKING

from labkit.base import settings

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
    from labkit.lab import Lab
    from labkit.lab.examination import Examination

    examination = Examination(settings.Paths(), Lab.connect)
    if arguments.step == "start":
        _list(examination.start(arguments.seed))
        print("\n./lab exam task 1 brings the cluster to the first task; ./lab exam check 1 hands it in.")
        print("Each task begins on a mesh of its own: hand one in before you go to the next.")
        return 0
    sitting = examination.sitting()
    if arguments.step == "list":
        _list(sitting)
    elif arguments.step == "report":
        print("\n".join(exam.report(sitting)))
        return 0 if sitting.is_passed else 1
    elif arguments.step == "task":
        _task(arguments.number, examination.goto(arguments.number))
    elif arguments.step == "answer":
        examination.answer(arguments.number, arguments.value)
        print(f"filed for task {arguments.number}: {arguments.value!r}")
    else:
        examination.check(arguments.number)
        print(f"Task {arguments.number} is handed in; the last time counts. ./lab exam report tells what was seen.")
    return 0


def _list(sitting: "Sitting") -> None:
    from labkit.exercises import course, exam

    left = max(0.0, sitting.left(time.time()))
    print(f"{left // 3600:.0f} h {left % 3600 // 60:02.0f} min left, {len(sitting.results)} tasks handed in\n")
    for number, id in enumerate(sitting.tasks, start=1):
        mark = "•" if id in sitting.results else " "
        print(f"{mark} {number:>2}  {exam.points(id):4.1f} points  {course.find(id).task}")


def _task(number: int, exercise: "Exercise") -> None:
    from labkit.exercises import causes
    from labkit.lab import examination

    print(f"Task {number}: {exercise.task}\nDone when {exercise.done_when}.")
    if form := examination.form(exercise):
        print(f"It asks for an answer: ./lab exam answer {number} '{form}'")
    if isinstance(exercise.answer, dict):
        print("Effects:", *(f"  {word:<18} {sentence}" for word, sentence in causes.EFFECTS.items()), sep="\n")
