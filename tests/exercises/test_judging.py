"""What holds for every verdict: traffic and configuration have to agree, and nothing raises."""

from dataclasses import replace

import pytest

from labkit import traffic
from labkit.exercises import course, verdict
from labkit.kube import manifests
from tests.exercises.conftest import NOTHING, Written
from tests.exercises.simulated import Simulated

SPLIT = course.find("07-1")


class Answered(Simulated):
    """A mesh in which other answers come than its configuration says."""

    def __init__(self, exercise, attempt, **counts):
        super().__init__(exercise, attempt)
        self._counts = counts

    def send(self, path, *, count=1, user="", headers=None, through=""):
        rows = [replace(NOTHING, status=200, version=v, error="") for v, n in self._counts.items() for _ in range(n)]
        return traffic.frame(rows)


@pytest.mark.parametrize(
    ("counts", "passed"),
    [
        pytest.param({"v1": 480, "v2": 120}, True, id="as asked"),
        pytest.param({"v1": 500, "v2": 100}, True, id="within the band"),
        pytest.param({"v1": 540, "v2": 60}, False, id="one in ten"),
        pytest.param({"v1": 470, "v2": 120, "v3": 10}, False, id="one that nobody asked for"),
    ],
)
def test_traffic_has_to_confirm_what_the_proxy_is_told(counts, passed):
    verdict = SPLIT.judge(Answered(SPLIT, manifests.parse(SPLIT.solution), **counts))
    assert verdict.passed == passed


def test_where_traffic_and_configuration_differ_no_cause_is_made_up():
    verdict = SPLIT.judge(Answered(SPLIT, manifests.parse(SPLIT.solution), v1=600))
    assert verdict.cause.startswith("the proxy of productpage is told the right shares, and traffic shows others")


def test_a_rule_that_asks_for_something_else_does_not_pass_by_luck():
    three_to_one = next(wrong for wrong in SPLIT.wrong if wrong.why.startswith("one in four"))
    verdict = SPLIT.judge(Answered(SPLIT, manifests.parse(three_to_one.yaml), v1=475, v2=125))
    assert not verdict.passed


def test_a_proxy_that_refuses_what_was_applied_is_named_first():
    late = "refused by 7 of 7 proxies, which keep the last good configuration: bad regex"
    verdict = course.find("06-1").judge(Written(late=late))
    assert verdict.cause.startswith(late)


def test_a_check_that_stumbles_is_a_verdict_too():
    def stumble(evidence):
        raise KeyError("spec")

    verdict = replace(SPLIT, check=stumble).judge(Written())
    assert not verdict.passed
    assert "KeyError: 'spec'" in verdict.observed


def test_a_verdict_in_html_escapes_its_words_and_marks_code():
    seen = verdict.not_yet("<b>", "`route` is <i>", cause="no `match`")
    html = replace(seen, exercise="07-1")._repr_html_()
    assert "<code>route</code> is &lt;i&gt;" in html
    assert "no <code>match</code>" in html
