"""The next step of a rollout, decided from what is there."""

import pytest

from labkit.sandbox.controllers import deployment_plan


def template(image="a:1"):
    return {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": image}]}}


def deployment(replicas=3, image="a:1", **spec):
    metadata = {"name": "web", "namespace": "n", "uid": "u", "generation": 1}
    result = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template(image), **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": result}


def replica_set(name, image, replicas, available=None, revision="1"):
    available = replicas if available is None else available
    return {
        "metadata": {"name": name, "annotations": {deployment_plan.REVISION: revision}},
        "spec": {"replicas": replicas, "template": template(image)},
        "status": {"replicas": replicas, "availableReplicas": available},
    }


def rolling(surge, fewer):
    return {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": fewer}}}


def test_the_first_replica_set_has_all_replicas():
    stored = deployment_plan.plan(deployment(3), []).create
    assert (stored["spec"]["replicas"], stored["metadata"]["annotations"][deployment_plan.REVISION]) == (3, "1")


def test_a_template_has_one_name():
    one, other = (deployment_plan.plan(deployment(image=i), []).create["metadata"]["name"] for i in ("a:1", "a:2"))
    again = deployment_plan.plan(deployment(image="a:1"), []).create["metadata"]["name"]
    assert one == again != other


def test_a_new_template_begins_with_the_surge():
    old = replica_set("old", "a:1", 3)
    assert deployment_plan.plan(deployment(3, "a:2", **rolling(1, 0)), [old]).create["spec"]["replicas"] == 1


@pytest.mark.parametrize(
    ("new", "available", "old", "expected"),
    [
        (1, 0, 3, {}),
        (1, 1, 3, {"old": 2}),
        (1, 1, 2, {"new": 2}),
        (3, 3, 0, {}),
    ],
    ids=["wait for the first", "one old one goes", "one new one comes", "done"],
)
def test_the_old_goes_as_the_new_is_available(new, available, old, expected):
    result = [replica_set("new", "a:2", new, available, "2"), replica_set("old", "a:1", old)]
    assert dict(deployment_plan.plan(deployment(3, "a:2", **rolling(1, 0)), result).sizes) == expected


def test_a_paused_deployment_makes_nothing():
    assert deployment_plan.plan(deployment(paused=True), []) == deployment_plan.Plan()


def test_the_old_template_again_is_the_next_revision():
    result = [replica_set("one", "a:1", 0, revision="1"), replica_set("two", "a:2", 3, revision="2")]
    plan = deployment_plan.plan(deployment(3, "a:1"), result)
    assert plan.revision == "3"
    assert plan.notes == ("one", {deployment_plan.REVISION: "3", deployment_plan.HISTORY: "1"})


def test_old_replica_sets_are_kept_to_a_limit():
    result = [replica_set(f"rs-{n}", f"a:{n}", 0, revision=str(n)) for n in range(1, 5)]
    result.append(replica_set("now", "a:9", 3, revision="9"))
    assert deployment_plan.plan(deployment(3, "a:9", revisionHistoryLimit=2), result).delete == ("rs-1", "rs-2")


@pytest.mark.parametrize(
    ("value", "up", "expected"), [(2, True, 2), ("25%", True, 1), ("25%", False, 0), ("100%", False, 3)]
)
def test_a_part_of_three(value, up, expected):
    assert deployment_plan.part(value, 3, up=up) == expected
