"""Processes are found, weighed and ended."""

import os
import subprocess
import sys

import pytest

from labkit.base import processes

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(1000)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(1000)",
]


@pytest.fixture
def spawn():
    started = []

    def start(command):
        child = subprocess.Popen(command, stdout=subprocess.PIPE)
        started.append(child)
        child.stdout.readline()
        return child

    yield start
    for child in started:
        child.kill()
        child.wait()
        child.stdout.close()


def test_descendants_are_found_through_generations():
    assert processes.descendants(1, {2: 1, 3: 2, 9: 8, 4: 1}) == [2, 4, 3]


def test_a_child_is_among_our_descendants(spawn):
    assert spawn(SLEEP).pid in processes.children(os.getpid())


def test_a_process_weighs_something_and_a_missing_one_nothing():
    weight = processes.pss(os.getpid())
    assert weight is None or weight > 2**20
    assert processes.pss(2**22 + 1) is None


@pytest.mark.parametrize("command", [SLEEP, STUBBORN], ids=["willing", "stubborn"])
def test_terminate_ends_it(spawn, command):
    child = spawn(command)
    assert processes.is_alive(child.pid)
    processes.end(processes.identity(child.pid), grace=0.05 if command is STUBBORN else 5)
    assert not processes.is_alive(child.pid)


def test_a_pid_without_a_process_is_not_alive():
    assert not processes.is_alive(2**22 + 1)
