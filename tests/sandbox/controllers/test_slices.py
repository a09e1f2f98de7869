"""Which pods stand behind a Service."""

import pytest

from labkit.kube import resources
from labkit.sandbox.controllers import mirroring, slices


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
    ("result", "ready", "serving", "terminating"),
    [
        (pod(), True, True, False),
        (pod(ready=False), False, False, False),
        (pod(leaving=True), False, True, True),
    ],
    ids=["ready", "not ready", "leaving"],
)
def test_an_endpoint_says_how_its_pod_is(result, ready, serving, terminating):
    (endpoint,) = slices.slice_of(service(), [result])["endpoints"]
    assert endpoint["conditions"] == {"ready": ready, "serving": serving, "terminating": terminating}


@pytest.mark.parametrize(
    "result", [pod(labels={"app": "db"}), pod(phase="Succeeded"), pod(ip="")], ids=["other labels", "finished", "no IP"]
)
def test_a_pod_is_no_endpoint_with(result):
    assert slices.slice_of(service(), [result])["endpoints"] is None


def test_endpoints_are_in_the_order_of_their_addresses():
    result = slices.slice_of(service(), [pod("b", "10.1.0.10"), pod("a", "10.1.0.9")])["endpoints"]
    assert [e["addresses"] for e in result] == [["10.1.0.9"], ["10.1.0.10"]]


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

    def addresses(result):
        return sum(len(s.get("endpoints") or []) for s in result)

    place.until_listed(resources.ENDPOINT_SLICES, lambda listed: addresses(listed) == 2, labels=mine)
    place.client.delete(resources.SERVICES, "web", place.name)
    place.until_listed(resources.ENDPOINT_SLICES, lambda listed: not listed, labels=mine)


def test_a_service_may_publish_pods_that_are_not_ready():
    result = service()
    result["spec"]["publishNotReadyAddresses"] = True
    (endpoint,) = slices.slice_of(result, [pod(ready=False, leaving=True)])["endpoints"]
    assert endpoint["conditions"] == {"ready": True, "serving": False, "terminating": True}
    (subset,) = slices.endpoints_of(result, [pod(ready=False)])["subsets"]
    assert "notReadyAddresses" not in subset


def test_a_pod_below_its_service_keeps_its_name():
    one = pod()
    one["spec"] |= {"hostname": "db-0", "subdomain": "web"}
    assert slices.slice_of(service(), [one])["endpoints"][0]["hostname"] == "db-0"
    one["spec"]["subdomain"] = "another"
    assert "hostname" not in slices.slice_of(service(), [one])["endpoints"][0]


def endpoints(*, labels=None, annotations=None, **subset):
    metadata = {"name": "db", "namespace": "n", "uid": "e", "labels": labels or {}, "annotations": annotations or {}}
    subset = {"addresses": [{"ip": "10.9.0.1"}], "ports": [{"port": 5432}], **subset}
    return {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata, "subsets": [subset]}


@pytest.mark.parametrize(
    ("labels", "annotations", "selector", "expected"),
    [
        ({}, {}, None, True),
        ({}, {}, {"app": "db"}, False),
        ({mirroring.SKIPPED: "true"}, {}, None, False),
        ({}, {mirroring.LEADER: "{}"}, None, False),
    ],
    ids=["a service without selector", "a selector", "a label", "a leader's lock"],
)
def test_endpoints_are_mirrored_where_no_selector_speaks(labels, annotations, selector, expected):
    one = endpoints(labels=labels, annotations=annotations)
    assert mirroring.is_mirrored(one, {"spec": {"selector": selector}}) is expected


def test_a_slice_mirrors_each_family_of_addresses():
    every = list(
        mirroring.mirrored(
            endpoints(
                addresses=[{"ip": "10.9.0.1", "hostname": "a"}, {"ip": "fd00::1"}],
                notReadyAddresses=[{"ip": "10.9.0.2"}],
                annotations={"note": "kept", **dict.fromkeys(mirroring.UNCOPIED, "x")},
            )
        )
    )
    assert [(piece["addressType"], [e["conditions"]["ready"] for e in piece["endpoints"]]) for piece in every] == [
        ("IPv4", [True, False]),
        ("IPv6", [True]),
    ]
    assert every[0]["ports"] == [{"name": "", "port": 5432, "protocol": "TCP"}]


def test_endpoints_written_by_hand_are_followed(place):
    place.create(resources.SERVICES, {"metadata": {"name": "db"}, "spec": {"ports": [{"port": 5432}]}})
    place.create(resources.ENDPOINTS, {**endpoints(), "metadata": {"name": "db"}})

    def addresses(result):
        return [e["addresses"][0] for piece in result for e in piece.get("endpoints") or []]

    place.until_listed(resources.ENDPOINT_SLICES, lambda listed: addresses(listed) == ["10.9.0.1"])
    subset = endpoints(addresses=[{"ip": "10.9.0.7"}])["subsets"]
    place.patch(resources.ENDPOINTS, "db", {"subsets": subset})
    place.until_listed(resources.ENDPOINT_SLICES, lambda listed: addresses(listed) == ["10.9.0.7"])
    place.client.delete(resources.ENDPOINTS, "db", place.name)
    place.until_listed(resources.ENDPOINT_SLICES, lambda listed: not listed)
