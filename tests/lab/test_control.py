"""What is asked of istiod before endpoints count as live, of an API and an istiod that we play."""

import json

import pytest

from labkit.kube import resources
from labkit.lab import control, doors

SERVICE = {"metadata": {"name": "reviews", "namespace": "default", "resourceVersion": "4"}, "spec": {"selector": {}}}
SLICE = {
    "kind": "EndpointSlice",
    "metadata": {"name": "reviews-x", "namespace": "default", "resourceVersion": "9"},
}
LIVE = {"included": True, "proxies": 2, "live": 2, "waiting": [], "refusing": [], "milliseconds": 1.0}


class Cluster:
    """One Service and its slice."""

    def find(self, resource, name, namespace):
        return SERVICE if resource == resources.SERVICES and name == "reviews" else None

    def list(self, resource, namespace, *, labels):
        return [SLICE] if labels == "kubernetes.io/service-name=reviews" else []


class Pages:
    """istiod's pages; ``unserved`` are answered as by one that does not have them."""

    def __init__(self, *, unserved=()):
        self.asked, self._unserved = [], unserved

    def istiod(self, path):
        self.asked.append(path.partition("&wait")[0])
        if path.startswith(self._unserved):
            raise doors.UnreachableError("istiod", "404 page not found")
        return json.dumps([] if path == "/debug/syncz" else LIVE)


def asked_for(name, **pages):
    ways = Pages(**pages)
    control.ControlPlane(Cluster(), ways).until_endpoints([{"kind": "Service", "metadata": {"name": name}}], "default")
    return ways.asked


def test_endpoints_are_live_once_every_proxy_has_the_stored_versions_of_service_and_slices():
    assert asked_for("reviews") == [
        "/debug/labkit/pushes",
        "/debug/labkit/live?object=EndpointSlice/default/reviews-x&resourceVersion=9",
        "/debug/labkit/live?object=Service/default/reviews&resourceVersion=4",
    ]


@pytest.mark.parametrize(
    ("name", "pages"),
    [
        pytest.param("reviews", {"unserved": ("/debug/labkit",)}, id="istiod tells of no versions"),
        pytest.param("gone", {}, id="the Service is gone"),
    ],
)
def test_else_the_proxies_acknowledge_all_that_istiod_sent(name, pages):
    assert asked_for(name, **pages)[-1] == "/debug/syncz"
