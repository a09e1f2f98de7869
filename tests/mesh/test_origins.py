"""Every leaf of an Envoy's configuration knows the field that it comes from, in every golden case."""

from dataclasses import replace

import pytest

from labkit.conformance import answers, scene
from labkit.kube import manifests
from labkit.mesh import origins
from tests import recorded
from tests.mesh.test_golden import CASES, FOLDER


def traced(objects, name):
    given = [*map(scene.with_namespace, objects)]
    return origins.Tracer(scene.stored(given), scene.proxies(scene.snapshot(given))[name])


def stored(snapshot, obj):
    """The place of an object in a snapshot, and the snapshot's own copy of it."""
    kind = scene.plural_of(obj)
    return kind, next(o for o in snapshot.of(kind) if o["metadata"]["name"] == obj["metadata"]["name"])


def golden(case):
    return [*manifests.read(FOLDER / "scene.yaml"), *manifests.parse((case / "in.yaml").read_text())]


@pytest.mark.parametrize("proxy", ["client", "entry"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_leaf_that_an_empty_mesh_lacks_has_an_object_and_nearly_all_a_field(case, proxy):
    tracer = traced(golden(case), proxy)
    everything = tracer.everything()
    lacking = set(origins.differences(tracer.config, tracer.without_objects()))
    assert lacking - everything.keys() == set()
    by_default = [place for place in lacking if not everything[place][1]]
    assert len(by_default) < 0.3 * len(lacking)


SCENES = (
    ("istio", "match-uri-kinds", "productpage"),
    ("istio", "gateway-https-redirect", "ingressgateway"),
    ("istio", "several-policies-one-workload", "productpage"),
    ("istio-drawn", "drawn-traffic-7-010", "productpage"),
    ("istio-drawn", "drawn-security-7-057", "reviews-v1"),
)


@pytest.mark.parametrize(("archive", "case", "proxy"), SCENES, ids=[case for _, case, _ in SCENES])
def test_every_leaf_that_a_recorded_case_changes_comes_from_an_object_of_the_case(archive, case, proxy):
    told = answers.Answers(recorded.ANSWERS / f"{archive}.tar.xz")
    base, own = scene.base(told.extra()), told.input(case)
    tracer = traced([*base, *own], proxy)
    changed = set(origins.differences(tracer.config, traced(base, proxy).config))
    fields = {}
    for kind, obj in (stored(tracer._snapshot, obj) for obj in own):
        fields |= tracer.of(kind, obj)
    assert changed
    assert changed - fields.keys() == set()
    # Without a field is what an object brings as such: an AuthorizationPolicy without any rule brings a filter too.
    assert any(fields[place] for place in changed)


def test_of_two_rules_for_a_host_a_leaf_that_either_brings_has_one():
    first, second = (
        {**obj, "metadata": {"name": name}} for obj, name in zip(manifests.parse(RULE) * 2, "ab", strict=True)
    )
    tracer = traced([*manifests.read(FOLDER / "scene.yaml"), first, second], "client")
    everything = tracer.everything()
    assert set(origins.differences(tracer.config, tracer.without_objects())) - everything.keys() == set()


RULE = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [web]
  http:
  - match: [{uri: {prefix: /old}, headers: {team: {exact: red}}}]
    rewrite: {uri: /new}
    timeout: 3s
    retries: {attempts: 4, perTryTimeout: 1s}
    fault: {abort: {httpStatus: 418, percentage: {value: 10}}}
    route: [{destination: {host: web}}]
  - route: [{destination: {host: web}}]
"""
POLICY = """
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: only-get}
spec:
  action: DENY
  rules: [{to: [{operation: {methods: [POST], paths: [/admin*]}}]}]
"""
ROUTE = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web}
spec:
  parentRefs: [{group: "", kind: Service, name: web, port: 8080}]
  rules:
  - matches: [{path: {type: PathPrefix, value: /api}}]
    timeouts: {request: 4s}
    backendRefs: [{name: web, port: 8080}]
"""
LIMIT = """
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: limit}
spec:
  configPatches:
  - applyTo: HTTP_FILTER
    match:
      context: SIDECAR_INBOUND
      listener: {filterChain: {filter: {name: envoy.filters.network.http_connection_manager}}}
    patch:
      operation: INSERT_BEFORE
      value:
        name: envoy.filters.http.local_ratelimit
        typed_config:
          "@type": type.googleapis.com/udpa.type.v1.TypedStruct
          type_url: type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
          value: {stat_prefix: limiter, token_bucket: {max_tokens: 4, tokens_per_fill: 4, fill_interval: 60s}}
"""


def decided(yaml, proxy="client"):
    """The end of an Envoy path → the field that decides about it."""
    (obj,) = manifests.parse(yaml)
    tracer = traced([*manifests.read(FOLDER / "scene.yaml"), obj], proxy)
    fields = tracer.of(*stored(tracer._snapshot, obj))
    return [(origins.path_of(path), field) for (_, _, path), field in fields.items()]


@pytest.mark.parametrize(
    ("yaml", "proxy", "end", "field"),
    [
        (RULE, "client", "routes[0].route.timeout", "spec.http[0].timeout"),
        (RULE, "client", "retry_policy.num_retries", "spec.http[0].retries.attempts"),
        (RULE, "client", "retry_policy.per_try_timeout", "spec.http[0].retries.perTryTimeout"),
        (RULE, "client", "abort.http_status", "spec.http[0].fault.abort.httpStatus"),
        (RULE, "client", "abort.percentage.numerator", "spec.http[0].fault.abort.percentage.value"),
        (RULE, "client", "route.prefix_rewrite", "spec.http[0].rewrite.uri"),
        (RULE, "client", "string_match.exact", "spec.http[0].match[0].headers.team.exact"),
        (ROUTE, "client", "routes[0].route.timeout", "spec.rules[0].timeouts.request"),
        (ROUTE, "client", "match.path_separated_prefix", "spec.rules[0].matches[0].path.value"),
        (POLICY, "web-v1", "string_match.exact", "spec.rules[0].to[0].operation.methods[0]"),
        (
            LIMIT,
            "web-v1",
            "token_bucket.max_tokens",
            "spec.configPatches[0].patch.value.typed_config.value.token_bucket.max_tokens",
        ),
    ],
    ids=lambda value: value if "\n" not in value else value.split("kind: ")[1].split("\n")[0],
)
def test_a_field_is_found_by_what_it_decides(yaml, proxy, end, field):
    seen = decided(yaml, proxy)
    assert field in {f for path, f in seen if path.endswith(end)}, seen


def test_parts_whose_leaves_have_one_origin_are_one_entry():
    tracer = traced([*manifests.read(FOLDER / "scene.yaml"), *manifests.parse(RULE)], "client")
    (obj,) = manifests.parse(RULE)
    fields = tracer.of(*stored(tracer._snapshot, obj))
    entries = origins.grouped(tracer.config, fields)
    assert len(entries) < len(fields)
    assert len({(e.kind, e.name, e.path) for e in entries}) == len(entries)


@pytest.mark.parametrize(
    ("value", "tried"),
    [(True, (False,)), (3, (4, 2)), ("5s", ("7.5s",)), ("ROUND_ROBIN", ()), ("/api", ("/apix", "x/api")), (None, ())],
)
def test_what_is_tried_in_place_of_a_value_is_of_its_kind(value, tried):
    assert origins.others(value) == tried


def test_a_change_that_cannot_be_compiled_says_nothing():
    tracer = traced(manifests.read(FOLDER / "scene.yaml"), "client")
    assert tracer._unlike(replace(tracer._snapshot, objects={"services": [{"kind": "Service"}]})) == set()
