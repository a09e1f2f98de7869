"""The stages of ``./lab test``."""

import sys

from labkit.base import settings
from labkit.cli import test as gate


def runner(folder, **shared):
    own, elsewhere = (settings.Paths(home=folder / name) for name in ("own", "elsewhere"))
    return gate.Runner(gate.Labs(own=own, elsewhere=elsewhere, shared=shared), folder)


def stage(code, *, beside=False):
    return gate.Stage(name="try", command=[sys.executable, "-c", code], is_beside=beside)


def test_what_runs_beside_others_prints_its_whole_output_at_its_end(tmp_path, capfd):
    result = runner(tmp_path).run(stage("import sys; print('a'); sys.exit(3)", beside=True))
    assert (result.name, result.code) == ("try", 3)
    assert capfd.readouterr().out.endswith("a\n\n")


def test_a_stage_in_front_prints_as_it_goes(tmp_path, capfd):
    assert runner(tmp_path, WORD="here").run(stage("import os; print(os.environ['WORD'])")).code == 0
    assert "here\n" in capfd.readouterr().out


def test_every_test_is_in_one_of_the_two_stages_and_none_in_both(tmp_path):
    stages = gate.all_stages(["python", "-m"], settings.Paths(home=tmp_path))
    marks = [s.command[s.command.index("-m", 3) + 1] for s in stages if s.name == "tests"]
    assert sorted(marks) == ["not sandbox", "sandbox"]
