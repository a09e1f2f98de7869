"""A pod's status follows from its containers."""

import pytest

from labkit.sandbox.kubelet import podstatus
from labkit.sandbox.kubelet.podstatus import Observed

NOW = "2026-01-01T00:00:00Z"
RUNNING = {"running": {"startedAt": NOW}}


def ended(code):
    return {"terminated": {"exitCode": code, "reason": "Error" if code else "Completed"}}


UP = Observed(state=RUNNING, ready=True, started=True)
UNREADY = Observed(state=RUNNING, started=True)
STARTING = Observed(state=RUNNING)
DONE, BROKEN = Observed(state=ended(0)), Observed(state=ended(1))
HELD = Observed(state={"waiting": {"reason": "CrashLoopBackOff"}}, last=ended(1), restarts=1)
PULLING = Observed(state={"waiting": {"reason": "ErrImagePull"}})


def status(mains, *, init=(), policy="Always", ending=False, old=None):
    """The status of a pod whose containers are seen so; ``init`` is (name, is a sidecar, seen)."""
    inits = [
        {"name": name, "image": "i"} | ({"restartPolicy": "Always"} if sidecar else {}) for name, sidecar, _ in init
    ]
    pod = {
        "metadata": {"name": "p"},
        "spec": {
            "restartPolicy": policy,
            "initContainers": inits,
            "containers": [{"name": name, "image": "i"} for name in mains],
        },
        "status": old or {},
    }
    seen = {name: how for name, how in mains.items() if how} | {name: how for name, _, how in init if how}
    scene = podstatus.Scene(now=NOW, ip="127.66.0.2", has_network=True, is_ending=ending)
    return podstatus.status_of(pod, seen, scene)


def condition(result, type):
    return next(c for c in result["conditions"] if c["type"] == type)


@pytest.mark.parametrize(
    ("mains", "policy", "phase"),
    [
        ({"a": None}, "Always", "Pending"),
        ({"a": PULLING}, "Always", "Pending"),
        ({"a": UP, "b": PULLING}, "Always", "Pending"),
        ({"a": UP}, "Always", "Running"),
        ({"a": HELD}, "Always", "Running"),
        ({"a": DONE}, "Always", "Running"),
        ({"a": BROKEN}, "OnFailure", "Running"),
        ({"a": DONE}, "OnFailure", "Succeeded"),
        ({"a": DONE, "b": UP}, "Never", "Running"),
        ({"a": DONE, "b": DONE}, "Never", "Succeeded"),
        ({"a": DONE, "b": BROKEN}, "Never", "Failed"),
    ],
)
def test_phase(mains, policy, phase):
    assert status(mains, policy=policy)["phase"] == phase


def test_a_pod_that_is_being_deleted_ends_whatever_its_policy():
    assert status({"a": DONE}, ending=True)["phase"] == "Succeeded"
    assert status({"a": BROKEN}, ending=True)["phase"] == "Failed"


def test_a_phase_that_is_final_stays():
    assert status({"a": UP}, old={"phase": "Failed"})["phase"] == "Failed"


def test_a_sidecar_must_have_started_before_the_pod_is_initialized():
    waiting = status({"a": None}, init=[("proxy", True, STARTING)])
    assert condition(waiting, "Initialized")["message"] == "containers with incomplete status: [proxy]"
    assert waiting["phase"] == "Pending"
    assert waiting["containerStatuses"][0]["state"] == {"waiting": {"reason": "PodInitializing"}}
    assert condition(status({"a": UP}, init=[("proxy", True, UP)]), "Initialized")["status"] == "True"


def test_a_sidecar_that_is_not_ready_makes_the_pod_not_ready():
    result = status({"a": UP}, init=[("proxy", True, UNREADY)])
    assert condition(result, "Ready")["message"] == "containers with unready status: [proxy]"


def test_an_init_container_that_failed_for_good_fails_the_pod():
    assert status({"a": None}, init=[("setup", False, BROKEN)], policy="Never")["phase"] == "Failed"
    assert status({"a": None}, init=[("setup", False, HELD)])["phase"] == "Pending"


def test_a_completed_pod_says_why_it_is_not_ready():
    result = status({"a": DONE}, policy="Never")
    assert condition(result, "Ready")["reason"] == "PodCompleted"
    assert condition(result, "ContainersReady")["status"] == "False"


def test_a_condition_keeps_its_time_while_its_status_does():
    before = status({"a": UNREADY})
    before["conditions"] = [c | {"lastTransitionTime": "earlier"} for c in before["conditions"]]
    after = status({"a": UP}, old=before)
    assert condition(after, "Ready")["lastTransitionTime"] == NOW
    assert condition(after, "Initialized")["lastTransitionTime"] == "earlier"


def test_only_what_differs_is_written_and_dropped_reasons_are_nulled():
    unready, ready = status({"a": UNREADY}), status({"a": UP})
    assert podstatus.changes(ready, ready) == {}
    changed = podstatus.changes(unready, ready)
    assert changed.keys() == {"containerStatuses", "conditions"}
    by_type = {c["type"]: c for c in changed["conditions"]}
    assert by_type.keys() == {"Ready", "ContainersReady"}
    assert by_type["Ready"]["reason"] is None
