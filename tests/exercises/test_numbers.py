"""Numbers are read as people write them."""

import pytest

from labkit.exercises import numbers, verdict


@pytest.mark.parametrize(
    ("answer", "number"),
    [
        pytest.param(4, 4, id="a number"),
        pytest.param(4.0, 4, id="a float"),
        pytest.param("4", 4, id="a text"),
        pytest.param(" 4. ", 4, id="with blanks and a stop"),
        pytest.param("'4'", 4, id="in quotes"),
        pytest.param("four", 4, id="a word"),
        pytest.param("Four pods", 4, id="a word with its unit"),
        pytest.param("4 services", 4, id="with its unit"),
        pytest.param("2,5", 2.5, id="a comma"),
        pytest.param("-1", -1, id="below zero"),
        pytest.param("4x", None, id="no unit"),
        pytest.param("reviews", None, id="a name"),
        pytest.param("", None, id="empty"),
        pytest.param(True, None, id="a truth"),
        pytest.param([4], None, id="a list"),
        pytest.param(float("nan"), None, id="not a number"),
    ],
)
def test_a_number(answer, number):
    assert numbers.parse(answer) == number


@pytest.mark.parametrize(
    "answer",
    [25, 25.0, 0.25, "25", "25%", "25 %", "25 percent", "25 per cent", "0.25", "0,25", "1/4", "1 / 4",
     "a "
     "quarter", "one quarter", "quarter", "one in four",
     "one pod of four", "1 of 4", "one out of four", "25 in a hundred"],
)  # fmt: skip
def test_a_share(answer):
    assert numbers.per_cent(answer) == pytest.approx(25)


@pytest.mark.parametrize("answer", ["a", "half of v2", "v2", "one in none", "1/0", "", None])
def test_no_share(answer):
    assert numbers.per_cent(answer) is None


@pytest.mark.parametrize(
    ("answer", "share"), [("half", 50), ("three quarters", 75), ("one percent", 1), ("0.5 %", 0.5)]
)
def test_other_shares(answer, share):
    assert numbers.per_cent(answer) == pytest.approx(share)


@pytest.mark.parametrize(
    ("answer", "passed", "observed"),
    [
        pytest.param(None, False, "nothing is filed", id="none"),
        pytest.param("four", True, "4: a, b, c, d", id="right"),
        pytest.param(6, False, "6 is filed", id="wrong"),
        pytest.param("many", False, "'many' is filed", id="no number"),
    ],
)
def test_a_filed_number(answer, passed, observed):
    seen = verdict.number(answer, 4, what="things", shows="a, b, c, d", causes={6: "six are the pods"})
    assert (seen.passed, seen.observed) == (passed, observed)
