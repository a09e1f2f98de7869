"""What a waypoint takes: by kind of traffic, for other namespaces, and the decisions and spans of other programs."""

import json
from typing import Any

import pytest

from labkit.base import waiting
from labkit.kube import manifests, resources
from tests.acceptance.ambient.shop import STATUS, Shop, policy

pytestmark = pytest.mark.sandbox

HTTPBIN = "http://httpbin.shop:8000"
SERVER = "-s -o /dev/null -w '%header{server}'"
ENVOY = "istio-envoy"
"""What the waypoint calls itself to clients."""

EXT_AUTHZ = """
apiVersion: v1
kind: Service
metadata: {name: ext-authz, namespace: default}
spec: {selector: {app: ext-authz}, ports: [{name: http, port: 8000}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: ext-authz, namespace: default}
spec:
  selector: {matchLabels: {app: ext-authz}}
  template:
    metadata: {labels: {app: ext-authz}}
    spec: {containers: [{name: ext-authz, image: gcr.io/istio-testing/ext-authz, ports: [{containerPort: 8000}]}]}
"""


def _pod_url(shop: Shop) -> str:
    (pod,) = shop.lab.api.list(resources.PODS, "shop", labels="app=httpbin")
    return f"http://{pod['status']['podIP']}:8080"


def _until_answered_by(shop: Shop, expected: tuple[str, ...], *urls: str) -> None:
    waiting.until(
        # A connection that is open while the tables change may end without an answer.
        lambda: tuple(shop.curl(f"{SERVER} {url}/get || true") for url in urls) == expected,
        what=f"{expected} from {urls}",
        timeout=60,
        next_step="./lab istioctl ztunnel-config service",
    )


@pytest.mark.parametrize(
    ("traffic", "of_pod", "of_service"),
    [
        pytest.param("workload", ENVOY, "", id="pods' own addresses"),
        pytest.param("all", ENVOY, ENVOY, id="both"),
        pytest.param("none", "", "", id="nothing"),
        pytest.param("service", "", ENVOY, id="Services"),
    ],
)
def test_a_waypoint_takes_the_kind_of_traffic_that_its_label_names(
    shop: Shop, traffic: str, of_pod: str, of_service: str
) -> None:
    shop.kubectl("-n", "shop", "label", "--overwrite", "gateway", "waypoint", f"istio.io/waypoint-for={traffic}")
    _until_answered_by(shop, (of_pod, of_service), _pod_url(shop), HTTPBIN)
    waiting.until(
        lambda: ("does not support" in shop.condition("service", "httpbin")[2]) == (not of_service),
        what="a condition that says whether the waypoint takes Services",
        timeout=60,
        next_step="kubectl -n shop get service httpbin -o yaml",
    )


def _admitting(listeners: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"listeners": [{"name": "mesh", "port": 15008, "protocol": "HBONE", **listeners}]}}


def test_another_namespace_uses_a_waypoint_that_admits_it(shop: Shop) -> None:
    labels = {"istio.io/use-waypoint": "waypoint", "istio.io/use-waypoint-namespace": "shop"}
    everybody = {"allowedRoutes": {"namespaces": {"from": "All"}}}
    url = "http://caller.far:8080"
    try:
        shop.lab.api.patch(resources.NAMESPACES, "far", None, {"metadata": {"labels": labels}})
        assert "missing allowedRoutes" in waiting.until(
            lambda: shop.kubectl("-n", "far", "get", "service", "caller", "-o", "jsonpath={.status.conditions}"),
            what="a condition",
            timeout=60,
            next_step="kubectl -n far get service caller -o yaml",
        )
        assert shop.curl(f"{SERVER} {url}") != ENVOY
        shop.lab.api.patch(resources.KUBE_GATEWAYS, "waypoint", "shop", _admitting(everybody))
        _until_answered_by(shop, (ENVOY,), url)
    finally:
        gone = dict.fromkeys(labels)
        shop.lab.api.patch(resources.NAMESPACES, "far", None, {"metadata": {"labels": gone}})
        shop.lab.api.patch(resources.KUBE_GATEWAYS, "waypoint", "shop", _admitting({}))


def test_an_authorizer_of_ones_own_decides_at_the_waypoint(shop: Shop) -> None:
    shop.lab.apply(manifests.parse(EXT_AUTHZ, source="ext-authz.yaml"), quiet=True)
    shop.lab.wait("ext-authz", namespace="default")
    to = [{"operation": {"paths": ["/headers"]}}]
    provider = {"name": "sample-ext-authz-http"}
    shop.apply(policy({"action": "CUSTOM", "provider": provider, "rules": [{"to": to}]}))
    asked = [f"{HTTPBIN}/headers", f"-H 'x-ext-authz: allow' {HTTPBIN}/headers", f"{HTTPBIN}/get"]
    assert [shop.status(words) for words in asked] == ["403", "200", "200"]


def test_ztunnel_asks_no_authorizer_and_says_so(shop: Shop) -> None:
    obj = policy({"action": "CUSTOM", "provider": {"name": "sample-ext-authz-http"}, "rules": [{}]})
    obj["spec"] = {**{k: v for k, v in obj["spec"].items() if k != "targetRefs"}}
    obj["spec"]["selector"] = {"matchLabels": {"app": "httpbin"}}
    shop.apply(obj)
    assert shop.condition("authorizationpolicy", "decides") == (
        "ZtunnelAccepted",
        "False",
        "ztunnel does not support the CUSTOM action",
    )
    assert shop.curl(f"{STATUS} {HTTPBIN}/get") == "200"


def test_the_waypoint_sends_its_spans_to_the_provider_that_a_telemetry_names(shop: Shop) -> None:
    shop.lab.install_addon("jaeger")
    target = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "waypoint"}
    tracing = [{"providers": [{"name": "jaeger"}], "randomSamplingPercentage": 100}]
    shop.apply(
        {
            "apiVersion": "telemetry.istio.io/v1",
            "kind": "Telemetry",
            "metadata": {"name": "spans", "namespace": "shop"},
            "spec": {"targetRefs": [target], "tracing": tracing},
        }
    )
    assert "Traceparent" in shop.curl(f"-s {HTTPBIN}/headers")
    waiting.until(
        lambda: len(shop.lab.traces("waypoint.shop").traces) > 0,
        what="a trace of the waypoint",
        timeout=60,
        next_step="kubectl -n istio-system logs deploy/jaeger",
    )


@pytest.mark.parametrize(
    ("kind", "spec", "warning"),
    [
        pytest.param(
            "EnvoyFilter",
            {"configPatches": [{"applyTo": "CLUSTER", "patch": {"operation": "MERGE", "value": {}}}]},
            "Gateway waypoint is a waypoint, which takes no EnvoyFilter",
            id="EnvoyFilter",
        ),
        pytest.param("WasmPlugin", {"url": "oci://example.org/p:1"}, "gets no plugins", id="WasmPlugin"),
    ],
)
def test_what_a_waypoint_does_not_take_is_said_when_it_is_applied(
    shop: Shop, kind: str, spec: dict[str, Any], warning: str
) -> None:
    api = {"EnvoyFilter": "networking.istio.io/v1alpha3", "WasmPlugin": "extensions.istio.io/v1alpha1"}
    target = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "waypoint"}
    obj = {
        "apiVersion": api[kind],
        "kind": kind,
        "metadata": {"name": "nothing", "namespace": "shop"},
        "spec": {"targetRefs": [target], **spec},
    }
    assert warning in shop.kubectl.printed("apply", "--dry-run=server", "-f", "-", stdin=json.dumps(obj))
