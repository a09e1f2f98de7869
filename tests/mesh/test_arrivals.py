"""What the other end of a request decides, for callers of every kind."""

import pytest

from labkit.conformance import scene
from labkit.kube import manifests
from labkit.mesh import compiler
from labkit.mesh.explain import access, arrivals, explanations
from labkit.mesh.policies.decisions import Request

VIEWER = """
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: viewer, namespace: default}
spec:
  selector: {matchLabels: {app: ratings}}
  rules:
  - to: [{operation: {methods: [HEAD]}}]
  - from: [{source: {principals: [cluster.local/ns/default/sa/bookinfo-reviews]}}]
    to: [{operation: {methods: [GET]}}]
"""
STRICT = """
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: strict, namespace: default}
spec: {mtls: {mode: STRICT}}
"""
LOCKED = """
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: locked, namespace: istio-system}
spec:
  selector: {matchLabels: {istio: ingressgateway}}
  action: DENY
  rules: [{to: [{operation: {paths: [/admin*]}}]}]
"""


def seen(caller, *objects, method="GET", has_proxy=True):
    """The steps of a request to ratings."""
    snapshot = scene.snapshot(scene.base([o for text in objects for o in manifests.parse(text)]))
    proxy = scene.proxies(snapshot)[caller]
    request = explanations.Request(host="ratings:9080", path="/ratings/0", method=method)
    explanation = explanations.explain(compiler.index(snapshot).for_proxy(proxy), request)
    workload = next(w for w in access.workloads(snapshot.of("pods")) if w.name == caller)
    if not has_proxy:
        workload = access.Workload(**{**vars(workload), "has_proxy": False})
    asked = Request(port=9080, method=method, host="ratings:9080", path="/ratings/0")
    return arrivals.of(snapshot, workload, explanation, asked)


def test_without_policies_it_is_let_in():
    first, second = seen("reviews-v2")
    assert (first.step, first.what) == ("authentication", "mutual TLS meets mode PERMISSIVE")
    assert (second.step, second.is_refused) == ("authorization", False)


def test_a_rule_that_lets_in_is_named_with_its_place():
    arrival = seen("reviews-v2", VIEWER)[-1]
    assert (arrival.object, arrival.field) == ("AuthorizationPolicy default/viewer", "spec.rules[1]")
    assert arrival.what.startswith("allowed")


@pytest.mark.parametrize(
    ("caller", "method", "lacks", "field"),
    [
        ("productpage", "GET", "asks for", "spec.rules["),
        ("reviews-v2", "POST", "POST", "spec.rules["),
    ],
)
def test_a_refusal_names_the_nearest_rule_and_what_it_lacks(caller, method, lacks, field):
    arrival = seen(caller, VIEWER, method=method)[-1]
    assert arrival.is_refused
    assert lacks in arrival.what
    assert arrival.object == "AuthorizationPolicy default/viewer"
    assert arrival.field.startswith(field)


def test_strict_refuses_plain_text_before_any_policy_is_asked():
    (arrival,) = seen("reviews-v2", STRICT, VIEWER, has_proxy=False)
    assert arrival.is_refused
    assert (arrival.object, arrival.field) == ("PeerAuthentication default/strict", "spec.mtls")
    assert arrival.what == "plain text meets mode STRICT: refused"


@pytest.mark.parametrize(("path", "is_refused"), [("/admin", True), ("/productpage", False)])
def test_a_gateway_asks_its_own_policies_first(path, is_refused):
    snapshot = scene.snapshot(scene.base(manifests.parse(LOCKED)))
    gateway = next(w for w in access.workloads(snapshot.of("pods")) if w.role == access.GATEWAY)
    (arrival,) = arrivals.at_gateway(snapshot, gateway, Request(port=8080, path=path))
    assert arrival.is_refused == is_refused
