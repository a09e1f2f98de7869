"""Bars and the table of the benchmarks."""

import math

import pytest

from benchmarks import idle, publishing, result


@pytest.mark.parametrize(
    ("bar", "value", "holds"),
    [
        ({"at_most": 4.0}, 4.0, True),
        ({"at_most": 4.0}, 4.1, False),
        ({"at_least": 0.25}, 0.3, True),
        ({"at_least": 0.25}, 0.2, False),
        ({"at_most": 4.0}, None, False),
        ({"at_most": 4.0}, math.nan, False),
        ({}, 1.0, None),
    ],
)
def test_a_number_meets_its_bar_or_not(bar, value, holds):
    assert result.Result(name="n", value=value, **bar).holds is holds


def test_a_median_tells_its_spread():
    summary = result.median("up", [3.0, 2.0, 10.5], unit="s", at_most=4.0)
    assert (summary.value, summary.note, summary.bar) == (3.0, "median of 3, 2.00 to 10.5", "≤ 4 s")


@pytest.mark.parametrize(
    ("value", "text"), [(0.283, "0.28"), (2.414, "2.41"), (38.24, "38.2"), (287.4, "287"), (7310.2, "7,310")]
)
def test_numbers_have_the_digits_that_mean_something(value, text):
    assert result.number(value) == text


def test_the_table_says_what_holds_and_what_was_not_measured():
    lines = result.table(
        [
            result.Result(name="up", value=2.5, unit="s", at_most=4.0),
            result.failed("goto", ValueError("no notebooks\nmore"), at_most=10.0),
            result.Result(name="pages", value=420.0, unit="requests/s"),
        ]
    ).splitlines()
    assert [" ".join(line.replace("|", " ").split()) for line in lines[2:]] == [
        "up 2.50 s ≤ 4 s holds",
        "goto not measured ≤ 10 MISSED no notebooks",
        "pages 420 requests/s",
    ]


def test_cpu_of_a_process_that_is_gone_counts_nothing():
    assert idle.cpu_seconds([2**22 + 1]) == 0.0


def test_each_trial_routes_a_path_that_no_other_has():
    first, second = (publishing.virtual_service(number)["spec"]["http"] for number in (1, 2))
    assert first[0] != second[0] and first[1] == second[1]
