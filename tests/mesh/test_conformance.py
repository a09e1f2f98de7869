"""Recorded answers of real Istio judge the translator: a list of known differences may only shrink."""

import csv
from pathlib import Path

import pytest

from labkit.conformance import answers, comparing
from tests import recorded

KNOWN = Path(__file__).with_name("known_differences.tsv")


def known() -> dict[tuple[str, str], str]:
    with KNOWN.open(newline="") as file:
        return {(row[0], row[1]): row[2] for row in csv.reader(file, delimiter="\t")}


ANSWERS = answers.Answers(recorded.ISTIO.place)


@pytest.fixture(scope="module")
def comparison() -> comparing.Comparison:
    return comparing.Comparison(ANSWERS)


def test_the_scene_without_any_case_is_the_recorded_one(comparison: comparing.Comparison) -> None:
    assert comparison.base().differences == ()


@pytest.mark.parametrize("case", ANSWERS.cases, ids=lambda case: f"{case.family}-{case.name}")
def test_every_proxy_is_told_what_istio_tells_it(comparison: comparing.Comparison, case: answers.Case) -> None:
    outcome = comparison.outcome(case)
    if (case.family, case.name) in known():
        assert not outcome.is_same, f"now the same: take {case.family} {case.name} out of {KNOWN.name}"
    else:
        assert outcome.differences == ()


def test_known_differences_are_cases_and_say_why() -> None:
    there = {(case.family, case.name) for case in ANSWERS.cases}
    assert known().keys() <= there
    assert all(known().values())
