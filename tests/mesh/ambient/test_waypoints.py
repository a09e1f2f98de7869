"""Which waypoint a Service or pod uses: labels, readiness, the kind of traffic, and who may attach."""

from typing import Any

import pytest

from labkit.mesh.ambient import waypoints
from labkit.mesh.model import Snapshot

Object = dict[str, Any]
HBONE = {"name": "mesh", "port": 15008, "protocol": "HBONE"}
ADDRESSES = {"addresses": [{"type": "IPAddress", "value": "10.96.0.9"}]}


def thing(kind: str, name: str, namespace: str = "", labels: Object | None = None, **more: Any) -> Object:
    metadata = {"name": name, "namespace": namespace, "labels": labels or {}}
    return {"kind": kind, "metadata": metadata, "spec": {}, **more}


def gateway(
    name: str = "waypoint",
    namespace: str = "amb",
    labels: Object | None = None,
    status: Object = ADDRESSES,
    **listener: Any,
) -> Object:
    spec = {"gatewayClassName": "istio-waypoint", "listeners": [{**HBONE, **listener}]}
    return thing("Gateway", name, namespace, labels, status=status) | {"spec": spec}


def binding(obj: Object, *objects: Object, namespace_labels: Object | None = None) -> waypoints.Binding:
    by_kind = {
        "namespaces": [
            thing("Namespace", "amb", labels=namespace_labels),
            thing("Namespace", "far", labels={"team": "a"}),
        ],
        "gateways.gateway.networking.k8s.io": [o for o in objects if o["kind"] == "Gateway"],
        "gatewayclasses.gateway.networking.k8s.io": [o for o in objects if o["kind"] == "GatewayClass"],
    }
    every = waypoints.Waypoints(Snapshot(objects=by_kind, is_ambient=True))
    return every.of_workload(obj) if obj["kind"] == "Pod" else every.of_service(obj)


USE = {"istio.io/use-waypoint": "waypoint"}
FROM_FAR = {**USE, "istio.io/use-waypoint-namespace": "amb"}
TO_ALL = {"allowedRoutes": {"namespaces": {"from": "All"}}}
TO_TEAM = {"allowedRoutes": {"namespaces": {"from": "Selector", "selector": {"matchLabels": {"team": "a"}}}}}


@pytest.mark.parametrize(
    ("obj", "namespace_labels"),
    [
        pytest.param(thing("Service", "s", "amb", USE), {}, id="the object's own label"),
        pytest.param(thing("Service", "s", "amb"), USE, id="the namespace's label"),
        pytest.param(thing("ServiceEntry", "s", "amb"), USE, id="a ServiceEntry"),
        pytest.param(thing("Service", "s", "amb", USE), {"istio.io/use-waypoint": "other"}, id="the object wins"),
    ],
)
def test_a_service_uses_the_waypoint_its_labels_name(obj: Object, namespace_labels: Object) -> None:
    waypoint = binding(obj, gateway(), namespace_labels=namespace_labels).waypoint
    assert waypoint is not None and waypoint.key == "amb/waypoint"


@pytest.mark.parametrize(
    "obj",
    [
        pytest.param(thing("Service", "s", "amb", {"istio.io/use-waypoint": "none"}), id="none opts out"),
        pytest.param(
            thing("Service", "s", "amb", {waypoints.MANAGED: "istio.io-mesh-controller"}), id="a waypoint's own"
        ),
    ],
)
def test_a_service_that_opts_out_has_no_waypoint_and_no_complaint(obj: Object) -> None:
    assert binding(obj, gateway(), namespace_labels=USE) == waypoints.NONE


@pytest.mark.parametrize(
    ("obj", "waypoint", "reason"),
    [
        pytest.param(thing("Service", "s", "amb", USE), gateway(status={}), "WaypointIsNotReady", id="no address yet"),
        pytest.param(thing("Service", "s", "amb", USE), gateway("x"), "WaypointIsNotReady", id="not there"),
        pytest.param(thing("Service", "s", "far", FROM_FAR), gateway(), "AttachmentDenied", id="another namespace"),
        pytest.param(
            thing("Pod", "p", "amb", USE), gateway(), "UnsupportedTrafficType", id="a pod at one for Services"
        ),
        pytest.param(
            thing("Service", "s", "amb", USE),
            gateway(labels={"istio.io/waypoint-for": "workload"}),
            "UnsupportedTrafficType",
            id="a Service at one for pods",
        ),
    ],
)
def test_a_waypoint_that_cannot_serve_says_why(obj: Object, waypoint: Object, reason: str) -> None:
    answer = binding(obj, waypoint)
    assert (answer.waypoint, answer.reason) == (None, reason)


@pytest.mark.parametrize("allowed", [TO_ALL, TO_TEAM], ids=["all namespaces", "by the namespace's labels"])
def test_allowed_routes_open_a_waypoint_to_other_namespaces(allowed: Object) -> None:
    assert binding(thing("Service", "s", "far", FROM_FAR), gateway(**allowed)).waypoint is not None


def test_a_class_says_for_its_gateways_what_they_carry() -> None:
    kind = thing("GatewayClass", "istio-waypoint", labels={"istio.io/waypoint-for": "all"})
    kind["spec"] = {"controllerName": "istio.io/mesh-controller"}
    assert binding(thing("Pod", "p", "amb", USE), gateway(), kind).waypoint is not None
    other = {**kind, "spec": {"controllerName": "example.com/other"}}
    assert binding(thing("Service", "s", "amb", USE), gateway(), other).reason == "WaypointIsNotReady"
