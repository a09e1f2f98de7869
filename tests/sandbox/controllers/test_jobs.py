"""Jobs run pods until enough of them have succeeded, or too many failed."""

import pytest

from labkit.kube import resources
from labkit.sandbox.controllers import job_failures, job_indexes, job_plan
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
        return resources.name_of(place.until_listed(PODS, lambda listed: len(listed) == 1)[0])

    return run


def condition(name):
    return lambda obj: any(c["type"] == name for c in obj.get("status", {}).get("conditions") or [])


def test_a_job_is_complete_when_its_pod_has_succeeded(place, run):
    pod = run()
    place.patch(PODS, pod, {"status": {"phase": "Succeeded"}}, subresource="status")
    stored = place.until(JOBS, "j", condition("Complete"))
    assert stored["status"]["succeeded"] == 1
    place.until(PODS, pod, lambda p: "finalizers" not in p["metadata"])


def test_a_job_that_may_not_fail_fails_at_once(place, run):
    place.patch(PODS, run(backoffLimit=0), {"status": {"phase": "Failed"}}, subresource="status")
    assert place.until(JOBS, "j", condition("Failed"))["status"]["failed"] == 1


def test_a_deleted_job_takes_its_pods_along(place, run):
    run()
    place.client.delete(JOBS, "j", place.name)
    place.until_listed(PODS, lambda listed: not listed)


def test_a_finished_job_goes_when_its_time_is_over(place, run):
    place.patch(PODS, run(ttlSecondsAfterFinished=0), {"status": {"phase": "Succeeded"}}, subresource="status")
    place.until_gone(JOBS, "j")


@pytest.mark.parametrize(
    ("indexes", "text"),
    [(set(), ""), ({3}, "3"), ({0, 1}, "0,1"), ({0, 2, 3, 4, 7}, "0,2-4,7")],
    ids=["none", "one", "two neighbours", "a run"],
)
def test_indexes_are_written_as_runs(indexes, text):
    assert job_indexes.text(indexes) == text
    assert job_indexes.parse(text, 10) == indexes


INDEXED = {"completions": 3, "parallelism": 3, "completionMode": "Indexed"}


@pytest.mark.parametrize(
    ("spec", "seen", "reason"),
    [
        ({"backoffLimitPerIndex": 1}, Seen(succeeded_indexes=frozenset({0}), failed_indexes=frozenset({1})), None),
        (
            {"backoffLimitPerIndex": 1},
            Seen(succeeded=2, succeeded_indexes=frozenset({0, 2}), failed_indexes=frozenset({1})),
            "FailedIndexes",
        ),
        ({"maxFailedIndexes": 0}, Seen(active=2, failed_indexes=frozenset({1})), "MaxFailedIndexesExceeded"),
        ({}, Seen(succeeded=3, succeeded_indexes=frozenset({0, 1, 2})), "CompletionsReached"),
        ({"successPolicy": {"rules": [{"succeededIndexes": "0-1"}]}}, Seen(succeeded_indexes=frozenset({0})), None),
        (
            {"successPolicy": {"rules": [{"succeededIndexes": "0-1", "succeededCount": 1}]}},
            Seen(active=1, succeeded_indexes=frozenset({1})),
            "SuccessPolicy",
        ),
        (
            {"successPolicy": {"rules": [{"succeededCount": 2}]}},
            Seen(succeeded_indexes=frozenset({0, 2})),
            "SuccessPolicy",
        ),
    ],
    ids=["goes on", "with failed indexes", "too many", "all", "not yet", "some of some", "so many of all"],
)
def test_an_indexed_job_ends(spec, seen, reason):
    end = job_plan.verdict(job(**INDEXED, **spec), seen, NOW)
    assert (end and end.reason) == reason


def test_restarts_in_place_count_too():
    spec = {"template": {"spec": {"restartPolicy": "OnFailure"}}, "backoffLimit": 2}
    assert job_plan.verdict(job(**spec), Seen(active=1, restarts=1), NOW) is None
    assert job_plan.verdict(job(**spec), Seen(active=1, restarts=2), NOW) is TOO_MANY


def failed(code=1, container="c", condition_of=None):
    ended = {"name": container, "state": {"terminated": {"exitCode": code}}}
    conditions = [{"type": condition_of, "status": "True"}] if condition_of else []
    status = {"phase": "Failed", "containerStatuses": [ended], "conditions": conditions}
    return {"metadata": {"name": "p", "namespace": "shop"}, "status": status}


def rule(action, *, operator="In", values=(42,), **of):
    return {"action": action, "onExitCodes": {"operator": operator, "values": list(values), **of}}


DISRUPTED = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}


