"""What a stock istioctl 1.31 asks through forwarded ports, asked as it does: over TLS by the webhook's own word."""

import base64
import contextlib
import http.client
import json
import ssl

import grpc
import pytest
import yaml

from labkit.kube import forwarding, resources
from labkit.sandbox.istiod import ads, debugxds, messages

pytestmark = pytest.mark.sandbox

SYSTEM = "istio-system"


@pytest.fixture(scope="module")
def istiod(sandbox):
    (pod,) = sandbox.client.list(resources.PODS, SYSTEM, labels="app=istiod,istio.io/rev=default")
    return pod


@contextlib.contextmanager
def forwarded(sandbox, pod, port):
    """A connection to a port of a pod, through the API server."""
    channel = sandbox.client.forward(resources.namespace_of(pod), resources.name_of(pod), port)
    try:
        yield channel.socket(port)
    finally:
        channel.close()


def exchanged(stream, method, path, body=None):
    """Status and text of one request on a connection."""
    link = http.client.HTTPConnection("istiod")
    link.sock = stream
    link.request(method, path, None if body is None else json.dumps(body))
    reply = link.getresponse()
    return reply.status, reply.read().decode()


def review(pod):
    """An AdmissionReview as Go writes it: without a UID, an operation or an old object."""
    request = {
        "uid": "",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "", "resource": "pods"},
        "namespace": "default",
        "operation": "",
        "userInfo": {},
        "object": pod,
        "oldObject": None,
        "options": None,
    }
    return {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}


def test_kube_inject_is_answered_by_the_webhook_of_the_revision(sandbox, istiod):
    (injector,) = sandbox.client.list(resources.MUTATING_WEBHOOKS, labels="istio.io/rev=default,!istio.io/tag")
    hook = next(w for w in injector["webhooks"] if w["name"].endswith("sidecar-injector.istio.io"))
    config = hook["clientConfig"]
    named = config["service"]
    service = sandbox.client.get(resources.SERVICES, named["name"], named["namespace"])
    target = next(p["targetPort"] for p in service["spec"]["ports"] if p["port"] == named["port"])
    context = ssl.create_default_context(cadata=base64.b64decode(config["caBundle"]).decode())
    template = {
        "metadata": {"creationTimestamp": None, "labels": {"app": "shop"}},
        "spec": {"containers": [{"name": "shop", "image": "shop:1", "resources": {}}]},
        "status": {},
    }
    name = f"{named['name']}.{named['namespace']}.svc"
    with forwarded(sandbox, istiod, target) as plain, context.wrap_socket(plain, server_hostname=name) as stream:
        status, text = exchanged(stream, "POST", named["path"], review(template))
    response = json.loads(text)["response"]
    patch = {entry["path"]: entry["value"] for entry in json.loads(base64.b64decode(response["patch"]))}
    assert (status, response["allowed"], response["patchType"]) == (200, True, "JSONPatch")
    assert [c["name"] for c in patch["/spec"]["initContainers"]] == ["istio-init", "istio-proxy"]


def test_where_the_webhook_is_not_asked_the_configmap_says_that_it_has_no_templates(sandbox):
    data = sandbox.client.get(resources.CONFIG_MAPS, "istio-sidecar-injector", SYSTEM)["data"]
    (template,) = yaml.safe_load(data["config"])["templates"].values()
    assert template == "{{ This_istiod_injects_by_its_webhook_alone_and_has_no_templates }}"


def test_version_is_three_parts_with_dashes(sandbox, istiod):
    text = forwarding.page(sandbox.client, SYSTEM, resources.name_of(istiod), 15014, "/version")
    assert text.split("-") == ["1.31.1", "labkit", "Sandbox"]


def test_proxy_status_is_a_stream_with_a_token_of_a_service_account(sandbox, istiod):
    path = f"/api/v1/namespaces/{SYSTEM}/serviceaccounts/istiod/token"
    asked = {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": {"audiences": ["istio-ca"]}}
    _, _, body = sandbox.client.raw("POST", path, body=asked)
    token = json.loads(body)["status"]["token"]
    root = sandbox.client.get(resources.CONFIG_MAPS, "istio-ca-root-cert", SYSTEM)["data"]["root-cert.pem"]
    credentials = grpc.ssl_channel_credentials(root.encode())
    request, response = messages.message_class(debugxds.REQUEST), messages.message_class(debugxds.RESPONSE)
    name = (("grpc.ssl_target_name_override", "istiod.istio-system.svc"),)
    with grpc.secure_channel(f"{istiod['status']['podIP']}:15012", credentials, options=name) as channel:
        call = channel.stream_stream(
            f"/{ads.SERVICE}/StreamAggregatedResources",
            request_serializer=request.SerializeToString,
            response_deserializer=response.FromString,
        )
        stream = call(iter([request(type_url=debugxds.SYNCZ)]), metadata=(("authorization", f"Bearer {token}"),))
        resources_of_proxies = next(stream).resources
        stream.cancel()
    assert len(resources_of_proxies) >= 7


def test_secrets_of_a_dump_hold_their_certificates_as_bytes(sandbox):
    pod, *_ = sandbox.client.list(resources.PODS, "default", labels="app=ratings")
    page = "/config_dump?resource=dynamic_active_secrets"
    text = forwarding.page(sandbox.client, "default", resources.name_of(pod), 15000, page)
    shown = [c["secret"] for c in json.loads(text)["configs"]]
    chains = [s["tls_certificate"]["certificate_chain"] for s in shown if "tls_certificate" in s]
    roots = [s["validation_context"]["trusted_ca"] for s in shown if "validation_context" in s]
    assert [set(value) for value in (*chains, *roots)] == [{"inline_bytes"}] * 3
