"""Lesson 09: the reason that is named for how long it took and how often it was tried."""

import pytest

from labkit.exercises import course, lesson09
from labkit.telemetry import inside
from tests.exercises.conftest import Made


def rule(name, **entry):
    return {"kind": "VirtualService", "metadata": {"name": name}, "spec": {"http": [entry]}}


def slow(status, seconds, *, get=200, **entry):
    """The verdict when /delay/2 is answered so, and the rule says this."""
    answers = {
        f"{lesson09.HTTPBIN}/delay/2": inside.Answer(status=status, seconds=seconds),
        f"{lesson09.HTTPBIN}/get": inside.Answer(status=get),
    }
    return course.find("09-2").judge(Made(*([rule("httpbin", **entry)] if entry else []), sent=answers))


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        pytest.param({"delay": {"fixedDelay": "2s"}}, "is never injected", id="no percentage"),
        pytest.param({"delay": {"fixedDelay": "2s", "percentage": {"value": 0}}}, "is never injected", id="none"),
        pytest.param({"abort": {"httpStatus": 500}}, "is no delay", id="another fault"),
        pytest.param({"delay": {"fixedDelay": "2s", "percent": 100}}, "does not fit jason", id="somebody else's"),
    ],
)
def test_what_was_not_late_is_told_why(fault, cause):
    seen = Made(rule("ratings", fault=fault), sent={lesson09.REVIEWS: 200})
    assert cause in course.find("09-1").judge(seen).cause


@pytest.mark.parametrize(
    ("found", "cause"),
    [
        pytest.param(slow(504, 0.5, timeout="0.5s"), "", id="as asked"),
        pytest.param(slow(200, 2.0), "there is no VirtualService", id="no rule"),
        pytest.param(slow(200, 2.0, timeout="5s"), "a longer one", id="too patient"),
        pytest.param(slow(504, 1.6, retries={"perTryTimeout": "0.5s"}), "bounds each attempt", id="each attempt"),
        pytest.param(slow(504, 0.1, timeout="0.1s"), "not half a second", id="too hasty"),
        pytest.param(slow(504, 0.5, get=504, timeout="0.5s"), "what is quick", id="a fault"),
    ],
)
def test_a_limit(found, cause):
    assert (found.passed, cause in found.cause) == (not cause, True)


@pytest.mark.parametrize(
    ("many", "one", "cause"),
    [
        pytest.param(3, 1, "", id="as asked"),
        pytest.param(4, 1, "attempts counts what comes after", id="one too many"),
        pytest.param(3, 3, "500 is tried again too", id="every error"),
        pytest.param(1, 1, "503 is not among", id="not that status"),
    ],
)
def test_attempts(many, one, cause):
    seen = Made(rule("httpbin", retries={"attempts": 2, "retryOn": "503"}), logged=(5, 5 + many, 7, 7 + one))
    found = course.find("09-3").judge(seen)
    assert (found.passed, cause in found.cause) == (not cause, True)
