"""Jobs run pods until enough of them have succeeded, or too many failed."""

import pytest

from labkit.kube import resources
from labkit.sandbox.controllers import job_plan
from labkit.sandbox.controllers.job_plan import COMPLETED, TOO_LONG, TOO_MANY, Seen

JOBS, PODS = resources.JOBS, resources.PODS
NOW, EARLIER = "2026-01-01T00:01:00Z", "2026-01-01T00:00:00Z"


def job(**spec):
    return {"spec": {"completions": 1, "parallelism": 1, **spec}, "status": {"startTime": EARLIER}}


@pytest.mark.parametrize(
    ("spec", "seen", "end"),
    [
        ({}, Seen(active=1), None),
        ({}, Seen(succeeded=1), COMPLETED),
        ({"completions": 2}, Seen(succeeded=1), None),
        ({"completions": None}, Seen(succeeded=1, active=1), None),
        ({"completions": None}, Seen(succeeded=1), COMPLETED),
        ({"backoffLimit": 1}, Seen(failed=1), None),
        ({"backoffLimit": 1}, Seen(failed=2), TOO_MANY),
        ({"activeDeadlineSeconds": 30}, Seen(active=1), TOO_LONG),
        ({"activeDeadlineSeconds": 90}, Seen(active=1), None),
        ({"activeDeadlineSeconds": 30, "suspend": True}, Seen(), None),
    ],
    ids=[
        "running",
        "done",
        "one of two",
        "a queue, still working",
        "a queue, empty",
        "one more try",
        "no more tries",
        "too long",
        "in time",
        "suspended",
    ],
)
def test_a_job_ends(spec, seen, end):
    assert job_plan.verdict(job(**spec), seen, NOW) is end


@pytest.mark.parametrize(
    ("spec", "seen", "missing"),
    [
        ({}, Seen(), 1),
        ({}, Seen(active=1), 0),
        ({"completions": 5, "parallelism": 2}, Seen(active=1), 1),
        ({"completions": 5, "parallelism": 3}, Seen(succeeded=4), 1),
        ({"suspend": True}, Seen(active=1), -1),
    ],
    ids=["the first", "enough", "side by side", "the last", "suspended"],
)
def test_a_job_lacks_pods(spec, seen, missing):
    assert job_plan.missing(job(**spec), seen) == missing


@pytest.mark.parametrize(("failures", "seconds"), [(0, 0), (1, 10), (2, 20), (20, 360)])
def test_a_failure_is_followed_by_a_longer_pause(failures, seconds):
    assert job_plan.backoff(failures) == seconds


@pytest.fixture
def run(place):
    """Make a Job and wait for its pod."""

    def run(**spec):
        pod = {"containers": [{"name": "c", "image": "a:1"}], "restartPolicy": "Never", "schedulerName": "nobody"}
        place.create(JOBS, {"metadata": {"name": "j"}, "spec": {"template": {"spec": pod}, **spec}})
        return resources.name_of(place.until_listed(PODS, lambda found: len(found) == 1)[0])

    return run


def condition(name):
    return lambda found: any(c["type"] == name for c in found.get("status", {}).get("conditions") or [])


def test_a_job_is_complete_when_its_pod_has_succeeded(place, run):
    pod = run()
    place.patch(PODS, pod, {"status": {"phase": "Succeeded"}}, subresource="status")
    found = place.until(JOBS, "j", condition("Complete"))
    assert found["status"]["succeeded"] == 1
    place.until(PODS, pod, lambda p: "finalizers" not in p["metadata"])


def test_a_job_that_may_not_fail_fails_at_once(place, run):
    place.patch(PODS, run(backoffLimit=0), {"status": {"phase": "Failed"}}, subresource="status")
    assert place.until(JOBS, "j", condition("Failed"))["status"]["failed"] == 1


def test_a_deleted_job_takes_its_pods_along(place, run):
    run()
    place.client.delete(JOBS, "j", place.name)
    place.until_listed(PODS, lambda found: not found)


def test_a_finished_job_goes_when_its_time_is_over(place, run):
    place.patch(PODS, run(ttlSecondsAfterFinished=0), {"status": {"phase": "Succeeded"}}, subresource="status")
    place.until_gone(JOBS, "j")
