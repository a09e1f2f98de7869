"""Rollouts: when waiting may help, and why pods are not ready."""

import pytest

from labkit.exercises import course
from labkit.exercises.diagnosis import rollouts
from tests.exercises.conftest import Written


def deployment(*, generation=1, observed=1, replicas=1, available=1, updated=1, total=1):
    return {
        "kind": "Deployment",
        "apiVersion": "apps/v1",
        "metadata": {"name": "client", "namespace": "default", "generation": generation},
        "spec": {"replicas": replicas, "template": {"metadata": {"labels": {"app": "client"}}}},
        "status": {
            "observedGeneration": observed,
            "availableReplicas": available,
            "updatedReplicas": updated,
            "replicas": total,
        },
    }


def pod(*, ready=False, restarts=0, conditions=(), **state):
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "name": "client-5f4d-x7k2p",
            "namespace": "default",
            "ownerReferences": [{"kind": "ReplicaSet", "name": "client-5f4d", "controller": True}],
        },
        "spec": {"containers": [{"name": "curl"}]},
        "status": {
            "conditions": [{"type": "Ready", "status": str(ready)}, *conditions],
            "containerStatuses": [
                {"name": "curl", "ready": ready, "restartCount": restarts, "image": "curl:1", "state": state}
            ],
        },
    }


CREATING = pod(waiting={"reason": "ContainerCreating"})
NO_IMAGE = pod(waiting={"reason": "ImagePullBackOff"})
ENDED = pod(terminated={"exitCode": 2})
CRASHING = pod(restarts=3, waiting={"reason": "CrashLoopBackOff"})
STARTED = pod(running={"startedAt": "2026-11-30T10:00:00Z"})
PROBED = STARTED | {"spec": {"containers": [{"name": "curl", "readinessProbe": {"exec": {"command": ["true"]}}}]}}
NO_NODE = pod(conditions=({"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"},))


@pytest.mark.parametrize(
    ("rollout", "pods", "is_under_way"),
    [
        pytest.param(deployment(), [], False, id="done"),
        pytest.param(deployment(observed=0), [], True, id="not looked at"),
        pytest.param(deployment(available=0), [CREATING], True, id="a container is created"),
        pytest.param(deployment(available=0), [PROBED], True, id="a probe has not succeeded"),
        pytest.param(deployment(updated=0), [CREATING], True, id="pods of before"),
        pytest.param(deployment(total=2), [], True, id="a pod too many"),
        pytest.param(deployment(available=0), [NO_IMAGE], False, id="no image"),
        pytest.param(deployment(available=0), [ENDED], True, id="it has ended once"),
        pytest.param(deployment(available=0), [CRASHING], False, id="it ends again and again"),
    ],
)
def test_waiting_helps_while_it_is_under_way(rollout, pods, is_under_way):
    assert rollouts.is_under_way(rollout, pods) == is_under_way


@pytest.mark.parametrize(
    ("pods", "cause"),
    [
        pytest.param(
            [NO_IMAGE], "the image curl:1 of pod client-5f4d-x7k2p cannot be had (ImagePullBackOff)", id="image"
        ),
        pytest.param([ENDED], "ends with exit code 2 and is started again: its command must keep running", id="ended"),
        pytest.param([PROBED], "runs, and its readiness probe fails", id="probe"),
        pytest.param([STARTED], "no container says why", id="started a moment ago"),
        pytest.param([NO_NODE], "has no node: 0/1 nodes are available", id="node"),
        pytest.param([], "has no pod so far", id="no pod"),
    ],
)
def test_why_a_pod_is_not_ready(pods, cause):
    verdict = course.find("03-1").judge(Written(deployment(available=0), *pods))
    assert not verdict.passed
    assert cause in verdict.cause


def test_a_verdict_tells_how_long_it_waited():
    verdict = course.find("03-1").judge(Written(deployment(available=0), CREATING, waited=12.3))
    assert verdict.observed == "Deployment client has no pod that is ready (waited 12 s for its rollout)"
