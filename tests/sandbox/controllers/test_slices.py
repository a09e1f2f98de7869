"""Which pods stand behind a Service."""

import pytest

from labkit.kube import resources
from labkit.sandbox.controllers import slices


def pod(name="p", ip="10.1.0.9", *, ready=True, labels=None, phase="Running", leaving=False, ports=()):
    metadata = {"name": name, "namespace": "n", "uid": name, "labels": labels or {"app": "web"}}
    if leaving:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    container = {"name": "c", "ports": list(ports)}
    status = {"phase": phase, "podIP": ip, "conditions": conditions}
    return {"metadata": metadata, "spec": {"nodeName": "sandbox", "containers": [container]}, "status": status}


def service(**port):
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80, "protocol": "TCP", **port}]}
    return {"metadata": {"name": "web", "namespace": "n", "uid": "u"}, "spec": spec}


@pytest.mark.parametrize(
    ("found", "ready", "serving", "terminating"),
    [
        (pod(), True, True, False),
        (pod(ready=False), False, False, False),
        (pod(leaving=True), False, True, True),
    ],
    ids=["ready", "not ready", "leaving"],
)
def test_an_endpoint_says_how_its_pod_is(found, ready, serving, terminating):
    (endpoint,) = slices.slice_of(service(), [found])["endpoints"]
    assert endpoint["conditions"] == {"ready": ready, "serving": serving, "terminating": terminating}


@pytest.mark.parametrize(
    "found", [pod(labels={"app": "db"}), pod(phase="Succeeded"), pod(ip="")], ids=["other labels", "finished", "no IP"]
)
def test_a_pod_is_no_endpoint_with(found):
    assert slices.slice_of(service(), [found])["endpoints"] is None


def test_endpoints_are_in_the_order_of_their_addresses():
    found = slices.slice_of(service(), [pod("b", "10.1.0.10"), pod("a", "10.1.0.9")])["endpoints"]
    assert [e["addresses"] for e in found] == [["10.1.0.9"], ["10.1.0.10"]]


def test_a_named_target_port_is_looked_up_in_the_containers():
    web = pod(ports=[{"name": "http", "containerPort": 8080}])
    (port,) = slices.slice_of(service(name="x", targetPort="http"), [web])["ports"]
    assert (port["name"], port["port"]) == ("x", 8080)


def test_endpoints_tell_the_ready_from_the_others():
    (subset,) = slices.endpoints_of(service(), [pod("a"), pod("b", "10.1.0.10", ready=False)])["subsets"]
    assert [a["ip"] for a in subset["addresses"]] == ["10.1.0.9"]
    assert [a["ip"] for a in subset["notReadyAddresses"]] == ["10.1.0.10"]


def test_a_service_has_a_slice_as_long_as_it_is_there(place, deploy):
    place.create(resources.SERVICES, {"metadata": {"name": "web"}, "spec": service()["spec"]})
    deploy(2)
    mine = "kubernetes.io/service-name=web"

    def addresses(found):
        return sum(len(s.get("endpoints") or []) for s in found)

    place.until_listed(resources.ENDPOINT_SLICES, lambda found: addresses(found) == 2, labels=mine)
    place.client.delete(resources.SERVICES, "web", place.name)
    place.until_listed(resources.ENDPOINT_SLICES, lambda found: not found, labels=mine)
