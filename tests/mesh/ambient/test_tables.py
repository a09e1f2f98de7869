"""What istiod tells ztunnel, compared with what a real one told it."""

import pytest

from labkit.conformance import ambient, answers, scene
from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import model
from labkit.mesh.ambient import authorizations, tables, ztunnel
from tests import recorded
from tests.mesh.ambient import standing

ANSWERS = answers.Answers(recorded.AMBIENT.place)
OF_ZTUNNEL = [c.name for c in ANSWERS.cases if ambient.ZTUNNEL in ANSWERS.answer(c.name)["proxies"]]
OF_A_POLICY = [
    c.name for c in ANSWERS.cases if any(s["kind"] == "AuthorizationPolicy" for s in ANSWERS.answer(c.name)["status"])
]

OTHERWISE = {
    # The recording gives this pod the name of another one that had its address before.
    "workloads default/curl",
    # Istio's chart puts its own version on istiod's pods (app.kubernetes.io/version); the sandbox's profile does not.
    "workloads istio-system/istiod",
}


@pytest.fixture(scope="module")
def objects() -> list[Object]:
    return ambient.base(ANSWERS.extra())


def in_case(objects: list[Object], case: str) -> model.Snapshot:
    applied = [_entry_with_addresses(scene.with_namespace(o)) for o in ANSWERS.input(case)] if case != "base" else []
    return ambient.snapshot([*objects, *applied])


def _entry_with_addresses(obj: Object) -> Object:
    if obj["kind"] != "ServiceEntry":
        return obj
    return {**obj, "status": {"addresses": [{"value": "AutoIPv4"}, {"value": "AutoIPv6"}]}}


@pytest.mark.parametrize("case", ["base", *OF_ZTUNNEL])
def test_ztunnel_is_told_what_a_real_istiod_tells_it(objects: list[Object], case: str) -> None:
    ours = ambient.named(tables.of(in_case(objects, case)))
    lines = ambient.differences(ours, ambient.recorded(ANSWERS, case))
    assert [line for line in lines if line.partition(":")[0] not in OTHERWISE] == []


@pytest.mark.parametrize("case", OF_A_POLICY)
def test_statuses_of_policies_are_istiods_word_for_word(objects: list[Object], case: str) -> None:
    written = {
        resources.name_of(policy.policy): authorizations.condition(policy)
        for policy in tables.of(in_case(objects, case)).converted
    }
    statuses = {
        s["name"]: condition
        for s in ANSWERS.answer(case)["status"]
        if s["kind"] == "AuthorizationPolicy"
        for condition in s["status"]["conditions"]
        if condition["type"] == "ZtunnelAccepted"
    }
    assert written == statuses


def test_a_network_is_named_by_the_label_of_istiods_namespace_or_the_pods_own() -> None:
    def namespace(labels: Object) -> Object:
        return {"metadata": {"name": "istio-system", "labels": labels}}

    own = standing.pod("own", "10.1.0.2")
    own["metadata"]["labels"] = {tables.services.NETWORK: "far"}
    pods = [standing.pod("plain", "10.1.0.1"), own]
    service = {"metadata": {"name": "s", "namespace": "amb"}, "spec": {"clusterIP": "10.96.0.1", "ports": []}}
    named = tables.of(
        standing.snapshot(pods, namespaces=[namespace({tables.services.NETWORK: "near"})], services=[service])
    )
    alone = tables.of(standing.snapshot(pods[:1], namespaces=[namespace({})], services=[service]))
    assert [w.get("network") for w in named.workloads.values()] == ["near", "far"]
    assert [s["addresses"] for s in named.services.values()] == [[{"network": "near", "address": "10.96.0.1"}]]
    assert [w.get("network") for w in alone.workloads.values()] == [None]


@pytest.mark.parametrize(
    ("deleted", "policy", "expected"),
    [
        pytest.param(False, {}, ["pod/10.1.0.1"], id="a ready pod"),
        pytest.param(True, {}, [], id="a pod that is being deleted and still ready"),
        pytest.param(True, {"publishNotReadyAddresses": True}, ["pod/10.1.0.1"], id="a Service that publishes all"),
    ],
)
def test_a_service_leads_to_pods_that_are_ready_and_stay(deleted: bool, policy: Object, expected: list[str]) -> None:
    pod = standing.pod("web", "10.1.0.1")
    if deleted:
        pod["metadata"]["deletionTimestamp"] = "2026-12-01T00:00:00Z"
    spec = {"clusterIP": "10.96.0.1", "ports": [{"port": 80, "targetPort": 9080}], "selector": {"app": "web"}, **policy}
    snapshot = standing.snapshot([pod], services=[{"metadata": {"name": "web", "namespace": "amb"}, "spec": spec}])
    config = ztunnel.config(snapshot, tables.of(snapshot), standing.NODE)
    endpoints = config.endpoints["svc|10.96.0.1:80"]["endpoints"]
    addresses = [e["endpoint"]["address"] for group in endpoints for e in group["lb_endpoints"]]
    numbers = [address["envoy_internal_address"]["endpoint_id"] for address in addresses]
    assert [f"pod/{number.partition(':')[0]}" for number in numbers] == expected
