"""Circuit breaking, judged on evidence made by hand."""

import pytest

from labkit.exercises import course, lesson10
from labkit.kube import manifests
from labkit.lab import arriving
from labkit.telemetry import inside
from tests.exercises.conftest import Made

FEW, ENOUGH = (manifests.read(arriving.MANIFESTS / name)[0] for name in ("limits.yaml", "ratings-outliers.yaml"))


def pod(version, *, ready=True):
    return {
        "kind": "Pod",
        "metadata": {"name": version, "labels": {"app": "ratings", "version": version}},
        "spec": {"containers": [{"name": "ratings"}]},
        "status": {"containerStatuses": [{"name": "ratings", "ready": ready}]},
    }


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


@pytest.mark.parametrize("pods", [[pod("v1")], [pod("v1"), pod("faulty", ready=False)]], ids=["gone", "not ready"])
def test_a_pod_that_gets_no_requests_is_not_a_rule_that_works(pods):
    found = course.find("10-2").judge(Made(ENOUGH, *pods, sent={lesson10.RATINGS: counts(s200=120)}))
    assert found.observed == "the failing pod is not there, or not ready yet"


def test_half_of_one_pod_is_no_pod():
    found = course.find("10-2").judge(Made(ENOUGH, pod("faulty"), sent={lesson10.RATINGS: counts(s200=120)}))
    assert found.cause == "at most 50 % of 1 pods may be out, and that is less than one"


def test_a_rule_that_could_act_is_judged_by_what_traffic_shows():
    evidence = Made(ENOUGH, pod("v1"), pod("faulty"), sent={lesson10.RATINGS: counts(s200=90, s503=30)})
    assert "too late or too briefly" in course.find("10-2").judge(evidence).cause
