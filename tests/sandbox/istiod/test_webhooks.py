"""istiod's webhooks, asked as an API server asks them."""

import asyncio
import base64
import json
from typing import Any

from aiohttp import test_utils, web

from labkit.sandbox.istiod import webhooks

Object = dict[str, Any]
MESHED = {"metadata": {"name": "default", "labels": {"istio-injection": "enabled"}}}
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web"},
    "spec": {"containers": [{"name": "web", "image": "a"}]},
}


def answer(path: str, obj: Object) -> Object:
    """The response to one AdmissionReview."""

    async def ask() -> Object:
        app = web.Application()
        app.add_routes(webhooks.Webhooks(lambda _: MESHED).routes())
        request = {"uid": "u", "namespace": "default", "object": obj}
        review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
        async with (
            test_utils.TestClient(test_utils.TestServer(app)) as client,
            client.post(path, data=json.dumps(review)) as reply,
        ):
            found: Object = (await reply.json())["response"]
            return found

    return asyncio.run(ask())


def rule(**spec: Any) -> Object:
    metadata = {"name": "reviews", "namespace": "default"}
    return {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": metadata, "spec": spec}


def test_a_pod_of_a_meshed_namespace_gets_a_proxy() -> None:
    patch = json.loads(base64.b64decode(answer("/inject", POD)["patch"]))
    spec = next(p["value"] for p in patch if p["path"] == "/spec")
    assert "istio-proxy" in [c["name"] for c in spec["initContainers"]]


def test_a_pod_whose_annotations_make_no_sense_is_refused() -> None:
    said = {"annotations": {"sidecar.istio.io/proxyCPU": "lots"}}
    found = answer("/inject", {**POD, "metadata": {**POD["metadata"], **said}})
    assert found["allowed"] is False
    assert found["status"]["code"] == 400
    assert "invalid value 'lots'" in found["status"]["message"]


def test_istios_own_rules_answer_400() -> None:
    found = answer("/validate", rule(hosts=["reviews"]))
    assert found["status"] == {
        "code": 400,
        "message": "configuration is invalid: http, tcp or tls must be provided in virtual service",
    }


def test_what_is_allowed_but_unwise_is_warned_of() -> None:
    route = {"route": [{"destination": {"host": "reviews"}}]}
    found = answer("/validate", rule(hosts=["reviews"], http=[route, route]))
    assert found["allowed"] is True
    assert found["warnings"] == ["virtualService rule #1 not used (only the last rule can have no matches)"]


def test_what_is_accepted_and_not_carried_out_is_said() -> None:
    spec = {"gatewayClassName": "istio", "listeners": [{"name": "tcp", "port": 90, "protocol": "TCP"}]}
    gateway = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "g"}, "spec": spec}
    found = answer("/validate", gateway)
    assert found["allowed"] is True
    assert found["warnings"] == [
        "not in this sandbox: spec.listeners[0].protocol: there are no TCPRoutes here, so this listener gets no traffic"
    ]


def test_a_message_that_is_none_of_envoys_is_refused() -> None:
    value = {"name": "a", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.odd.v3.Odd"}}
    patch = {"applyTo": "HTTP_FILTER", "patch": {"operation": "INSERT_FIRST", "value": value}}
    obj = {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": "f"},
        "spec": {"configPatches": [patch]},
    }
    refused = answer("/validate", obj)
    assert not refused["allowed"]
    assert "could not resolve Any message type: type.googleapis.com/envoy.extensions.filters.http.odd.v3.Odd" in str(
        refused
    )


def test_a_message_of_envoy_that_cannot_be_sent_is_said() -> None:
    kind = "envoy.extensions.filters.http.golang.v3alpha.Config"
    value = {"name": "a", "typed_config": {"@type": f"type.googleapis.com/{kind}"}}
    patch = {"applyTo": "HTTP_FILTER", "patch": {"operation": "INSERT_FIRST", "value": value}}
    obj = {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": "f"},
        "spec": {"configPatches": [patch]},
    }
    assert f"{kind} is not known here" in answer("/validate", obj)["warnings"][-1]
