"""One sitting of the mock exam, kept in a file: ``./lab exam`` and ``lab.exam()`` work on the same one."""

import json
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from labkit.base import errors, private, settings
from labkit.exercises import course, exam
from labkit.exercises.exam import Sitting
from labkit.exercises.exercise import Exercise
from labkit.views import exam as view

if TYPE_CHECKING:
    from labkit.lab.lab import Lab


class ExamError(errors.LabError):
    """A step that is not to be taken now."""

    def __init__(self, what: str, next_step: str) -> None:
        super().__init__(f"{what}\nNext: {next_step}")


class Examination:
    """The steps of an exam: start, go to a task, file an answer, hand in, report."""

    def __init__(self, paths: settings.Paths, lab: "Callable[[], Lab]", *, command: str = "./lab exam") -> None:
        """``command``: how the one who sits it starts another one, for messages."""
        self._paths, self._lab, self._command = paths, lab, command

    def __repr__(self) -> str:
        return f"Examination({str(self._file)!r})"

    @property
    def _file(self) -> Path:
        return self._paths.home / "exam.json"

    def sitting(self) -> Sitting:
        """The one that was started last; ExamError where there is none."""
        try:
            return Sitting.of_json(json.loads(self._file.read_bytes()))
        except (OSError, ValueError, KeyError, TypeError) as e:
            raise ExamError("No exam was started.", f"{self._command} start") from e

    def start(self, seed: int | None = None) -> Sitting:
        """Draw sixteen tasks, and others than the last time; the two hours begin."""
        try:
            previous = self.sitting().tasks
        except ExamError:
            previous = ()
        chosen = secrets.randbelow(2**31) if seed is None else seed
        sitting = Sitting(seed=chosen, started=time.time(), tasks=exam.draw(chosen, previous=previous))
        self._keep(sitting)
        return sitting

    def exercise(self, number: int) -> Exercise:
        """The task of a number, from 1 on."""
        tasks = self.sitting().tasks
        if not 1 <= number <= len(tasks):
            raise ExamError(f"There is no task {number}.", f"choose one from 1 to {len(tasks)}")
        return course.find(tasks[number - 1])

    def goto(self, number: int) -> Exercise:
        """Bring the cluster to where a task begins."""
        self._within_time()
        exercise, lab = self.exercise(number), self._lab()
        lab.goto(exam.begins(exercise))
        for name in exercise.given:
            lab.apply(f"manifests/{name}", quiet=True)
        return exercise

    def answer(self, number: int, value: str) -> None:
        """File the answer that a task asks for."""
        self._within_time()
        sitting = self.sitting()
        sitting.answers[self.exercise(number).id] = value
        self._keep(sitting)

    def check(self, number: int) -> None:
        """Hand a task in: the mesh is judged as it is now. The report alone tells the verdict."""
        self._within_time()
        exercise, sitting, lab = self.exercise(number), self.sitting(), self._lab()
        if exercise.id in sitting.answers:
            lab.answer(exercise.id, sitting.answers[exercise.id])
        sitting.record(exercise.id, lab.check(exercise.id), time.time())
        self._keep(sitting)

    def _within_time(self) -> None:
        if self.sitting().left(time.time()) < 0:
            raise ExamError("The two hours are over.", f"{self._command} report")

    def _keep(self, sitting: Sitting) -> None:
        self._paths.make()
        private.write(self._file, json.dumps(sitting.as_json()).encode())


def form(exercise: Exercise) -> str:
    """How an answer is written: a cause has three parts; empty where a task asks for none."""
    answer = exercise.answer
    if answer is None:
        return ""
    if isinstance(answer, dict):
        return "kind/name spec.field effect"
    return (
        "kind/name"
        if isinstance(answer, str) and "/" in answer
        else "a number"
        if isinstance(answer, int)
        else "a word"
    )


class Form:
    """The same steps for the form in a notebook: each returns how far the sitting is."""

    def __init__(self, examination: Examination) -> None:
        self._examination = examination

    def state(self) -> view.State:
        """How far the sitting is; nothing where none was started."""
        try:
            sitting = self._examination.sitting()
        except ExamError:
            return view.State()
        tasks = [_task(sitting, number, id) for number, id in enumerate(sitting.tasks, start=1)]
        return view.State(ends=sitting.started + exam.LIMIT, tasks=tasks, report=exam.report(sitting))

    def start(self) -> view.State:
        """Draw new tasks."""
        self._examination.start()
        return self.state()

    def goto(self, number: int) -> view.State:
        """Bring the cluster to where a task begins."""
        self._examination.goto(number)
        return self.state()

    def hand_in(self, number: int, answer: str) -> view.State:
        """File the answer, if there is one, and have the mesh judged."""
        if answer:
            self._examination.answer(number, answer)
        self._examination.check(number)
        return self.state()


def _task(sitting: Sitting, number: int, id: str) -> view.Task:
    exercise = course.find(id)
    return view.Task(
        number=number,
        points=exam.points(id),
        what=exercise.task,
        done_when=exercise.done_when,
        form=form(exercise),
        is_handed_in=id in sitting.results,
        answer=str(sitting.answers.get(id, "")),
    )
