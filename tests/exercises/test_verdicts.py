"""Verdicts on evidence made by hand: the reason that is named is the reason that holds."""

from dataclasses import replace

import pytest

from labkit.exercises import course, lesson05, lesson07, verdict
from labkit.kube import manifests
from labkit.lab import arriving
from tests.exercises.conftest import Made

RULES = manifests.read(arriving.MANIFESTS / "destination-rules.yaml")


def rule(name):
    return manifests.read(arriving.MANIFESTS / name)[0]


def answers(**counts):
    return {lesson07.REVIEWS: [version for version, n in counts.items() for _ in range(n)]}


@pytest.mark.parametrize(
    ("answer", "passed", "observed"),
    [
        pytest.param(None, False, "nothing is filed", id="none"),
        pytest.param(4, True, "4: a, b, c, d", id="right"),
        pytest.param(4.0, True, "4: a, b, c, d", id="right, as a float"),
        pytest.param(6, False, "6 is filed", id="wrong"),
        pytest.param("4", False, "'4' is filed", id="a text"),
        pytest.param(True, False, "True is filed", id="a truth"),
    ],
)
def test_a_filed_number(answer, passed, observed):
    found = verdict.number(answer, 4, what="things", seen="a, b, c, d", causes={6: "six are the pods"})
    assert (found.passed, found.observed) == (passed, observed)


@pytest.mark.parametrize(
    ("counts", "passed"),
    [
        pytest.param({"v1": 480, "v2": 120}, True, id="as asked"),
        pytest.param({"v1": 500, "v2": 100}, True, id="within the band"),
        pytest.param({"v1": 540, "v2": 60}, False, id="one in ten"),
        pytest.param({"v1": 470, "v2": 120, "v3": 10}, False, id="one that nobody asked for"),
    ],
)
def test_a_split_is_judged_once_and_exactly(counts, passed):
    asked = manifests.parse(course.find("07-1").solution)
    evidence = Made(*RULES, *asked, sent=answers(**counts))
    assert course.find("07-1").judge(evidence).passed == passed


def test_a_rule_that_asks_for_something_else_does_not_pass_by_luck():
    found = course.find("07-1").judge(Made(*RULES, rule("reviews-3-1.yaml"), sent=answers(v1=455, v2=145)))
    assert not found.passed
    assert found.cause == "the rule asks for v1 3, v2 1"


def test_a_split_without_subsets_names_the_missing_object():
    found = course.find("07-1").judge(Made(rule("reviews-90-10.yaml")))
    assert found.observed == "there is no DestinationRule reviews"
    assert "destination-rules.yaml" in found.next_step


def test_failing_requests_come_before_any_share():
    found = course.find("07-1").judge(Made(*RULES, rule("reviews-v4.yaml"), sent={lesson07.REVIEWS: 503}))
    assert found.observed == "600 of 600 requests failed: 503"


def test_a_canary_keeps_its_destination():
    found = course.find("07-3").judge(Made(*RULES, rule("reviews-90-10.yaml"), sent=answers(v1=540, v3=60)))
    assert "no destination canary" in found.observed


@pytest.mark.parametrize(
    "written", ["service/reviews", "Service reviews", "svc/reviews", " services/reviews ", "service.v1/reviews"]
)
def test_an_object_may_be_named_as_kubectl_takes_it(written):
    assert lesson05.named(written) == "service/reviews"


@pytest.mark.parametrize(
    ("status", "answer", "cause"),
    [
        pytest.param(503, None, "file the object", id="nothing filed"),
        pytest.param(200, "service/productpage", "as it should be", id="another object"),
        pytest.param(0, "gateway/bookinfo-gateway", "not mended yet", id="not mended"),
        pytest.param(200, "gw/bookinfo-gateway", "", id="found and mended"),
    ],
)
def test_a_mystery_wants_the_culprit_and_the_repair(status, answer, cause):
    found = course.find("05-1").judge(Made(answers={"05-1": answer}, sent={"/productpage": status}))
    assert (found.passed, cause in found.cause) == (not cause, True)


def test_a_path_for_every_host_is_told_from_one_of_its_own():
    found = course.find("04-2").judge(Made(sent={"/": 200}))
    assert "for every host" in found.cause


def test_a_check_that_stumbles_is_a_verdict_too():
    def stumble(evidence):
        raise KeyError("spec")

    found = replace(course.find("07-1"), check=stumble).judge(Made())
    assert not found.passed
    assert "KeyError: 'spec'" in found.observed
