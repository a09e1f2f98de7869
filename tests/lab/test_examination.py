"""One sitting in a file, worked on by ``./lab exam`` and by the form in a notebook."""

import pytest

from labkit.base import settings
from labkit.exercises import verdict
from labkit.lab import examination


class FakeLab:
    """Goes where it is told and passes every check."""

    def __init__(self):
        self.did = []

    def goto(self, chapter):
        self.did.append(f"goto {chapter}")

    def apply(self, manifest, *, quiet):
        self.did.append(f"apply {manifest}")

    def answer(self, name, value):
        self.did.append(f"answer {name} {value}")

    def check(self, id):
        return verdict.passed("a", "b")


@pytest.fixture
def lab():
    return FakeLab()


@pytest.fixture
def sat(tmp_path, lab):
    return examination.Examination(settings.Paths(home=tmp_path / "home"), lambda: lab)


def test_without_a_start_it_names_the_command(sat):
    with pytest.raises(examination.ExamError, match=r"No exam was started\.\nNext: \./lab exam start"):
        sat.sitting()
    assert examination.Form(sat).state().tasks == ()


def test_a_task_brings_the_cluster_to_its_beginning(sat, lab):
    sat.start(seed=1)
    exercise = sat.goto(4)
    assert lab.did[0].startswith("goto ")
    assert lab.did[1:] == [f"apply manifests/{name}" for name in exercise.given]


def test_what_is_handed_in_is_there_for_the_next_process(sat, lab, tmp_path):
    form = examination.Form(sat)
    form.start()
    state = form.hand_in(3, "why")
    again = examination.Examination(settings.Paths(home=tmp_path / "home"), lambda: lab)
    assert [t.number for t in state.tasks if t.is_handed_in] == [3]
    assert again.sitting().answers == {again.exercise(3).id: "why"}
    assert list(again.sitting().results) == [again.exercise(3).id]


def test_after_two_hours_nothing_is_handed_in(sat):
    sitting = sat.start()
    sitting.started -= 3 * 3600
    sat._keep(sitting)
    with pytest.raises(examination.ExamError, match="The two hours are over"):
        sat.check(1)


def test_a_task_that_is_none_is_named(sat):
    sat.start()
    with pytest.raises(examination.ExamError, match="There is no task 17"):
        sat.exercise(17)
