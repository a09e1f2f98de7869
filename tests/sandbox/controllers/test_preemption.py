"""Pods of a higher priority get room."""

import pytest

from labkit.kube import resources
from labkit.sandbox.controllers import placement
from labkit.sandbox.controllers.placement import preemption

PODS = resources.PODS
NODE = {
    "metadata": {"name": "sandbox"},
    "spec": {},
    "status": {"allocatable": {"cpu": "2", "memory": "2Gi", "pods": "9"}},
}


def pod(name, cpu="1", priority=0, *, node="", leaving=False, **spec):
    container = {"name": "c", "resources": {"requests": {"cpu": cpu}}}
    metadata = {"name": name, "namespace": "shop", "uid": name, **({"deletionTimestamp": "now"} if leaving else {})}
    spec = {"containers": [container], "priority": priority, **({"nodeName": node} if node else {}), **spec}
    return {"metadata": metadata, "spec": spec}


def there(name, **of):
    return pod(name, node="sandbox", **of)


@pytest.mark.parametrize(
    ("one", "pods", "expected"),
    [
        (pod("p", priority=5), [there("a"), there("b")], "b"),
        (pod("p", cpu="2", priority=5), [there("a"), there("b")], "a b"),
        (pod("p", priority=5), [there("a", priority=3), there("b", priority=1)], "b"),
        (pod("p", priority=5), [there("a", priority=5), there("b", priority=9)], None),
        (pod("p", cpu="3", priority=5), [there("a"), there("b")], None),
        (pod("p", priority=5, preemptionPolicy="Never"), [there("a"), there("b")], None),
    ],
    ids=["one is enough", "both", "the lowest first", "none is lower", "the node is too small", "it does not want to"],
)
def test_as_few_as_possible_make_room(one, pods, expected):
    victims = preemption.victims(one, placement.Scene(nodes=[NODE], pods=pods))
    assert (victims and " ".join(sorted(map(resources.name_of, victims[1])))) == expected


def test_nobody_else_goes_while_one_is_leaving():
    one = {**pod("p", priority=5), "status": {"nominatedNodeName": "sandbox"}}
    scene = placement.Scene(nodes=[NODE], pods=[there("a", leaving=True), there("b")])
    assert preemption.waits_for_room(one, scene)


def test_a_pod_of_a_higher_class_takes_the_place_of_another(place, plane):
    plane.client.create(
        resources.Resource(
            api_version="scheduling.k8s.io/v1", kind="PriorityClass", plural="priorityclasses", namespaced=False
        ),
        {"metadata": {"name": f"high-{place.name}"}, "value": 1000},
    )
    container = {"name": "c", "image": "a:1", "resources": {"requests": {"cpu": "3"}}}
    place.create(PODS, {"metadata": {"name": "low"}, "spec": {"containers": [container]}})
    place.until(PODS, "low", lambda p: p["spec"].get("nodeName"))
    spec = {"containers": [container], "priorityClassName": f"high-{place.name}"}
    place.create(PODS, {"metadata": {"name": "high"}, "spec": spec})
    place.until(PODS, "high", lambda p: p["spec"].get("nodeName"))
    place.until_gone(PODS, "low")
    assert "Preempted" in {e["reason"] for e in place.list(resources.EVENTS)}
