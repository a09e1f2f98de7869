"""Autoscalers keep their targets within bounds, and say what they miss."""

import pytest

from labkit.kube import resources
from labkit.sandbox.controllers import autoscaler_plan

AUTOSCALERS = resources.AUTOSCALERS
CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}
NO_CPU = (
    "failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch metrics from resource"
    " metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)"
)


def autoscaler(*metrics, least=2, most=4):
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    spec = {"scaleTargetRef": target, "minReplicas": least, "maxReplicas": most, "metrics": list(metrics)}
    return {"metadata": {"name": "web", "namespace": "shop"}, "spec": spec}


def conditions(result):
    return {c["type"]: (c["status"], c["reason"]) for c in result.get("conditions") or []}


@pytest.mark.parametrize(
    ("current", "size", "active"),
    [
        (1, 2, None),
        (5, 4, None),
        (3, None, ("False", "FailedGetResourceMetric")),
        (0, None, ("False", "ScalingDisabled")),
    ],
    ids=["below", "above", "within", "none"],
)
def test_a_target_is_kept_within_its_bounds(current, size, active):
    plan = autoscaler_plan.plan(autoscaler(CPU), current)
    assert (plan.size, conditions(plan.status).get("ScalingActive")) == (size, active)


CUSTOM = "unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered"
VALUE = {"type": "Value", "value": "3"}
MEMORY = {"type": "AverageValue", "averageValue": "50Mi"}


@pytest.mark.parametrize(
    ("metric", "reason", "text"),
    [
        (CPU, "FailedGetResourceMetric", NO_CPU),
        (
            {"type": "Resource", "resource": {"name": "memory", "target": MEMORY}},
            "FailedGetResourceMetric",
            NO_CPU.replace("cpu utilization", "memory usage").replace("cpu", "memory"),
        ),
        (
            {"type": "Pods", "pods": {"metric": {"name": "p"}, "target": VALUE}},
            "FailedGetPodsMetric",
            f"unable to get metric p: {CUSTOM}",
        ),
        (
            {
                "type": "Object",
                "object": {
                    "describedObject": {"kind": "Service", "name": "s"},
                    "metric": {"name": "o"},
                    "target": VALUE,
                },
            },
            "FailedGetObjectMetric",
            f"unable to get metric o: Service on shop s/{CUSTOM}",
        ),
    ],
    ids=["processor", "memory", "pods", "an object"],
)
def test_a_metric_that_nobody_serves_is_named(metric, reason, text):
    plan = autoscaler_plan.plan(autoscaler(metric), 3)
    assert plan.events[0] == ("Warning", reason, text)
    assert plan.events[-1][1] == "FailedComputeMetricsReplicas"
    assert conditions(plan.status)["ScalingActive"] == ("False", reason)


def test_nothing_is_told_twice():
    first = autoscaler_plan.plan(autoscaler(CPU), 3)
    again = {**autoscaler(CPU), "status": autoscaler_plan.timed(first.status, {}, "now")}
    assert autoscaler_plan.quiet(autoscaler_plan.plan(again, 3), again["status"]).events == ()


def test_a_deployment_is_raised_to_the_least(place, deploy):
    deploy(replicas=1)
    place.create(AUTOSCALERS, {**autoscaler(CPU), "metadata": {"name": "web"}})
    place.until(resources.DEPLOYMENTS, "web", lambda d: d["spec"]["replicas"] == 2)
    stored = place.until(AUTOSCALERS, "web", lambda a: "ScalingActive" in conditions(a.get("status", {})))
    assert stored["status"]["currentReplicas"] == 2
    assert stored["status"]["conditions"][1]["message"] == f"the HPA was unable to compute the replica count: {NO_CPU}"


def test_two_autoscalers_of_one_target_say_so(place, deploy):
    deploy(replicas=2)
    for name in ("a", "b"):
        place.create(AUTOSCALERS, {**autoscaler(CPU), "metadata": {"name": name}})
    for name in ("a", "b"):
        place.until(
            AUTOSCALERS,
            name,
            lambda a: conditions(a.get("status", {})).get("ScalingActive") == ("False", "AmbiguousSelector"),
        )
