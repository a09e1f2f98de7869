"""Where a pod may go, and what the scheduler says of one that fits nowhere."""

import pytest

from labkit.sandbox.apiserver import amounts
from labkit.sandbox.controllers import placement
from labkit.sandbox.controllers.placement import requests, taints

HOST = "kubernetes.io/hostname"
NODE = {
    "metadata": {"name": "sandbox", "labels": {HOST: "sandbox", "zone": "b", "cores": "4"}},
    "spec": {},
    "status": {"allocatable": {"cpu": "2", "memory": "2Gi", "pods": "3"}},
}
NOT_HELPFUL = (
    "no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."
)
NO_VICTIMS = (
    "no new claims to deallocate, preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."
)


def pod(name="p", labels=None, *, node="", requests=None, ports=(), namespace="shop", **spec):
    container = {"name": "c", "image": "a:1", "resources": {"requests": requests or {}}, "ports": list(ports)}
    metadata = {"name": name, "namespace": namespace, "uid": name, "labels": labels or {}}
    return {"metadata": metadata, "spec": {"containers": [container], **({"nodeName": node} if node else {}), **spec}}


def node(**spec):
    return {**NODE, "spec": spec}


def there(name, labels=None, **of):
    return pod(name, labels, node="sandbox", **of)


def message(one, pods=(), on=NODE, **of):
    return placement.place(one, placement.Scene(nodes=[on], pods=list(pods), **of)).message


def wishes(*terms):
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}}


def expression(key, operator, *values):
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


