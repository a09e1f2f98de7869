"""Policies and tokens on a running sandbox: in force at once, asked of an authorizer, and tried by a neighbour."""

import base64
import contextlib
import http.client
import json
from urllib.parse import urlsplit

import pytest
import yaml

from labkit.exercises import lesson13
from labkit.install import istio
from labkit.kube import resources

pytestmark = pytest.mark.sandbox

AUTHORIZER = """
apiVersion: v1
kind: Service
metadata: {name: ext-authz}
spec:
  selector: {app: ext-authz}
  ports: [{name: http, port: 8000}, {name: grpc, port: 9000}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: ext-authz}
spec:
  selector: {matchLabels: {app: ext-authz}}
  template:
    metadata: {labels: {app: ext-authz, sidecar.istio.io/inject: "false"}}
    spec:
      containers:
      - name: ext-authz
        image: gcr.io/istio-testing/ext-authz:latest
        ports: [{containerPort: 8000}, {containerPort: 9000}]
"""
HOST = {"service": "ext-authz.default.svc.cluster.local"}
PROVIDERS = [
    {"name": "http", "envoyExtAuthzHttp": {**HOST, "port": 8000, "includeRequestHeadersInCheck": ["x-ext-authz"]}},
    {"name": "grpc", "envoyExtAuthzGrpc": {**HOST, "port": 9000}},
]
NOTHING = """
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: allow-nothing}
spec: {}
"""
HTTPBIN = {"app": "httpbin"}
ADMIN = [{"to": [{"operation": {"paths": ["/anything/admin"]}}]}]


@pytest.fixture(scope="module")
def shop(lab):
    """The lab at lesson 13, and the lesson after it."""
    lab.goto("13")
    yield lab
    lab.goto("05")


@contextlib.contextmanager
def applied(lab, text):
    lab.apply(text, quiet=True)
    try:
        yield
    finally:
        lab.delete(text, quiet=True)


class Warm:
    """A connection to the gateway that stays open."""

    def __init__(self, lab):
        self._link = http.client.HTTPConnection(urlsplit(lab.url()).netloc, timeout=60)

    def close(self):
        self._link.close()

    def status(self, path="/productpage", **headers):
        self._link.request("GET", path, headers=headers)
        with self._link.getresponse() as answer:
            answer.read()
            return answer.status


def test_a_policy_is_in_force_on_warm_connections_when_apply_returns(shop):
    with contextlib.ExitStack() as stack:
        warm = [stack.enter_context(contextlib.closing(Warm(shop))) for _ in range(4)]
        assert [link.status() for link in warm] == [200] * 4
        for _ in range(2):
            with applied(shop, NOTHING):
                assert [link.status() for link in warm] == [403] * 4
            assert [link.status() for link in warm] == [200] * 4


def test_tokens_are_checked_on_warm_connections_when_apply_returns(shop):
    with contextlib.closing(Warm(shop)) as warm:
        assert warm.status(Authorization="Bearer deadbeef") == 200
        with applied(shop, lesson13.believing()):
            assert warm.status(Authorization="Bearer deadbeef") == 401
            assert warm.status(**shop.token("jason").bearer) == 200
        assert warm.status(Authorization="Bearer deadbeef") == 200


ATTEMPTS = {
    "no token": (None, 403),
    "a good one": ({"aud": "shop"}, 200),
    "alg none": ({"aud": "shop", "algorithm": "none"}, 401),
    "another key": ({"aud": "shop", "is_forged": True}, 401),
    "another issuer": ({"aud": "shop", "issuer": "mallory@example.com"}, 401),
    "another audience": ({"aud": "bank"}, 403),
    "no audience": ({}, 403),
    "expired": ({"aud": "shop", "lifetime": -600}, 401),
    "not yet": ({"aud": "shop", "nbf": 4_000_000_000}, 401),
}
"""A neighbour's tokens → what the gateway answers. Of a foreign audience Envoy says 403 by itself."""


