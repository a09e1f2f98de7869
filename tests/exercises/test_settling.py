"""A verdict while connections of before a change may still give old answers."""

import pytest

from labkit.exercises import exercise
from labkit.exercises.verdict import Verdict


def settled(verdicts, *, lasts):
    """What comes of these verdicts one after the other, while the tail lasts so many questions."""
    given, left = iter(verdicts), iter([1.0] * lasts + [0.0] * 99)
    return exercise.settled(
        lambda: Verdict(exercise="x", passed=next(given), expected="", observed="seen"),
        lambda: next(left),
        sleep=lambda _: None,
    )


@pytest.mark.parametrize(
    ("verdicts", "lasts", "passed", "waited"),
    [
        pytest.param([True], 0, True, 0, id="without a tail the first counts"),
        pytest.param([False], 0, False, 0, id="a wrong one too"),
        pytest.param([False, False, True, True, True], 9, True, 8, id="old answers, then three new ones that agree"),
        pytest.param([True, True, True], 9, True, 4, id="three that agree from the beginning"),
        pytest.param([True, True, False, False, False], 4, False, 8, id="passed by old answers, and then not"),
        pytest.param([False] * 6, 5, False, 10, id="never passed, to the end of the tail"),
    ],
)
def test_a_verdict_counts_when_no_old_answer_can_be_in_it(verdicts, lasts, passed, waited):
    verdict = settled(verdicts, lasts=lasts)
    assert verdict.passed is passed
    assert verdict.observed == ("seen" if not waited else f"seen (asked for {waited} s: {NOTE})")


NOTE = "connections of before the change may give old answers"
