"""What is in use stays until it is not, and a ready node is free of its first taint."""

import pytest

from labkit.kube import resources
from labkit.kube.resources import CLAIMS, VOLUMES
from tests.sandbox.controllers.conftest import wait

STORAGE = {"storage": "1Gi"}
CLAIM = {"metadata": {"name": "c"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": STORAGE}}}


@pytest.fixture
def volume(place):
    spec = {"capacity": STORAGE, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/data"}}
    return resources.name_of(place.client.create(VOLUMES, {"metadata": {"name": f"{place.name}-v"}, "spec": spec}))


def test_a_claim_that_a_pod_uses_goes_with_the_pod(place):
    place.create(CLAIMS, CLAIM)
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]
    spec = {"containers": [{"name": "c", "image": "a:1"}], "volumes": volumes, "schedulerName": "nobody"}
    place.create(resources.PODS, {"metadata": {"name": "p"}, "spec": spec})
    place.client.delete(CLAIMS, "c", place.name)
    assert "deletionTimestamp" in place.get(CLAIMS, "c")["metadata"]
    place.client.delete(resources.PODS, "p", place.name)
    place.until_gone(CLAIMS, "c")


def test_a_volume_that_no_claim_holds_goes_at_once(place, volume):
    place.client.delete(VOLUMES, volume)
    wait(lambda: place.client.find(VOLUMES, volume) is None, f"the end of {volume}")


def test_a_node_that_has_become_ready_loses_its_taint(place):
    name = f"{place.name}-n"
    stored = place.client.create(resources.NODES, {"metadata": {"name": name}})
    assert [taint["key"] for taint in stored["spec"]["taints"]] == ["node.kubernetes.io/not-ready"]
    ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    place.client.patch(resources.NODES, name, None, ready, subresource="status")
    wait(lambda: not place.client.get(resources.NODES, name)["spec"].get("taints"), "a node without taints")
    place.client.delete(resources.NODES, name)