def test_a_neighbours_tokens_are_refused_by_the_gateway(shop):
    needed = lesson13.policy("token-needed", lesson13.NOBODY, action="DENY")
    with applied(shop, lesson13.believing(audiences=["shop"])), applied(shop, needed):
        seen = {
            name: shop.send("/productpage", headers=shop.token("jason", **claims).bearer if claims is not None else {})
            for name, (claims, _) in ATTEMPTS.items()
        }
    assert {name: sent.status for name, sent in seen.items()} == {
        name: status for name, (_, status) in ATTEMPTS.items()
    }
    assert seen["another audience"].error == "Audiences in Jwt are not allowed"


SPELLINGS = {
    "/anything/admin": 403,
    "/anything/x/../admin": 403,
    "/anything/%61dmin": 403,
    "//anything/admin": 200,
    "/anything%2fadmin": 200,
    "/anything/admin;x": 200,
}
"""Spellings of a forbidden path → what the sidecar decides with the mesh's own normalisation."""


def test_a_path_is_read_before_anybody_decides_by_it(shop):
    with applied(shop, lesson13.policy("no-admin", ADMIN, namespace="default", labels=HTTPBIN, action="DENY")):
        refused = {path: shop.curl(f"http://httpbin:8000{path}", "--path-as-is").status == 403 for path in SPELLINGS}
    assert refused == {path: status == 403 for path, status in SPELLINGS.items()}


@contextlib.contextmanager
def mesh_config(lab, **more):
    """The mesh with these settings; as before afterwards."""
    before = lab.api.find(resources.CONFIG_MAPS, "istio", istio.NAMESPACE)["data"]
    mesh = {**yaml.safe_load(before["mesh"]), **more}
    metadata = {"name": "istio", "namespace": istio.NAMESPACE}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    lab.apply({**config, "data": {**before, "mesh": yaml.safe_dump(mesh)}}, quiet=True)
    try:
        yield
    finally:
        lab.apply({**config, "data": before}, quiet=True)


def test_slashes_are_merged_and_decoded_where_the_mesh_says_so(shop):
    with (
        mesh_config(shop, pathNormalization={"normalization": "DECODE_AND_MERGE_SLASHES"}),
        applied(shop, lesson13.policy("no-admin", ADMIN, namespace="default", labels=HTTPBIN, action="DENY")),
    ):
        odd = ("//anything/admin", "/anything%2fadmin")
        assert [shop.curl(f"http://httpbin:8000{path}", "--path-as-is").status for path in odd] == [403, 403]


def asking(provider):
    return yaml.safe_dump(
        {
            "apiVersion": "security.istio.io/v1",
            "kind": "AuthorizationPolicy",
            "metadata": {"name": "ask"},
            "spec": {
                "selector": {"matchLabels": HTTPBIN},
                "action": "CUSTOM",
                "provider": {"name": provider},
                "rules": [{"to": [{"operation": {"paths": ["/headers"]}}]}],
            },
        }
    )


def test_an_authorizer_is_asked_by_http_and_by_grpc(shop):
    with applied(shop, AUTHORIZER), mesh_config(shop, extensionProviders=PROVIDERS):
        shop.kubectl("rollout status deployment/ext-authz --timeout=60s")
        for provider in ("http", "grpc"):
            with applied(shop, asking(provider)):
                urls = ("http://httpbin:8000/headers", "http://httpbin:8000/ip")
                words = (("-H", "x-ext-authz: allow"), ())
                seen = [[shop.curl(url, *options).status for options in words] for url in urls]
                assert seen == [[200, 403], [200, 200]], provider


