"""Whatever valid rules say, Envoy's descriptors take it; whatever is not valid gets a defined error."""

from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labkit.conformance import scene
from labkit.kube import manifests
from labkit.mesh import faults, model, translate
from labkit.sandbox.xds import messages

SCENE = [scene.with_namespace(o) for o in manifests.read(Path(__file__).with_name("golden") / "scene.yaml")]
KINDS = ("clusters", "endpoints", "listeners", "routes", "secrets")
QUICK = settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))


def told(*objects: dict[str, Any]) -> int:
    """How many resources all proxies are told; every one of them is encoded."""
    found = scene.snapshot([*SCENE, *map(scene.with_namespace, objects)])
    index = translate.index(found)
    return sum(
        len(messages.encoded(kind, resource)) > 0
        for proxy in scene.proxies(found).values()
        for kind in KINDS
        for resource in getattr(index.for_proxy(proxy), kind).values()
    )


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


WORD = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True)
PATH = st.from_regex(r"/[a-z0-9/]{0,10}", fullmatch=True)
DURATION = st.sampled_from(["1s", "250ms", "1m30s", "0.5s", "2h", "100us"])
PERCENT = st.floats(0, 100).map(lambda v: {"value": v})
NUMBER = st.integers(1, 1000)
TEXT = st.one_of(
    WORD.map(lambda v: {"exact": v}), WORD.map(lambda v: {"prefix": v}), st.just({"regex": "a+|b"}), st.just({})
)
URI = st.one_of(PATH.map(lambda v: {"exact": v}), PATH.map(lambda v: {"prefix": v}), st.just({"regex": "/[0-9]+"}))
DESTINATION = st.fixed_dictionaries(
    {"host": st.sampled_from(["web", "db", "nosuch", "web.default.svc.cluster.local"])},
    optional={"subset": st.sampled_from(["v1", "v2"]), "port": st.sampled_from([{"number": 8080}])},
)
CHANGES = some(
    set=st.dictionaries(WORD, WORD, max_size=2), add=st.dictionaries(WORD, WORD, max_size=2), remove=st.lists(WORD)
)
HEADERS = some(request=CHANGES, response=CHANGES)
MATCH = some(
    uri=URI,
    ignoreUriCase=st.booleans(),
    headers=st.dictionaries(WORD, TEXT, max_size=2),
    withoutHeaders=st.dictionaries(WORD, TEXT, max_size=2),
    queryParams=st.dictionaries(WORD, TEXT, max_size=2),
    method=TEXT,
    authority=TEXT,
    scheme=TEXT,
    port=st.sampled_from([80, 8080]),
    sourceLabels=st.just({"app": "client"}),
    sourceNamespace=st.sampled_from(["default", "other"]),
    gateways=st.just(["mesh"]),
    name=WORD,
)
FAULT = some(
    delay=st.fixed_dictionaries({"fixedDelay": DURATION}, optional={"percentage": PERCENT}),
    abort=st.fixed_dictionaries({"httpStatus": st.integers(200, 599)}, optional={"percentage": PERCENT}),
)
ROUTED = st.fixed_dictionaries(
    {"route": st.lists(st.fixed_dictionaries({"destination": DESTINATION, "weight": NUMBER}), min_size=1, max_size=3)},
    optional={
        "match": st.lists(MATCH, max_size=2),
        "timeout": DURATION,
        "retries": some(
            attempts=st.integers(0, 5),
            perTryTimeout=DURATION,
            retryOn=st.sampled_from(["5xx,503", "503", "gateway-error"]),
            backoff=DURATION,
            retryRemoteLocalities=st.booleans(),
        ),
        "fault": FAULT,
        "headers": HEADERS,
        "mirrors": st.lists(st.fixed_dictionaries({"destination": DESTINATION}, optional={"percentage": PERCENT})),
        "rewrite": some(uri=PATH, authority=WORD),
        "corsPolicy": some(allowOrigins=st.lists(TEXT), allowMethods=st.just(["GET"]), maxAge=DURATION),
    },
)
REDIRECTED = st.fixed_dictionaries(
    {"redirect": some(uri=PATH, authority=WORD, redirectCode=st.sampled_from([301, 302, 307]), port=NUMBER)}
)
ANSWERED = st.fixed_dictionaries(
    {
        "directResponse": st.fixed_dictionaries(
            {"status": st.integers(200, 599)}, optional={"body": st.just({"string": "x"})}
        )
    }
)
VIRTUAL_SERVICE = st.fixed_dictionaries(
    {"hosts": st.just(["web"]), "http": st.lists(st.one_of(ROUTED, REDIRECTED, ANSWERED), min_size=1, max_size=3)}
)
POLICY = some(
    loadBalancer=st.one_of(
        st.sampled_from(["ROUND_ROBIN", "LEAST_REQUEST", "RANDOM", "PASSTHROUGH"]).map(lambda v: {"simple": v}),
        st.sampled_from(
            [{"httpHeaderName": "x"}, {"useSourceIp": True}, {"httpCookie": {"name": "c", "ttl": "1m"}}]
        ).map(lambda v: {"consistentHash": v}),
    ),
    connectionPool=some(
        tcp=some(maxConnections=NUMBER, connectTimeout=DURATION, tcpKeepalive=some(time=DURATION, probes=NUMBER)),
        http=some(http1MaxPendingRequests=NUMBER, maxRequestsPerConnection=NUMBER, idleTimeout=DURATION),
    ),
    outlierDetection=some(
        consecutive5xxErrors=st.integers(0, 9), interval=DURATION, maxEjectionPercent=st.integers(0, 100)
    ),
    tls=st.sampled_from(["DISABLE", "SIMPLE", "ISTIO_MUTUAL"]).map(lambda v: {"mode": v}),
)
DESTINATION_RULE = st.fixed_dictionaries(
    {"host": st.sampled_from(["web", "*.local", "web.default.svc.cluster.local"])},
    optional={
        "trafficPolicy": POLICY,
        "subsets": st.just([{"name": "v1", "labels": {"version": "v1"}}, {"name": "v2"}]),
        "exportTo": st.sampled_from([["."], ["*"], ["other"]]),
    },
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["hosts", "http", "route", "destination", "host", "match", "uri", "servers", "port", "tls", "subsets"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


def rule(kind: str, spec: Any, group: str = "networking.istio.io/v1") -> dict[str, Any]:
    return {"apiVersion": group, "kind": kind, "metadata": {"name": "it"}, "spec": spec}


@QUICK
@given(VIRTUAL_SERVICE)
def test_any_valid_virtual_service_is_taken_by_envoys_descriptors(spec: dict[str, Any]) -> None:
    assert told(rule("VirtualService", spec))


@QUICK
@given(DESTINATION_RULE, VIRTUAL_SERVICE)
def test_any_valid_destination_rule_is_taken_by_envoys_descriptors(
    policy: dict[str, Any], spec: dict[str, Any]
) -> None:
    assert told(rule("DestinationRule", policy), rule("VirtualService", spec))


@QUICK
@given(
    st.sampled_from(["VirtualService", "DestinationRule", "Gateway", "ServiceEntry", "Sidecar", "WorkloadEntry"]),
    st.dictionaries(
        st.sampled_from(["hosts", "http", "tcp", "host", "servers", "selector", "egress", "ports"]), ANYTHING
    ),
)
def test_any_input_at_all_has_no_other_than_a_defined_error(kind: str, spec: dict[str, Any]) -> None:
    try:
        told(rule(kind, spec))
    except (faults.TranslationError, json_format.ParseError):
        return


def test_a_fault_names_the_object() -> None:
    with pytest.raises(faults.TranslationError, match="VirtualService default/it cannot be translated"):
        told(rule("VirtualService", {"hosts": ["web"], "http": [{"route": 5}]}))


def test_one_changed_object_costs_its_own_work_only() -> None:
    objects = scene.snapshot(SCENE).objects
    before = translate.index(model.Snapshot(objects=objects))
    added = scene.with_namespace(rule("VirtualService", {"hosts": ["db"], "tcp": []}))
    after = translate.index(model.Snapshot(objects={**objects, "virtualservices.networking.istio.io": [added]}), before)
    client = scene.proxies(before.snapshot)["client"]
    old, new = before.for_proxy(client), after.for_proxy(client)
    assert all(new.clusters[name] is cluster for name, cluster in old.clusters.items() if name.startswith("outbound"))


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("VirtualService", {"hosts": ["web"], "http": [{"route": [{"destination": {"host": "web"}}], "match": [7]}]}),
        ("VirtualService", {"hosts": ["web"], "tcp": [{"route": [{"destination": 5}]}]}),
        ("DestinationRule", {"host": "web", "trafficPolicy": {"connectionPool": [1]}}),
        ("DestinationRule", {"host": "web", "subsets": [{"labels": {}}]}),
        ("Gateway", {"servers": [{"port": 80}]}),
    ],
    ids=["match", "destination", "pool", "a-subset-without-a-name", "port"],
)
def test_a_fault_is_found_when_the_object_comes_and_not_when_it_is_asked_for(kind: str, spec: dict[str, Any]) -> None:
    objects = [*SCENE, scene.with_namespace(rule(kind, spec))]
    with pytest.raises(faults.TranslationError, match=f"{kind} default/it cannot be translated"):
        translate.index(model.Snapshot(objects={scene.plural_of(o): [o] for o in objects}))
