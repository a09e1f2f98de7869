"""The course for somebody to whom the cluster is anybody's: its nodes may not be read, and others use it too.

All lessons run by a kubeconfig alone in the gate's stage ``notebooks`` (``labkit/cli/test.py``).
"""

import os
import subprocess
import sys

import pytest

from labkit.base import settings
from labkit.exercises import course

pytestmark = pytest.mark.sandbox

LESSONS = ("00", "06")
"""Run as written; 01 to 13, 16, 18 and 19 were run so by hand."""

EXERCISES = ("03-1", "04-1", "07-1", "10-1", "19-1")


def test_lessons_run_to_the_end_and_start_no_sandbox(guest, guests, tmp_path):
    guest.goto("05")
    home = tmp_path / "home"
    words = [sys.executable, "-m", "labkit", "run", *LESSONS]
    env = os.environ | {"LABKIT_HOME": str(home), "LABKIT_KUBECONFIG": str(guests.guest)}
    done = subprocess.run(
        words, env=env, cwd=settings.CHECKOUT, capture_output=True, text=True, timeout=170, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("✓") == len(LESSONS) and f"on {guests.guest}" in done.stdout
    assert not (home / "run/sandbox.json").exists()


@pytest.mark.parametrize("id", EXERCISES)
def test_a_solution_passes_and_untouched_it_does_not(guest, id):
    exercise = course.find(id)
    guest.goto(id[:2])
    for name in exercise.given:
        guest.apply(f"manifests/{name}", quiet=True)
    untouched = guest.check(id)
    assert not untouched.passed and "forbidden" not in str(untouched), "a kind that may not be read is no cause"
    if exercise.solution:
        guest.apply(exercise.solution, quiet=True)
    guest.answer(id, exercise.answer)
    verdict = guest.check(id)
    assert verdict.passed, verdict
