"""Deployments: from one template to the next and back, and up and down."""

from labkit.kube import resources
from labkit.sandbox.controllers.deployment_plan import HISTORY, REVISION
from tests.sandbox.controllers.conftest import is_rolled_out, reason, wait

SETS, PODS, DEPLOYMENTS = resources.REPLICA_SETS, resources.PODS, resources.DEPLOYMENTS
STRATEGIC = "application/strategic-merge-patch+json"


def image(name):
    return {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": name}]}}}}


def roll(place, body):
    place.patch(DEPLOYMENTS, "web", body, type=STRATEGIC)
    return place.until(DEPLOYMENTS, "web", is_rolled_out)


def revisions(place):
    return {
        rs["spec"]["template"]["spec"]["containers"][0]["image"]: resources.annotations_of(rs)[REVISION]
        for rs in place.list(SETS)
    }


def test_a_deployment_makes_a_replica_set_and_that_makes_pods(place, deploy):
    deployment = deploy(2)
    (owner,) = place.list(SETS)
    assert resources.owner_of(owner)["uid"] == resources.uid_of(deployment)
    assert [resources.owner_of(pod)["name"] for pod in place.list(PODS)] == [resources.name_of(owner)] * 2
    place.until(DEPLOYMENTS, "web", lambda d: reason(d) == "NewReplicaSetAvailable")


def test_its_own_notes_make_no_new_generation(deploy):
    deployment = deploy()
    assert deployment["metadata"]["generation"] == 1
    assert resources.annotations_of(deployment)[REVISION] == "1"


def test_a_new_template_replaces_the_pods(place, deploy):
    deploy(2)
    roll(place, image("a:2"))
    images = {
        pod["spec"]["containers"][0]["image"] for pod in place.until_listed(PODS, lambda listed: len(listed) == 2)
    }
    assert images == {"a:2"}
    assert revisions(place) == {"a:1": "1", "a:2": "2"}


def test_the_old_template_again_is_the_next_revision_of_the_old_replica_set(place, deploy):
    deploy()
    roll(place, image("a:2"))
    roll(place, image("a:1"))
    wait(lambda: revisions(place) == {"a:1": "3", "a:2": "2"}, "revisions")
    back = next(rs for rs in place.list(SETS) if resources.annotations_of(rs)[REVISION] == "3")
    assert resources.annotations_of(back)[HISTORY] == "1"


def test_scaling_changes_the_number_of_pods_and_no_revision(place, deploy):
    deploy(1)
    for replicas in (3, 0):
        roll(place, {"spec": {"replicas": replicas}})
        place.until_listed(PODS, lambda listed, size=replicas: len(listed) == size)
    assert revisions(place) == {"a:1": "1"}


def test_pods_that_never_run_do_not_replace_those_that_do(place, deploy):
    deploy(1, strategy={"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}})
    place.patch(DEPLOYMENTS, "web", {"spec": {"template": {"spec": {"schedulerName": "nobody"}}}}, type=STRATEGIC)
    stored = place.until(DEPLOYMENTS, "web", lambda d: d["status"].get("unavailableReplicas"))
    assert (stored["status"]["replicas"], stored["status"]["availableReplicas"]) == (2, 1)


def test_a_rollout_that_takes_too_long_is_called_late(place):
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "a:1"}]}}
    template["spec"]["schedulerName"] = "nobody"
    spec = {"selector": {"matchLabels": {"app": "web"}}, "template": template, "progressDeadlineSeconds": 1}
    place.create(DEPLOYMENTS, {"metadata": {"name": "web"}, "spec": {**spec, "minReadySeconds": 0}})
    late = place.until(DEPLOYMENTS, "web", lambda d: _reasons(d).get("Progressing") == "ProgressDeadlineExceeded")
    assert _reasons(late)["Available"] == "MinimumReplicasUnavailable"


def test_a_paused_deployment_waits(place, deploy):
    deploy()
    place.patch(DEPLOYMENTS, "web", {"spec": {"paused": True}})
    place.patch(DEPLOYMENTS, "web", image("a:2"), type=STRATEGIC)
    place.until(DEPLOYMENTS, "web", lambda d: d["status"]["observedGeneration"] == d["metadata"]["generation"])
    assert revisions(place) == {"a:1": "1"}
    roll(place, {"spec": {"paused": None}})
    assert revisions(place) == {"a:1": "1", "a:2": "2"}


def test_pods_that_may_not_be_made_are_a_condition(place):
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "a:1"}]}}
    template["spec"]["serviceAccountName"] = "nobody"
    spec = {"selector": {"matchLabels": {"app": "web"}}, "template": template}
    place.create(DEPLOYMENTS, {"metadata": {"name": "web"}, "spec": spec})
    stored = place.until(DEPLOYMENTS, "web", lambda d: "ReplicaFailure" in _reasons(d))
    failure = next(c for c in stored["status"]["conditions"] if c["type"] == "ReplicaFailure")
    assert 'serviceaccount "nobody" not found' in failure["message"]


def test_a_stray_pod_that_fits_is_adopted_and_let_go_when_it_does_not(place):
    spec = {"containers": [{"name": "c", "image": "a:1"}], "schedulerName": "nobody"}
    labels = {"app": "web"}
    place.create(PODS, {"metadata": {"name": "stray", "labels": labels}, "spec": spec})
    template = {"metadata": {"labels": labels}, "spec": spec}
    body = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    place.create(SETS, {"metadata": {"name": "rs"}, "spec": body})
    place.until(PODS, "stray", resources.owner_of)
    place.patch(PODS, "stray", {"metadata": {"labels": {"app": "free"}}})
    place.until(PODS, "stray", lambda pod: resources.owner_of(pod) is None)
    (instead,) = place.until_listed(PODS, lambda listed: len(listed) == 1, labels="app=web")
    assert resources.name_of(instead).startswith("rs-")


def _reasons(deployment):
    return {c["type"]: c["reason"] for c in deployment.get("status", {}).get("conditions") or []}
