"""Pods go to the node, unless it is closed or they are not ours to place."""

import pytest

from labkit.kube import resources

PODS, NODES = resources.PODS, resources.NODES


def pod(**spec):
    return {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "a:1"}], **spec}}


@pytest.fixture
def cordoned(plane):
    plane.client.patch(NODES, "sandbox", None, {"spec": {"unschedulable": True}})
    yield
    plane.client.patch(NODES, "sandbox", None, {"spec": {"unschedulable": None}})


def conditions(result):
    return {c["type"]: c for c in result.get("status", {}).get("conditions") or []}


def test_a_pod_is_bound_to_the_node(place):
    place.create(PODS, pod())
    stored = place.until(PODS, "p", lambda p: p["spec"].get("nodeName"))
    assert stored["spec"]["nodeName"] == "sandbox"
    assert conditions(stored)["PodScheduled"]["status"] == "True"


def test_a_cordoned_node_takes_no_pods_until_it_is_open_again(place, plane, cordoned):
    place.create(PODS, pod())
    waiting = place.until(PODS, "p", lambda p: "PodScheduled" in conditions(p))
    assert conditions(waiting)["PodScheduled"]["reason"] == "Unschedulable"
    plane.client.patch(NODES, "sandbox", None, {"spec": {"unschedulable": None}})
    place.until(PODS, "p", lambda p: p["spec"].get("nodeName"))


@pytest.mark.parametrize(
    "spec", [{"schedulerName": "another"}, {"schedulingGates": [{"name": "example.com/wait"}]}], ids=["another", "gate"]
)
def test_a_pod_that_is_not_ours_to_place_waits(place, spec):
    place.create(PODS, pod(**spec))
    place.create(PODS, {**pod(), "metadata": {"name": "q"}})
    place.until(PODS, "q", lambda p: p["spec"].get("nodeName"))
    assert "nodeName" not in place.get(PODS, "p")["spec"]


@pytest.fixture
def tainted(plane):
    def taint(*taints):
        plane.client.patch(NODES, "sandbox", None, {"spec": {"taints": list(taints) or None}})

    yield taint
    taint()


def test_a_taint_drives_pods_out_that_do_not_tolerate_it(place, tainted):
    place.create(PODS, pod())
    stays = pod(tolerations=[{"key": "maint", "operator": "Exists"}])
    place.create(PODS, {**stays, "metadata": {"name": "stays"}})
    for name in ("p", "stays"):
        place.until(PODS, name, lambda p: p["spec"].get("nodeName"))
    tainted({"key": "maint", "value": "yes", "effect": "NoExecute"})
    place.until_gone(PODS, "p")
    assert "deletionTimestamp" not in place.get(PODS, "stays")["metadata"]


def test_a_pod_stays_as_long_as_its_toleration_says_and_longer_when_the_taint_goes(place, tainted):
    toleration = {"key": "maint", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60}
    place.create(PODS, pod(tolerations=[toleration]))
    place.until(PODS, "p", lambda p: p["spec"].get("nodeName"))
    tainted({"key": "maint", "effect": "NoExecute"}, {"key": "other", "effect": "NoSchedule"})
    place.create(PODS, {**pod(), "metadata": {"name": "q"}})
    place.until(PODS, "q", lambda p: "PodScheduled" in conditions(p))
    tainted()
    place.until(PODS, "q", lambda p: p["spec"].get("nodeName"))
    texts = [e["message"] for e in place.list(resources.EVENTS) if e["reason"] == "TaintManagerEviction"]
    assert texts in ([], [f"Cancelling deletion of Pod {place.name}/p"])
    assert "deletionTimestamp" not in place.get(PODS, "p")["metadata"]
