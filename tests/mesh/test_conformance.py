"""Recorded answers of real Istio judge the translator: a list of known differences may only shrink."""

import csv
from pathlib import Path

import pytest

from labkit.conformance import answers, comparing
from tests import recorded

KNOWN = Path(__file__).with_name("known_differences.tsv")


def known_differences() -> dict[tuple[str, str], str]:
    with KNOWN.open(newline="") as file:
        return {(row[0], row[1]): row[2] for row in csv.reader(file, delimiter="\t")}


WRITTEN = answers.Answers(recorded.ISTIO.place, with_capture=True)
DRAWN = answers.Answers(recorded.DRAWN.place, with_capture=True)
CASES = [*((WRITTEN, case) for case in WRITTEN.cases), *((DRAWN, case) for case in DRAWN.cases)]


@pytest.fixture(scope="module")
def comparisons() -> dict[answers.Answers, comparing.Comparison]:
    return {recording: comparing.Comparison(recording) for recording in (WRITTEN, DRAWN)}


def test_the_scene_without_any_case_is_the_recorded_one(
    comparisons: dict[answers.Answers, comparing.Comparison],
) -> None:
    assert [comparison.base().differences for comparison in comparisons.values()] == [(), ()]


@pytest.mark.parametrize(("recording", "case"), CASES, ids=[f"{case.family}-{case.name}" for _, case in CASES])
def test_every_proxy_is_told_what_istio_tells_it(
    comparisons: dict[answers.Answers, comparing.Comparison], recording: answers.Answers, case: answers.Case
) -> None:
    outcome = comparisons[recording].outcome(case)
    if (case.family, case.name) in known_differences():
        assert not outcome.is_same, f"now the same: take {case.family} {case.name} out of {KNOWN.name}"
    else:
        assert outcome.differences == ()


def test_known_differences_are_cases_and_say_why() -> None:
    there = {(case.family, case.name) for _, case in CASES}
    assert known_differences().keys() <= there
    assert all(known_differences().values())
