"""Lesson 08: who answered, how many copies there were, and why."""

import pytest

from labkit.exercises import course, lesson08
from labkit.kube import manifests
from labkit.lab import arriving
from tests.exercises.conftest import Made

RULES = manifests.read(arriving.MANIFESTS / "destination-rules.yaml")
QUARTER = "reviews-mirror-quarter.yaml"


def judged(id, *objects, versions, lines):
    """With these answers, and so many lines in the log of ratings before and after."""
    return course.find(id).judge(Made(*RULES, *objects, sent={lesson08.REVIEWS: versions}, logged=lines))


def rule(name):
    return manifests.read(arriving.MANIFESTS / name)[0]


@pytest.mark.parametrize(
    ("copies", "passed"),
    [
        pytest.param(60, True, id="as asked"),
        pytest.param(48, True, id="within the band"),
        pytest.param(200, False, id="all"),
        pytest.param(1, False, id="hardly any"),
    ],
)
def test_copies_are_judged_by_the_band(copies, passed):
    found = judged("08-1", rule(QUARTER), versions=["v1"] * 200, lines=(7, 7 + copies))
    assert (found.passed, f"{copies} of 200 copied" in found.observed) == (passed, True)


def test_an_answer_of_another_version_is_no_mirror():
    found = judged("08-1", rule(QUARTER), versions=["v1"] * 140 + ["v2"] * 60, lines=(0, 60))
    assert "answered by v1 and v2" in found.observed
    assert "a mirror stands beside it" in found.cause


def test_a_mirror_to_nowhere_is_told():
    found = judged("08-1", rule("reviews-mirror-v4.yaml"), versions=["v1"] * 200, lines=(0, 0))
    assert "no DestinationRule makes a subset v4" in found.cause


def test_both_ways_to_write_a_mirror_are_read():
    one = {"mirror": {"host": "reviews", "subset": "v2"}, "mirrorPercentage": {"value": 5}}
    many = {"mirrors": [{"destination": {"host": "a"}}, {"destination": {"host": "b"}, "percentage": {"value": 1}}]}
    assert lesson08.mirrors(one) == [("v2", 5)]
    assert lesson08.mirrors(many) == [("a", 100), ("b", 1)]
