"""istiod in a running sandbox: what it says of refusals, how far objects come, and what its death changes."""

import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from labkit.base import waiting
from labkit.install import gateway
from labkit.kube import client, resources
from tests.conftest import Sandbox

pytestmark = pytest.mark.sandbox

Object = dict[str, Any]
GATEWAY = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "Gateway",
    "metadata": {"name": "side", "namespace": "default"},
    "spec": {"gatewayClassName": "istio", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]},
}
ROUTE = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "HTTPRoute",
    "metadata": {"name": "side", "namespace": "default"},
    "spec": {"parentRefs": [{"name": "side"}], "rules": [{"backendRefs": [{"name": "details", "port": 9080}]}]},
}


def rule(name: str, **http: Any) -> Object:
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"hosts": [name], "http": [{"route": [{"destination": {"host": name}}], **http}]},
    }


def merged_into_every_cluster(name: str, **fields: Any) -> Object:
    entry = {"applyTo": "CLUSTER", "match": {"context": "GATEWAY"}, "patch": {"operation": "MERGE", "value": fields}}
    return {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": name, "namespace": "istio-system"},
        "spec": {"workloadSelector": {"labels": {"istio": "ingressgateway"}}, "configPatches": [entry]},
    }


def until(look: Callable[[], Any], what: str) -> Any:
    return waiting.until(look, what=what, timeout=60, next_step="look into istiod's log", every=0.02)


@pytest.fixture
def api(sandbox: Sandbox) -> Iterator[client.Client]:
    """The sandbox, with what a test applied taken away again."""
    yield sandbox.client
    for name in ("worse", "fine", "fine-too"):
        sandbox.client.delete(resources.ENVOY_FILTERS, name, "istio-system")
    for name in ("details", "ratings"):
        sandbox.client.delete(resources.VIRTUAL_SERVICES, name, "default")
    sandbox.client.delete(resources.HTTP_ROUTES, "side", "default")
    sandbox.client.delete(resources.KUBE_GATEWAYS, "side", "default")


def istiod(api: client.Client) -> Object:
    return next(p for p in api.list(resources.PODS, "istio-system") if p["metadata"]["labels"].get("app") == "istiod")


def page(url: str) -> int:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=60) as reply:
            return int(reply.status)
    except OSError:
        return 0


def test_a_refusal_is_an_event_on_the_object_that_caused_it(api: client.Client) -> None:
    api.apply(resources.VIRTUAL_SERVICES, rule("details"))
    api.apply(resources.VIRTUAL_SERVICES, rule("ratings", headers={"request": {"set": {"a": "%NOPE%"}}}))

    def rejected() -> list[Object]:
        events = [e for e in api.list(resources.EVENTS, "default") if e["reason"] == "Rejected"]
        return [e for e in events if e["involvedObject"]["name"] in ("details", "ratings")]

    events = until(rejected, "an Event on the rule that Envoy refuses")
    assert {e["involvedObject"]["name"] for e in events} == {"ratings"}
    assert "NOPE" in events[0]["message"]


def test_an_envoyfilter_that_is_refused_keeps_no_other_one_from_the_proxies(api: client.Client) -> None:
    for name, fields in (
        ("worse", {"ring_hash_lb_config": {"minimum_ring_size": 9_000_000}}),
        ("fine", {"connect_timeout": "7s"}),
        ("fine-too", {"per_connection_buffer_limit_bytes": 4096}),
    ):
        api.apply(resources.ENVOY_FILTERS, merged_into_every_cluster(name, **fields))

    def condition(name: str) -> str:
        obj = api.get(resources.ENVOY_FILTERS, name, "istio-system")
        return next((c["reason"] for c in (obj.get("status") or {}).get("conditions") or []), "")

    reasons = {"worse": "Rejected", "fine": "Distributed", "fine-too": "Distributed"}
    until(lambda: {name: condition(name) for name in reasons} == reasons, "what becomes of three EnvoyFilters")
    events = [e for e in api.list(resources.EVENTS, "istio-system") if e["involvedObject"]["kind"] == "EnvoyFilter"]
    assert {e["involvedObject"]["name"] for e in events if e["reason"] == "Rejected"} == {"worse"}


def test_a_gateway_of_the_gateway_api_answers_at_its_node_port(api: client.Client) -> None:
    from labkit.install import kinds

    kinds.apply_all(api, [GATEWAY, ROUTE])
    service = until(lambda: api.find(resources.SERVICES, "side-istio", "default"), "the Service of the Gateway")
    port = next(p["nodePort"] for p in service["spec"]["ports"] if p["name"] == "http")
    until(lambda: page(f"http://127.0.0.1:{port}/details/0") == 200, "details through the Gateway")
    status = api.get(resources.HTTP_ROUTES, "side", "default")["status"]
    assert [c["reason"] for c in status["parents"][0]["conditions"]] == ["Accepted", "ResolvedRefs"]


def test_traffic_goes_on_without_istiod_and_a_new_one_keeps_the_root(api: client.Client) -> None:
    def root() -> str:
        return str(api.get(resources.CONFIG_MAPS, "istio-ca-root-cert", "default")["data"]["root-cert.pem"])

    url, before, first = f"{gateway.url(api)}/productpage", root(), istiod(api)
    api.delete(resources.PODS, resources.name_of(first), "istio-system")
    assert page(url) == 200

    def is_back() -> bool:
        discovery = istiod(api)
        ready = any(c["type"] == "Ready" and c["status"] == "True" for c in discovery["status"].get("conditions", []))
        return ready and resources.uid_of(discovery) != resources.uid_of(first)

    until(is_back, "a new istiod")
    assert page(url) == 200
    assert root() == before
