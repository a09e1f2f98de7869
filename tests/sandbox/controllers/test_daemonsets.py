"""DaemonSets: one pod on every node that they are for."""

import pytest

from labkit.kube import resources
from labkit.sandbox.controllers import daemon_plan
from labkit.sandbox.controllers.daemon_plan import Seen

SETS, PODS = resources.DAEMON_SETS, resources.PODS
NOW = "2026-01-01T00:01:00Z"
TEMPLATE = {"metadata": {"labels": {"app": "agent"}}, "spec": {"containers": [{"name": "c", "image": "a:1"}]}}


def owner(template=None, **spec):
    body = {**TEMPLATE, "spec": {**TEMPLATE["spec"], **(template or {})}}
    spec = {"selector": {"matchLabels": {"app": "agent"}}, "template": body, **spec}
    metadata = {"name": "agent", "namespace": "shop", "uid": "u", "generation": 1}
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": metadata, "spec": spec}


def node(name="a", labels=None, **spec):
    return {"metadata": {"name": name, "labels": labels or {}}, "spec": spec}


def pod(name, on="a", *, of="v1", ready=True, phase="Running", leaving=False):
    condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": "2026-01-01T00:00:00Z"}
    metadata = {"name": name, "namespace": "shop", "labels": {daemon_plan.HASH: of}, "creationTimestamp": name}
    if leaving:
        metadata["deletionTimestamp"] = NOW
    return {"metadata": metadata, "spec": {"nodeName": on}, "status": {"phase": phase, "conditions": [condition]}}


def step(pods, nodes=None, mark="v1", **of):
    plan = daemon_plan.plan(Seen(owner=owner(**of), pods=pods, nodes=nodes or [node()], mark=mark, now=NOW))
    return " ".join(plan.create), " ".join(map(resources.name_of, plan.delete))


TAINT = {"taints": [{"key": "k", "effect": "NoSchedule"}]}
EXECUTE = {"taints": [{"key": "k", "effect": "NoExecute"}]}
CORDONED = {"unschedulable": True, "taints": [{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]}
SURGE = {"updateStrategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}}


@pytest.mark.parametrize(
    ("pods", "of", "expected"),
    [
        ([], {}, ("a", "")),
        ([], {"nodes": [node(), node("b")]}, ("a b", "")),
        ([pod("1")], {}, ("", "")),
        ([pod("1"), pod("2")], {}, ("", "2")),
        ([pod("1", phase="Failed")], {}, ("", "1")),
        ([pod("1", phase="Failed", leaving=True)], {}, ("a", "")),
        ([], {"template": {"nodeSelector": {"disk": "ssd"}}}, ("", "")),
        ([], {"template": {"nodeSelector": {"disk": "ssd"}}, "nodes": [node(labels={"disk": "ssd"})]}, ("a", "")),
        ([pod("1")], {"template": {"nodeSelector": {"disk": "ssd"}}}, ("", "1")),
        ([], {"nodes": [node(**TAINT)]}, ("", "")),
        ([pod("1")], {"nodes": [node(**TAINT)]}, ("", "")),
        ([pod("1")], {"nodes": [node(**EXECUTE)]}, ("", "1")),
        ([], {"nodes": [node(**CORDONED)]}, ("a", "")),
    ],
    ids=[
        "one node",
        "two nodes",
        "there already",
        "one too many",
        "one that failed goes",
        "and comes again",
        "a node without the label",
        "a node with it",
        "one that has no place any more",
        "a taint",
        "a taint that came later",
        "a taint that drives it out",
        "a cordoned node",
    ],
)
def test_every_node_that_is_meant_gets_one_pod(pods, of, expected):
    assert step(pods, **of) == expected


@pytest.mark.parametrize(
    ("pods", "of", "expected"),
    [
        ([pod("1")], {}, ("", "1")),
        ([pod("1", "a"), pod("2", "b")], {}, ("", "1")),
        ([pod("1", "a", of="v2", ready=False), pod("2", "b")], {}, ("", "")),
        ([pod("1", "a", of="v2"), pod("2", "b")], {}, ("", "2")),
        (
            [pod("1", "a"), pod("2", "b")],
            {"updateStrategy": {"rollingUpdate": {"maxUnavailable": "100%"}}},
            ("", "1 2"),
        ),
        ([pod("1", "a", ready=False), pod("2", "b")], {}, ("", "1")),
        ([pod("1")], {"updateStrategy": {"type": "OnDelete"}}, ("", "")),
        ([pod("1", "a"), pod("2", "b")], SURGE, ("a", "")),
        ([pod("1", "a"), pod("3", "a", of="v2", ready=False), pod("2", "b")], SURGE, ("", "")),
        ([pod("1", "a"), pod("3", "a", of="v2"), pod("2", "b")], SURGE, ("", "1")),
    ],
    ids=[
        "the old pod goes",
        "one at a time",
        "waits for the new one",
        "then the next",
        "all at once",
        "one that is unwell goes first",
        "only when deleted",
        "the new one beside the old one",
        "waits until the new one is ready",
        "then the old one goes",
    ],
)
def test_a_new_template_is_rolled_out_node_by_node(pods, of, expected):
    nodes = [node(), node("b")] if len(pods) > 1 else [node()]
    assert step(pods, nodes, mark="v2", **of) == expected


def test_a_pod_is_meant_for_its_node_and_bears_its_troubles():
    result = {"metadata": {}, **daemon_plan.pod_for(owner(), "a", "v1")}
    assert daemon_plan.target_of(result) == "a"
    assert {"key": "node.kubernetes.io/unschedulable", "operator": "Exists", "effect": "NoSchedule"} in result["spec"][
        "tolerations"
    ]


def set_of(image="a:1", **spec):
    return {
        "metadata": {"name": "agent"},
        "spec": owner({"containers": [{"name": "c", "image": image}]}, **spec)["spec"],
    }


def is_rolled_out(result):
    state = result.get("status", {})
    counts = state.get("desiredNumberScheduled"), state.get("updatedNumberScheduled"), state.get("numberAvailable")
    return state.get("observedGeneration") == result["metadata"]["generation"] and counts == (1, 1, 1)


def test_a_daemon_set_runs_on_the_node_and_is_updated(place):
    place.create(SETS, set_of())
    stored = place.until(SETS, "agent", is_rolled_out)
    assert stored["status"]["currentNumberScheduled"] == stored["status"]["numberReady"] == 1
    (pod,) = place.list(PODS)
    place.until(PODS, resources.name_of(pod), lambda p: p["spec"].get("nodeName") == "sandbox")
    place.patch(SETS, "agent", {"spec": set_of("a:2")["spec"]})
    place.until(SETS, "agent", is_rolled_out)
    assert [p["spec"]["containers"][0]["image"] for p in place.list(PODS)] == ["a:2"]
    assert sorted(r["revision"] for r in place.list(resources.CONTROLLER_REVISIONS)) == [1, 2]
