"""The mock exam as a form: what its buttons do, and what it shows of a sitting."""

from dataclasses import replace

import pytest

from labkit.base import errors
from labkit.views import exam

TASK = exam.Task(number=1, points=6.7, what="Send all to v1.", done_when="v1 answers", form="", is_handed_in=False)


class Steps:
    """A sitting in memory that notes what it is asked."""

    def __init__(self):
        self.asked, self.now = [], exam.State()

    def state(self):
        return self.now

    def start(self):
        self.asked.append("start")
        self.now = exam.State(ends=2e9, tasks=[TASK, replace(TASK, number=2)], report=["0 of 100 points"])
        return self.now

    def goto(self, number):
        self.asked.append(f"goto {number}")
        if number > len(self.now.tasks):
            raise errors.SetupError(f"There is no task {number}.", next_step="choose one")
        return self.now

    def hand_in(self, number, answer):
        self.asked.append(f"hand in {number} {answer}".strip())
        tasks = [replace(t, is_handed_in=t.is_handed_in or t.number == number) for t in self.now.tasks]
        self.now = replace(self.now, tasks=tasks)
        return self.now


def click(view, **content):
    view._on_message(view, content, [])
    return view


@pytest.fixture
def steps():
    return Steps()


@pytest.fixture
def started(steps):
    return click(exam.ExamView(steps), step="start")


def test_before_the_start_there_is_nothing_to_do(steps):
    assert repr(exam.ExamView(steps)) == "Exam(not started)"
    assert "No exam was started" in exam.ExamView(steps).static_html()


def test_its_buttons_start_go_and_hand_in(steps, started):
    click(started, step="goto", task=2)
    assert started.at == 2
    click(started, step="hand_in", task=2, answer=" dr/x spec.host no-host ")
    assert steps.asked == ["start", "goto 2", "hand in 2 dr/x spec.host no-host"]
    assert repr(started).startswith("Exam(1 of 2 tasks handed in")


def test_a_refused_step_is_told_and_changes_nothing(started):
    click(started, step="goto", task=9)
    assert (started.at, started.busy) == (0, "")
    assert started.message.startswith("There is no task 9.")


def test_verdicts_are_shown_by_the_report_alone(started):
    assert "of 100 points" not in started.static_html()
    assert "of 100 points" in click(started, step="report").static_html()


def test_words_of_a_task_are_never_markup():
    view = exam.ExamView.of_state(exam.State(ends=1.0, tasks=[replace(TASK, what="<b>v1</b>")]))
    assert "<b>v1" not in view.static_html()
