"""Egress, judged on evidence made by hand."""

import pytest

from labkit.exercises import course, lesson19
from labkit.telemetry import inside
from tests.exercises.conftest import Made

OK, LATE = inside.Answer(status=200), inside.Answer(status=504, seconds=0.5)
POD = {"kind": "Pod", "metadata": {"name": "weather", "namespace": "outside"}, "status": {"podIP": "10.0.0.9"}}


def test_a_name_that_answers_is_enough_where_the_address_does_not():
    assert course.find("19-1").judge(Made(POD, sent={lesson19.WEATHER: OK})).passed


def test_an_open_mesh_is_not_passed():
    found = course.find("19-1").judge(Made(POD, sent={lesson19.WEATHER: OK, "http://10.0.0.9:9080/get": OK}))
    assert found.observed == "weather.example answers, and so does the bare address 10.0.0.9"


def test_the_same_answer_for_all_is_no_rule_for_some():
    found = course.find("19-2").judge(Made(sent={lesson19.SLOW: LATE}))
    assert found.cause == "the timeout is for every request"


@pytest.mark.parametrize(
    ("curl", "productpage", "said"),
    [
        pytest.param(lesson19.HOSTS, {lesson19.DETAILS}, "three hosts", id="as asked"),
        pytest.param({"billing.example"}, {lesson19.DETAILS}, "does not know ratings", id="too few"),
        pytest.param({*lesson19.HOSTS, "a", "b", "c", "d"}, {lesson19.DETAILS}, "a, b, c and 1 more", id="too many"),
        pytest.param(lesson19.HOSTS, lesson19.HOSTS, "no longer knows details", id="for everybody"),
    ],
)
def test_a_scope_is_for_one_workload_and_exact(curl, productpage, said):
    found = course.find("19-3").judge(Made(sent={"curl": set(curl), "productpage": set(productpage)}))
    assert said in found.observed
