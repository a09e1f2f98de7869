"""Circuit breaking, judged on evidence made by hand."""

import pytest

from labkit.exercises import course, lesson10
from labkit.kube import manifests
from labkit.lab import arriving
from labkit.telemetry import inside
from tests.exercises.conftest import Made

FEW, ENOUGH = (manifests.read(arriving.MANIFESTS / name)[0] for name in ("limits.yaml", "ratings-outliers.yaml"))
FAULTY = {"kind": "Pod", "metadata": {"name": "faulty", "labels": {"app": "ratings", "version": "faulty"}}}


def counts(**by_status):
    return inside.Counts(by_status={int(status.removeprefix("s")): count for status, count in by_status.items()})


@pytest.mark.parametrize(
    ("seen", "passed", "said"),
    [
        pytest.param(counts(s200=120), True, "120 requests: 120 × 200", id="all served"),
        pytest.param(counts(s200=90, s503=30), False, "30 × 503", id="some refused"),
        pytest.param(counts(), False, "fortio sent nothing", id="no fortio"),
    ],
)
def test_a_queue_serves_everybody(seen, passed, said):
    found = course.find("10-1").judge(Made(FEW, sent={lesson10.HTTPBIN: seen}))
    assert (found.passed, said in found.observed) == (passed, True)


def test_a_pod_that_was_taken_away_is_not_a_rule_that_works():
    found = course.find("10-2").judge(Made(ENOUGH, sent={lesson10.RATINGS: counts(s200=120)}))
    assert found.observed == "the failing pod is not there"


def test_half_of_one_pod_is_no_pod():
    found = course.find("10-2").judge(Made(ENOUGH, FAULTY, sent={lesson10.RATINGS: counts(s200=90, s503=30)}))
    assert found.cause == "at most 50 % of 1 pods may be out, and that is less than one"
