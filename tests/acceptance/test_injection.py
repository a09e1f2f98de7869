"""What a user says to the injector, on a running sandbox."""

import pytest

from labkit.base import waiting

pytestmark = pytest.mark.sandbox

NAMESPACE = """
apiVersion: v1
kind: Namespace
metadata: {name: probed, labels: {istio-injection: enabled}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: probed}
spec: {mtls: {mode: STRICT}}
"""
POD = """
apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: probed, annotations: {sidecar.istio.io/rewriteAppHTTPProbers: "%s"}}
spec:
  containers:
  - name: web
    image: mccutchen/go-httpbin
    ports: [{containerPort: 8080}]
    readinessProbe: {httpGet: {path: /status/200, port: 8080}, periodSeconds: 1}
"""


@pytest.fixture(scope="module")
def probed(kubectl):
    """A namespace with sidecars and strict mutual TLS."""
    kubectl("apply", "-f", "-", stdin=NAMESPACE)
    yield kubectl
    kubectl("delete", "namespace", "probed", "--wait=false")


def test_under_strict_mutual_tls_the_kubelet_reaches_only_rewritten_probes(probed):
    probed("apply", "-f", "-", stdin=f"{POD % ('kept', 'false')}---{POD % ('rewritten', 'true')}")
    probed("-n", "probed", "wait", "pod/rewritten", "--for=condition=Ready", "--timeout=60s")
    waiting.until(
        lambda: "Readiness probe failed" in probed("-n", "probed", "events", "--for=pod/kept"),
        what="an event about the probe",
        timeout=30,
        next_step="kubectl -n probed describe pod kept",
    )
    ready = "jsonpath={.status.containerStatuses[?(@.name=='web')].ready}"
    assert probed("-n", "probed", "get", "pod", "kept", "-o", ready) == "false"


@pytest.mark.parametrize("text", ["name: certs", '{"a":1}', "[1]", "notjson"])
def test_user_volumes_that_are_none_are_refused_in_words(probed, text):
    annotation = f"sidecar.istio.io/userVolume={text}"
    refusal = probed("-n", "probed", "run", "z", "--image=busybox", f"--annotations={annotation}", fails=True)
    assert 'admission webhook "namespace.sidecar-injector.istio.io" denied the request' in refusal
    assert f"invalid value '{text}' for annotation 'sidecar.istio.io/userVolume'" in refusal