@pytest.mark.parametrize(
    ("rules", "pod", "action"),
    [
        ([], failed(), "Count"),
        ([rule("FailJob")], failed(42), "FailJob"),
        ([rule("FailJob")], failed(1), "Count"),
        ([rule("Ignore", operator="NotIn", values=[1])], failed(7), "Ignore"),
        ([rule("FailJob", containerName="other")], failed(42), "Count"),
        ([DISRUPTED, rule("FailJob")], failed(42, condition_of="DisruptionTarget"), "Ignore"),
        ([rule("FailIndex", values=[3])], failed(3), "FailIndex"),
    ],
    ids=["no rule", "an exit code", "another", "any but one", "another container", "the first rule", "its index"],
)
def test_a_rule_says_what_a_failure_means(rules, pod, action):
    assert job_failures.meaning(job(podFailurePolicy={"rules": rules}), pod).action == action


def test_a_fatal_failure_is_named():
    meaning = job_failures.meaning(job(podFailurePolicy={"rules": [DISRUPTED, rule("FailJob")]}), failed(42))
    assert meaning.message == "Container c for pod shop/p failed with exit code 42 matching FailJob rule at index 1"


def by_index(pods):
    return {job_indexes.index_of(pod): resources.name_of(pod) for pod in pods if pod["status"]["phase"] == "Pending"}


def test_every_index_gets_a_pod_that_knows_it(place):
    pod = {"containers": [{"name": "c", "image": "a:1"}], "restartPolicy": "Never", "schedulerName": "nobody"}
    place.create(JOBS, {"metadata": {"name": "j"}, "spec": {"template": {"spec": pod}, **INDEXED, "parallelism": 2}})
    pods = by_index(place.until_listed(PODS, lambda listed: set(by_index(listed)) == {0, 1}))
    one = place.get(PODS, pods[1])
    assert (one["spec"]["hostname"], one["metadata"]["labels"][job_indexes.INDEX]) == ("j-1", "1")
    assert one["spec"]["containers"][0]["env"][0]["name"] == "JOB_COMPLETION_INDEX"
    place.patch(PODS, pods[1], {"status": {"phase": "Succeeded"}}, subresource="status")
    pods = by_index(place.until_listed(PODS, lambda listed: set(by_index(listed)) == {0, 2}))
    assert place.until(JOBS, "j", lambda j: j["status"].get("completedIndexes"))["status"]["completedIndexes"] == "1"
    for index in (0, 2):
        place.patch(PODS, pods[index], {"status": {"phase": "Succeeded"}}, subresource="status")
    assert place.until(JOBS, "j", condition("Complete"))["status"]["completedIndexes"] == "0-2"


def test_an_index_that_may_not_fail_is_given_up_and_the_others_go_on(place):
    pod = {"containers": [{"name": "c", "image": "a:1"}], "restartPolicy": "Never", "schedulerName": "nobody"}
    spec = {"template": {"spec": pod}, **INDEXED, "completions": 2, "backoffLimitPerIndex": 0}
    place.create(JOBS, {"metadata": {"name": "j"}, "spec": spec})
    pods = by_index(place.until_listed(PODS, lambda listed: set(by_index(listed)) == {0, 1}))
    place.patch(PODS, pods[0], {"status": {"phase": "Failed"}}, subresource="status")
    place.until(JOBS, "j", lambda j: j["status"].get("failedIndexes") == "0")
    place.patch(PODS, pods[1], {"status": {"phase": "Succeeded"}}, subresource="status")
    stored = place.until(JOBS, "j", condition("Failed"))
    assert stored["status"]["conditions"][-1]["reason"] == "FailedIndexes"


def test_an_exit_code_of_the_policy_ends_the_job(place, run):
    name = run(podFailurePolicy={"rules": [rule("FailJob")]})
    ended = {"name": "c", "image": "a:1", "imageID": "", "ready": False, "restartCount": 0}
    state = {**ended, "state": {"terminated": {"exitCode": 42}}}
    place.patch(PODS, name, {"status": {"phase": "Failed", "containerStatuses": [state]}}, subresource="status")
    assert place.until(JOBS, "j", condition("Failed"))["status"]["conditions"][-1]["reason"] == "PodFailurePolicy"


def test_a_job_that_another_manages_is_left_alone(place):
    pod = {"containers": [{"name": "c", "image": "a:1"}], "restartPolicy": "Never"}
    for name, more in (("theirs", {"managedBy": "example.com/queue"}), ("ours", {})):
        place.create(JOBS, {"metadata": {"name": name}, "spec": {"template": {"spec": pod}, **more}})
    place.until_listed(PODS, lambda listed: len(listed) == 1)
    assert resources.owner_of(place.list(PODS)[0])["name"] == "ours"
