"""A record names one process, from before its first line to its end."""

import os
import subprocess
import sys

import pytest

from labkit.base import processes, programs, records, waiting

SLEEP = [sys.executable, "-c", "import time; time.sleep(1000)"]


@pytest.fixture
def record(tmp_path):
    return records.Record(path=tmp_path / "program.json")


def start(record, command, tmp_path, **options):
    return programs.start(command, log=tmp_path / "log", env={}, record=record.write, **options)


def test_a_record_holds_what_others_must_know_while_the_process_lives(record):
    record.write(processes.identity(os.getpid()), port=8888)
    assert record.read()["port"] == 8888
    assert record.process() == processes.identity(os.getpid())


def test_another_process_with_the_same_number_is_not_the_one_recorded(record):
    record.write(processes.Identity(pid=os.getpid(), born="another boot:1"))
    assert record.read() is None


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"pid": "x"}', '{"pid": 1}', '{"pid": null, "born": ""}', "\0\0"],
    ids=["emptied", "torn", "a list", "null", "no number", "no birth", "null number", "zeros"],
)
def test_a_damaged_record_is_no_record(record, text):
    record.path.write_text(text)
    assert record.read() is None


def test_nobody_else_can_read_it(record):
    record.write(processes.identity(os.getpid()))
    assert record.path.stat().st_mode & 0o077 == 0


def test_the_record_is_written_before_the_program_begins(record, tmp_path):
    seen = tmp_path / "seen"
    child = start(record, ["/bin/sh", "-c", f"cat {record.path} >{seen}"], tmp_path)
    assert child.wait() == 0
    assert f'"pid": {child.pid}' in seen.read_text()


def test_a_program_whose_start_could_not_be_recorded_never_begins(tmp_path):
    children = []

    def refuse(process):
        children.append(process)
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="disk is full"):
        programs.start(["touch", str(tmp_path / "begun")], log=tmp_path / "log", env={}, record=refuse)
    os.waitpid(children[0].pid, 0)
    assert not (tmp_path / "begun").exists()


def test_a_program_gets_the_files_it_is_given_and_no_input(record, tmp_path):
    receiving, sending = os.pipe()
    with os.fdopen(receiving, "rb") as answer:
        code = f"import os, sys; os.write({sending}, b'hello' + sys.stdin.buffer.read())"
        start(record, [sys.executable, "-c", code], tmp_path, files=[sending]).wait()
        os.close(sending)
        assert answer.read() == b"hello"


def test_a_process_is_seen_by_the_words_on_its_command_line(record, tmp_path):
    child = start(record, [*SLEEP, "--home", str(tmp_path)], tmp_path)
    seen = waiting.until(
        lambda: [one.pid for one in processes.running([*SLEEP[-1:], "--home", str(tmp_path)])],
        what="the program",
        timeout=60,
        next_step="ps",
    )
    assert seen == [child.pid]
    assert processes.running(["--home", f"{tmp_path}/other"]) == []
    processes.end(record.process(), grace=5)
    assert processes.running(["--home", str(tmp_path)]) == []


def test_an_end_takes_the_children_along(tmp_path):
    script = f"{sys.executable} -c 'import time; time.sleep(1000)' & echo $!; wait"
    with subprocess.Popen(["/bin/sh", "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
        processes.end(processes.identity(parent.pid), grace=5)
    assert not processes.is_alive(child)
