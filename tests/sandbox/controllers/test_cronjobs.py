"""CronJobs: when a Job starts, and which Jobs are kept."""

import datetime

import pytest

from labkit.kube import resources
from labkit.sandbox.controllers import cron_plan
from labkit.sandbox.controllers.cron_plan import Reason
from labkit.sandbox.controllers.schedules import Schedule

CRON_JOBS, JOBS = resources.CRON_JOBS, resources.JOBS


def at(text):
    return datetime.datetime.fromisoformat(f"2026-{text}+00:00")


NOON = at("03-04T12:00:00")
"""A Wednesday."""


@pytest.mark.parametrize(
    ("text", "zone", "following"),
    [
        ("* * * * *", "UTC", "03-04T12:01:00"),
        ("5/15 * * * *", "UTC", "03-04T12:05:00"),
        ("0 9 * * MON-FRI", "UTC", "03-05T09:00:00"),
        ("0 0 1 * 5", "UTC", "03-06T00:00:00"),
        ("0 0 ? * 6", "UTC", "03-07T00:00:00"),
        ("@hourly", "UTC", "03-04T13:00:00"),
        ("@every 90s", "UTC", "03-04T12:01:30"),
        ("@every 1h30m", "UTC", "03-04T13:30:00"),
        ("0 9 * * *", "Asia/Tokyo", "03-05T00:00:00"),
        ("0 0 */2 * 6", "UTC", "03-05T00:00:00"),
        ("*/20 * * * *", "UTC", "03-04T12:20:00"),
        ("0 0 31 2 *", "UTC", None),
    ],
    ids=[
        "minutes",
        "steps",
        "weekdays",
        "day of month or of week",
        "any day",
        "hourly",
        "every",
        "every, longer",
        "a zone",
        "every other day or a weekday",
        "every twenty minutes",
        "never",
    ],
)
def test_the_next_time_of_a_schedule(text, zone, following):
    assert Schedule(text=text, zone=zone).next(NOON) == (at(following) if following else None)


def cron_job(*, created="03-04T11:58:30", last=None, active=(), **spec):
    status = {"active": list(active), **({"lastScheduleTime": f"2026-{last}Z"} if last else {})}
    metadata = {"name": "tick", "namespace": "shop", "uid": "u", "creationTimestamp": f"2026-{created}Z"}
    kind = {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata, "status": status}
    return {**kind, "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {}}, **spec}}


RUNNING = {"name": "tick-1", "uid": "j"}


@pytest.mark.parametrize(
    ("of", "now", "start", "reason"),
    [
        ({"created": "03-04T12:00:05"}, "03-04T12:00:30", None, Reason.NOT_DUE),
        ({}, "03-04T12:00:00", "03-04T12:00:00", Reason.NOT_DUE),
        ({"last": "03-04T12:00:00"}, "03-04T12:00:20", None, Reason.NOT_DUE),
        ({"last": "03-04T11:50:00"}, "03-04T12:00:20", "03-04T12:00:00", Reason.NOT_DUE),
        ({"startingDeadlineSeconds": 10}, "03-04T12:00:20", None, Reason.NOT_DUE),
        ({"startingDeadlineSeconds": 40}, "03-04T12:00:20", "03-04T12:00:00", Reason.NOT_DUE),
        ({"active": [RUNNING], "concurrencyPolicy": "Forbid"}, "03-04T12:00:00", None, Reason.ACTIVE),
        ({"active": [RUNNING], "concurrencyPolicy": "Replace"}, "03-04T12:00:00", "03-04T12:00:00", Reason.NOT_DUE),
        ({"active": [RUNNING]}, "03-04T12:00:00", "03-04T12:00:00", Reason.NOT_DUE),
    ],
    ids=[
        "not yet",
        "due",
        "done already",
        "of several missed the last",
        "too late",
        "late, but in time",
        "forbidden while one runs",
        "replaces one that runs",
        "beside one that runs",
    ],
)
def test_a_job_starts_when_it_is_due(of, now, start, reason):
    decision = cron_plan.decide(cron_job(**of), at(now))
    assert (decision.start, decision.reason) == (at(start) if start else None, reason)


@pytest.mark.parametrize(("last", "is_many"), [("03-04T10:21:00", False), ("03-04T10:19:00", True)], ids=["99", "101"])
def test_more_than_a_hundred_missed_times_are_warned_of(last, is_many):
    assert cron_plan.decide(cron_job(last=last), NOON).missed is is_many


def test_the_next_look_is_just_after_the_next_time():
    assert cron_plan.decide(cron_job(), at("03-04T12:00:20")).again == pytest.approx(40.1)


def test_a_job_is_named_after_its_time_and_says_it_in_its_zone():
    job = cron_plan.job_of(cron_job(timeZone="Asia/Tokyo"), Schedule(text="* * * * *", zone="Asia/Tokyo").next(NOON))
    assert job["metadata"]["name"] == f"tick-{int(NOON.timestamp()) // 60 + 1}"
    assert job["metadata"]["annotations"] == {cron_plan.SCHEDULED: "2026-03-04T21:01:00+09:00"}


def ended(name, ending, start):
    conditions = [{"type": ending, "status": "True"}]
    return {"metadata": {"name": name}, "status": {"conditions": conditions, "startTime": start}}


def test_finished_jobs_beyond_the_limits_go_the_oldest_first():
    jobs = [
        ended("b", "Complete", "2"),
        ended("a", "Complete", "1"),
        ended("c", "Failed", "1"),
        {"metadata": {"name": "d"}},
    ]
    limits = {"successfulJobsHistoryLimit": 1, "failedJobsHistoryLimit": 1}
    assert [j["metadata"]["name"] for j in cron_plan.superfluous(cron_job(**limits), jobs)] == ["a"]
    assert [j["metadata"]["name"] for j in cron_plan.superfluous(cron_job(failedJobsHistoryLimit=0), jobs)] == ["c"]


@pytest.fixture
def tick(place):
    """A CronJob that is due each second, and has just been due."""

    def make(**spec):
        pod = {"containers": [{"name": "c", "image": "a:1"}], "restartPolicy": "Never", "schedulerName": "nobody"}
        template = {"spec": {"template": {"spec": pod}}}
        place.create(
            CRON_JOBS,
            {"metadata": {"name": "tick"}, "spec": {"schedule": "@every 1s", "jobTemplate": template, **spec}},
        )

    return make


def test_a_cron_job_makes_a_job_and_sees_it_complete(place, tick):
    tick(concurrencyPolicy="Forbid", successfulJobsHistoryLimit=0)
    job = resources.name_of(place.until_listed(JOBS, lambda jobs: len(jobs) == 1)[0])
    stored = place.until(CRON_JOBS, "tick", lambda c: c["status"].get("active"))
    assert stored["status"]["active"][0]["name"] == job
    place.patch(CRON_JOBS, "tick", {"spec": {"suspend": True}})
    pod = resources.name_of(place.until_listed(resources.PODS, lambda pods: len(pods) == 1)[0])
    place.patch(resources.PODS, pod, {"status": {"phase": "Succeeded"}}, subresource="status")
    place.until(CRON_JOBS, "tick", lambda c: not c["status"].get("active") and c["status"].get("lastSuccessfulTime"))
    place.until_gone(JOBS, job)


def test_a_deleted_cron_job_takes_its_jobs_along(place, tick):
    tick()
    place.until_listed(JOBS, bool)
    place.client.delete(CRON_JOBS, "tick", place.name)
    place.until_listed(JOBS, lambda jobs: not jobs)