def test_keys_are_fetched_from_a_service_and_none_pass_where_they_cannot_be(shop):
    keys = base64.urlsafe_b64encode(shop.jwks().encode()).decode()
    good, forged = (["-H", f"Authorization: Bearer {shop.token('j', is_forged=f)}"] for f in (False, True))
    for uri, asked in {
        f"http://httpbin.default:8000/base64/{keys}": [200, 401],
        "http://nobody.default:8000/jwks": [401, 401],
    }.items():
        rule = {"issuer": "lessons@labkit.example", "jwksUri": uri}
        believing = {
            "apiVersion": "security.istio.io/v1",
            "kind": "RequestAuthentication",
            "metadata": {"name": "fetched"},
            "spec": {"selector": {"matchLabels": HTTPBIN}, "jwtRules": [rule]},
        }
        with applied(shop, yaml.safe_dump(believing)):
            assert [shop.curl("http://httpbin:8000/ip", *options).status for options in (good, forged)] == asked


PLACES = {
    "a header of its own": (["-H", "x-token: Token {}"], 200),
    "a parameter": (["-G", "--data-urlencode", "t={}"], 200),
    "a cookie": (["-H", "Cookie: other=1; session={}"], 200),
    "where it usually is": (["-H", "Authorization: Bearer {}"], 403),
    "the header without its prefix": (["-H", "x-token: {}"], 403),
}
"""Where a caller puts a token → what a rule answers that names places of its own."""


def test_a_token_counts_where_the_rule_looks_for_it(shop):
    places = {
        "fromHeaders": [{"name": "x-token", "prefix": "Token "}],
        "fromParams": ["t"],
        "fromCookies": ["session"],
    }
    believing = lesson13.believing("places", namespace="default", labels=HTTPBIN, **places)
    needed = lesson13.policy("needed", lesson13.NOBODY, namespace="default", labels=HTTPBIN, action="DENY")
    token = str(shop.token("jason"))
    with applied(shop, believing), applied(shop, needed):
        seen = {
            name: shop.curl("http://httpbin:8000/get", *(word.replace("{}", token) for word in words)).status
            for name, (words, _) in PLACES.items()
        }
    assert seen == {name: status for name, (_, status) in PLACES.items()}


@pytest.mark.parametrize("is_forwarded", [True, False], ids=["the token goes on", "the token is taken away"])
def test_the_application_gets_of_a_token_what_the_rule_says(shop, is_forwarded):
    more = {"outputPayloadToHeader": "x-payload", "forwardOriginalToken": is_forwarded}
    token = shop.token("jason")
    with applied(shop, lesson13.believing("passing", namespace="default", labels=HTTPBIN, **more)):
        body = shop.curl("http://httpbin:8000/headers", "-H", f"Authorization: Bearer {token}").body
    headers = {name.lower(): values for name, values in json.loads(body)["headers"].items()}
    (payload,) = headers["x-payload"]
    assert json.loads(base64.urlsafe_b64decode(payload + "==="))["sub"] == "jason"
    assert ("authorization" in headers) == is_forwarded


def test_tokens_of_several_issuers_count_each_with_its_own_keys(shop):
    other = "partners@example.com"
    rules = [{"issuer": issuer, "jwks": shop.jwks()} for issuer in ("lessons@labkit.example", other)]
    believing = {
        "apiVersion": "security.istio.io/v1",
        "kind": "RequestAuthentication",
        "metadata": {"name": "several"},
        "spec": {"selector": {"matchLabels": HTTPBIN}, "jwtRules": rules},
    }
    tokens = [shop.token("j"), shop.token("j", issuer=other), shop.token("j", issuer="nobody@example.com")]
    with applied(shop, yaml.safe_dump(believing)):
        words = (["-H", f"Authorization: Bearer {token}"] for token in tokens)
        assert [shop.curl("http://httpbin:8000/get", *w).status for w in words] == [200, 200, 401]


def test_the_matrix_says_what_is_measured(shop):
    with applied(shop, NOTHING):
        matrix = shop.policies()
    assert not any(matrix.allowed.values())
    assert {cell["status"] for cell in matrix.cells} == {403}
    assert matrix.differences == []
