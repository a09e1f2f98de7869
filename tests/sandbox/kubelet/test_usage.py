"""The summary page of the node's kubelet."""

import json

import pytest

pytestmark = pytest.mark.sandbox

PATH = "/api/v1/nodes/sandbox/proxy/stats/summary"


def held(sandbox):
    code, _, body = sandbox.client.raw("GET", PATH)
    assert code == 200
    return {
        (pod["podRef"]["name"].rsplit("-", 2)[0], container["name"]): container["memory"]["workingSetBytes"]
        for pod in json.loads(body)["pods"]
        if pod["podRef"]["name"].startswith(("details", "ratings", "reviews", "productpage", "istio"))
        for container in pod["containers"]
    }


def test_every_running_container_says_what_it_holds(sandbox):
    sizes = held(sandbox)
    assert {("details-v1", "details"), ("details-v1", "istio-proxy"), ("istiod", "discovery")} <= sizes.keys()
    assert {name: size for name, size in sizes.items() if not 1_000_000 < size < 400_000_000} == {}


def test_another_page_is_refused_by_name(sandbox):
    code, _, body = sandbox.client.raw("GET", "/api/v1/nodes/sandbox/proxy/pods")
    assert (code, "/stats/summary alone" in body.decode()) == (400, True)


def test_an_unknown_node_is_not_found(sandbox):
    assert sandbox.client.raw("GET", PATH.replace("/sandbox/", "/nobody/"))[0] == 404