def neighbour(kind, labels, key=HOST, **term):
    term = {"labelSelector": {"matchLabels": labels}, "topologyKey": key, **term}
    return {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


SELECTOR = "node(s) didn't match Pod's node affinity/selector"


@pytest.mark.parametrize(
    ("spec", "fits"),
    [
        ({"nodeSelector": {"zone": "b"}}, True),
        ({"nodeSelector": {"zone": "a"}}, False),
        ({"nodeSelector": {"disktype": "ssd"}}, False),
        ({"affinity": wishes(expression("zone", "In", "a", "b"))}, True),
        ({"affinity": wishes(expression("zone", "NotIn", "b"))}, False),
        ({"affinity": wishes(expression("gpu", "Exists"))}, False),
        ({"affinity": wishes(expression("gpu", "DoesNotExist"))}, True),
        ({"affinity": wishes(expression("cores", "Gt", "2"))}, True),
        ({"affinity": wishes(expression("cores", "Lt", "4"))}, False),
        ({"affinity": wishes(expression("zone", "In", "a"), expression("zone", "In", "b"))}, True),
        ({"affinity": wishes({})}, False),
        (
            {"affinity": wishes({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["sandbox"]}]})},
            True,
        ),
        ({"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}}}, True),
    ],
    ids=[
        "a label",
        "another value",
        "a label that no node has",
        "in",
        "not in",
        "exists",
        "is absent",
        "greater",
        "less",
        "one term of two",
        "an empty term",
        "its name",
        "a preference",
    ],
)
def test_a_pod_goes_where_it_asks_to(spec, fits):
    expected = "" if fits else f"0/1 nodes are available: 1 {SELECTOR}. {NOT_HELPFUL}"
    assert message(pod(**spec)) == expected


@pytest.mark.parametrize(
    ("toleration", "tolerated"),
    [
        ({"operator": "Exists"}, True),
        ({"key": "maint", "operator": "Exists"}, True),
        ({"key": "maint", "value": "yes"}, True),
        ({"key": "maint", "operator": "Equal", "value": "yes", "effect": "NoSchedule"}, True),
        ({"key": "maint", "value": "no"}, False),
        ({"key": "maint", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": "other", "operator": "Exists"}, False),
    ],
    ids=["everything", "a key", "a value", "an effect", "another value", "another effect", "another key"],
)
def test_a_taint_keeps_pods_away_that_do_not_tolerate_it(toleration, tolerated):
    tainted = node(taints=[{"key": "maint", "value": "yes", "effect": "NoSchedule"}])
    expected = "" if tolerated else f"0/1 nodes are available: 1 node(s) had untolerated taint(s). {NOT_HELPFUL}"
    assert message(pod(tolerations=[toleration]), on=tainted) == expected


def test_a_taint_that_only_prefers_keeps_no_pod_away():
    assert message(pod(), on=node(taints=[{"key": "maint", "effect": "PreferNoSchedule"}])) == ""


@pytest.mark.parametrize(
    ("seconds", "left"),
    [(None, None), ([30, 60], 30), ([], 0.0)],
    ids=["for ever", "the shortest of all", "not at all"],
)
def test_how_long_a_pod_may_stay_on_a_tainted_node(seconds, left):
    tolerations = [{"key": "k", "operator": "Exists", "tolerationSeconds": s} for s in seconds or []]
    tolerations = [{"key": "k", "operator": "Exists"}] if seconds is None else tolerations
    taint = {"key": "k", "effect": "NoExecute"}
    assert taints.seconds_left({"tolerations": tolerations}, [taint]) == left


@pytest.mark.parametrize(
    ("asked", "used", "expected"),
    [
        ({"cpu": "1500m"}, {"cpu": "500m"}, ""),
        ({"cpu": "1500m"}, {"cpu": "501m"}, f"1 Insufficient cpu. {NO_VICTIMS}"),
        ({"cpu": "3"}, {}, f"1 Insufficient cpu. {NOT_HELPFUL}"),
        ({"cpu": "1000", "memory": "10Ti"}, {}, f"1 Insufficient cpu, 1 Insufficient memory. {NOT_HELPFUL}"),
        ({"example.com/gpu": "1"}, {}, f"1 Insufficient example.com/gpu. {NOT_HELPFUL}"),
    ],
    ids=["enough", "what others leave", "more than the node has", "of both", "what no node has"],
)
def test_a_node_must_have_what_a_pod_requests(asked, used, expected):
    expected = expected and f"0/1 nodes are available: {expected}"
    assert message(pod(requests=asked), [there("q", requests=used)]) == expected


def test_a_node_takes_so_many_pods_and_no_more():
    pods = [there(f"q{n}") for n in range(3)]
    assert message(pod(), pods) == f"0/1 nodes are available: 1 Too many pods. {NO_VICTIMS}"


@pytest.mark.parametrize(
    ("spec", "cpu"),
    [
        ({"containers": ["100m", "200m"]}, "300m"),
        ({"containers": ["100m"], "init": ["500m", "200m"]}, "500m"),
        ({"containers": ["100m"], "sidecars": ["50m"]}, "150m"),
        ({"containers": ["100m"], "sidecars": ["50m"], "init": ["500m"]}, "550m"),
    ],
    ids=["together", "the greatest init container", "sidecars on top", "an init container beside a sidecar"],
)
def test_what_a_pod_requests_in_all(spec, cpu):
    def containers(kind, **more):
        return [{"resources": {"requests": {"cpu": value}}, **more} for value in spec.get(kind, ())]

    inits = [*containers("sidecars", restartPolicy="Always"), *containers("init")]
    constraints = requests.of_pod({"containers": containers("containers"), "initContainers": inits})
    assert amounts.written(constraints) == {"cpu": cpu}


PORTS = "1 node(s) didn't have free ports for the requested pod ports"


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        ({"hostPort": 9999}, PORTS),
        ({"hostPort": 9999, "hostIP": "127.0.0.1"}, PORTS),
        ({"hostPort": 9999, "protocol": "UDP"}, ""),
        ({"hostPort": 9998}, ""),
        ({"containerPort": 9999}, ""),
    ],
    ids=["taken", "taken on all addresses", "another protocol", "another port", "no host port"],
)
def test_a_port_of_the_node_goes_to_one_pod(port, expected):
    holder = there("q", ports=[{"containerPort": 9, "hostPort": 9999}])
    result = message(pod(ports=[{"containerPort": 9, **port}]), [holder])
    assert result == (expected and f"0/1 nodes are available: {expected}. {NO_VICTIMS}")


X = {"anti": "x"}


@pytest.mark.parametrize(
    ("one", "pods", "expected"),
    [
        (pod(labels=X, affinity=neighbour("podAntiAffinity", X)), [], ""),
        (
            pod(affinity=neighbour("podAntiAffinity", X)),
            [there("q", X)],
            f"didn't match pod anti-affinity rules. {NO_VICTIMS}",
        ),
        (pod(affinity=neighbour("podAntiAffinity", X)), [there("q", X, namespace="other")], ""),
        (
            pod(affinity=neighbour("podAntiAffinity", X, namespaceSelector={})),
            [there("q", X, namespace="other")],
            f"didn't match pod anti-affinity rules. {NO_VICTIMS}",
        ),
        (pod(affinity=neighbour("podAntiAffinity", X, key="rack")), [there("q", X)], ""),
        (
            pod(labels=X),
            [there("q", affinity=neighbour("podAntiAffinity", X))],
            f"didn't satisfy existing pods anti-affinity rules. {NO_VICTIMS}",
        ),
        (pod(affinity=neighbour("podAffinity", X)), [there("q", X)], ""),
        (pod(affinity=neighbour("podAffinity", X)), [], f"didn't match pod affinity rules. {NOT_HELPFUL}"),
        (pod(labels=X, affinity=neighbour("podAffinity", X)), [], ""),
        (
            pod(labels=X, affinity=neighbour("podAffinity", X, key="rack")),
            [],
            f"didn't match pod affinity rules. {NOT_HELPFUL}",
        ),
    ],
    ids=[
        "nobody to refuse",
        "a neighbour is refused",
        "not of another namespace",
        "but of every namespace",
        "not where the node has no such label",
        "a neighbour refuses",
        "the neighbour is there",
        "no such neighbour",
        "the first of its kind",
        "not where the node has no such label either",
    ],
)
def test_pods_may_want_neighbours_or_none(one, pods, expected):
    assert message(one, pods) == (expected and f"0/1 nodes are available: 1 node(s) {expected}")


def spread(**of):
    constraint = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
    return {"topologySpreadConstraints": [{**constraint, "labelSelector": {"matchLabels": X}, **of}]}


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        ({}, ""),
        ({"minDomains": 2}, f"1 node(s) didn't match pod topology spread constraints. {NO_VICTIMS}"),
        (
            {"topologyKey": "rack"},
            f"1 node(s) didn't match pod topology spread constraints (missing required label). {NOT_HELPFUL}",
        ),
        ({"topologyKey": "rack", "whenUnsatisfiable": "ScheduleAnyway"}, ""),
    ],
    ids=["one zone has no skew", "fewer zones than wanted", "no such label", "a preference"],
)
def test_pods_spread_over_topologies(of, expected):
    result = message(pod(labels=X, **spread(**of)), [there("q", X)])
    assert result == (expected and f"0/1 nodes are available: {expected}")


def test_a_second_node_takes_what_the_first_does_not_and_both_are_spoken_of():
    second = {**NODE, "metadata": {"name": "other", "labels": {"zone": "a"}}, "spec": {"unschedulable": True}}
    scene = placement.Scene(nodes=[NODE, second], pods=[])
    assert placement.place(pod(nodeSelector={"zone": "b"}), scene).node == "sandbox"
    told = placement.place(pod(nodeSelector={"zone": "c"}), scene).message
    assert told.startswith(f"0/2 nodes are available: 1 {SELECTOR}, 1 node(s) were unschedulable. ")


def test_claims_without_a_volume_speak_before_any_node():
    text = "pod has unbound immediate PersistentVolumeClaims"
    result = placement.place(pod(), placement.Scene(nodes=[NODE], pods=[]), volumes=text)
    assert result.message == f"0/1 nodes are available: {text}. {NOT_HELPFUL}"
