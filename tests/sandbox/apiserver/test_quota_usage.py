"""What objects use of a ResourceQuota."""

import pytest

from labkit.sandbox.apiserver import amounts, quota_usage


def quota(*hard, **spec):
    return {"metadata": {"name": "q"}, "spec": {"hard": dict.fromkeys(hard, "9"), **spec}}


def pod(phase="Pending", qos="Burstable", resources=None, **spec):
    container = {"name": "c", "resources": resources or {}}
    return {"metadata": {}, "spec": {"containers": [container], **spec}, "status": {"phase": phase, "qosClass": qos}}


def service(kind, ports=2, **spec):
    return {"metadata": {}, "spec": {"type": kind, "ports": [{"port": n} for n in range(ports)], **spec}}


CLAIM = {"metadata": {}, "spec": {"storageClassName": "fast", "resources": {"requests": {"storage": "2Gi"}}}}
OF_FAST = "fast.storageclass.storage.k8s.io/"
ASKING = {"requests": {"cpu": "100m", "example.com/gpu": "1"}, "limits": {"memory": "1Gi"}}


@pytest.mark.parametrize(
    ("key", "obj", "hard", "expected"),
    [
        ("/pods", pod(), ("pods", "count/pods"), {"pods": "1", "count/pods": "1"}),
        ("/pods", pod("Succeeded"), ("pods", "count/pods"), {"pods": "0", "count/pods": "1"}),
        (
            "/pods",
            pod(resources=ASKING),
            ("cpu", "requests.cpu", "limits.memory", "requests.example.com/gpu"),
            {"cpu": "100m", "requests.cpu": "100m", "limits.memory": "1Gi", "requests.example.com/gpu": "1"},
        ),
        (
            "/services",
            service("NodePort"),
            ("services.nodeports", "services"),
            {"services.nodeports": "2", "services": "1"},
        ),
        (
            "/services",
            service("LoadBalancer", allocateLoadBalancerNodePorts=False),
            ("services.nodeports", "services.loadbalancers"),
            {"services.nodeports": "0", "services.loadbalancers": "1"},
        ),
        (
            "/persistentvolumeclaims",
            CLAIM,
            ("requests.storage", f"{OF_FAST}requests.storage", f"{OF_FAST}persistentvolumeclaims"),
            {"requests.storage": "2Gi", f"{OF_FAST}requests.storage": "2Gi", f"{OF_FAST}persistentvolumeclaims": "1"},
        ),
        (
            "apps/deployments",
            {"metadata": {}},
            ("count/deployments.apps", "pods"),
            {"count/deployments.apps": "1", "pods": "0"},
        ),
        ("/secrets", {"metadata": {}}, ("secrets", "count/secrets"), {"secrets": "1", "count/secrets": "1"}),
    ],
    ids=[
        "a pod",
        "a pod that ended",
        "what it asks for",
        "node ports",
        "a load balancer",
        "a claim",
        "any kind",
        "an old name",
    ],
)
def test_an_object_uses_what_a_quota_counts(key, obj, hard, expected):
    assert {n: str(v) for n, v in quota_usage.used(quota(*hard), [(key, obj)]).items()} == expected


SCOPED = [
    ("Terminating", pod(activeDeadlineSeconds=9), True),
    ("Terminating", pod(), False),
    ("NotTerminating", pod(), True),
    ("BestEffort", pod(qos="BestEffort"), True),
    ("NotBestEffort", pod(qos="BestEffort"), False),
    ("PriorityClass", pod(priorityClassName="high"), True),
    ("PriorityClass", pod(), False),
]


@pytest.mark.parametrize(("scope", "obj", "counts"), SCOPED, ids=[f"{s} {c}" for s, _, c in SCOPED])
def test_a_scope_narrows_a_quota(scope, obj, counts):
    assert quota_usage.is_about(quota("pods", scopes=[scope]), "/pods", obj) is counts


def test_a_scope_selector_names_priority_classes():
    expression = {"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}
    result = quota("pods", scopeSelector={"matchExpressions": [expression]})
    assert quota_usage.is_about(result, "/pods", pod(priorityClassName="high"))
    assert not quota_usage.is_about(result, "/pods", pod(priorityClassName="low"))


def test_every_container_must_ask_for_what_is_counted():
    assert quota_usage.lacking(quota("requests.cpu", "limits.memory"), pod()) == (
        "must specify limits.memory for: c; requests.cpu for: c"
    )
    assert quota_usage.lacking(quota("requests.cpu"), pod(resources={"requests": {"cpu": "1"}})) == ""


def test_sums_are_written_as_their_first_part_is():
    parts = [amounts.read({"memory": "64Mi"}), amounts.read({"memory": "128M"})]
    assert amounts.written(amounts.total(parts)) == {"memory": "190536Ki"}
