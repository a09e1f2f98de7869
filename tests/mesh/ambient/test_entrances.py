"""Gateways call a Service through its waypoint where a label asks for it, and send by HBONE where they may."""

from dataclasses import replace
from typing import Any

import pytest

from labkit.conformance import ambient, answers, scene
from labkit.mesh import compiler, model
from labkit.mesh.explain import access, arrivals, explanations, mutual_tls
from tests import recorded
from tests.mesh import envoys

ANSWERS = answers.Answers(recorded.AMBIENT.place)
REVIEWS = "outbound|9080||reviews.amb.svc.cluster.local"
ORIGINAL_DST = "envoy.filters.listener.original_dst"


@pytest.fixture(scope="module")
def snapshots() -> dict[bool, model.Snapshot]:
    """The recorded scene; with the label on Service reviews, and without."""
    objects = ambient.base(ANSWERS.extra())

    def labelled(obj: dict[str, Any]) -> dict[str, Any]:
        metadata = obj["metadata"]
        if obj["kind"] != "Service" or (metadata["namespace"], metadata["name"]) != ("amb", "reviews"):
            return obj
        labels = {**metadata.get("labels", {}), "istio.io/ingress-use-waypoint": "true"}
        return {**obj, "metadata": {**metadata, "labels": labels}}

    return {False: ambient.snapshot(objects), True: ambient.snapshot(map(labelled, objects))}


def config(snapshot: model.Snapshot, name: str, *, hbone: bool) -> model.Config:
    proxy = scene.proxies(snapshot)[name]
    return compiler.index(snapshot).config(replace(proxy, metadata={"ENABLE_HBONE": "true"} if hbone else {}))


def endpoints(found: model.Config) -> list[dict[str, Any]]:
    return [e for group in found.endpoints[REVIEWS]["endpoints"] for e in group["lb_endpoints"]]


@pytest.mark.parametrize("name", ["ingressgateway", "curl"], ids=["a gateway", "a sidecar"])
def test_who_sends_by_hbone_reaches_pods_of_ambient_by_a_tunnel(
    snapshots: dict[bool, model.Snapshot], name: str
) -> None:
    found = config(snapshots[False], name, hbone=True)
    first = endpoints(found)[0]
    assert first["endpoint"]["address"]["envoy_internal_address"]["endpoint_id"] == "POD(amb/reviews-v1):9080"
    assert first["metadata"]["filter_metadata"][ORIGINAL_DST] == {"local": "POD(amb/reviews-v1):9080"}
    matches = [m["match"] for m in found.clusters[REVIEWS]["transport_socket_matches"]]
    assert matches == [{"tunnel": "http"}, {"tlsMode": "istio"}, {}]
    assert "connect_originate" in found.listeners and "connect_originate" in found.clusters


def test_who_does_not_calls_them_in_plain_text(snapshots: dict[bool, model.Snapshot]) -> None:
    found = config(snapshots[False], "ingressgateway", hbone=False)
    assert "socket_address" in endpoints(found)[0]["endpoint"]["address"]
    assert "connect_originate" not in found.listeners


def test_a_label_sends_a_gateways_requests_through_the_waypoint(snapshots: dict[bool, model.Snapshot]) -> None:
    (only,) = endpoints(config(snapshots[True], "ingressgateway", hbone=True))
    assert only["metadata"]["filter_metadata"][ORIGINAL_DST] == {
        "local": "ClusterIP(amb/reviews):9080",
        "waypoint": "POD(amb/waypoint):15008",
    }


def test_sidecars_go_around_the_waypoint_all_the_same(snapshots: dict[bool, model.Snapshot]) -> None:
    assert len(endpoints(config(snapshots[True], "curl", hbone=True))) == 3


def test_a_sidecar_that_takes_tunnels_decides_by_the_noted_caller(snapshots: dict[bool, model.Snapshot]) -> None:
    found = config(snapshots[False], "ratings", hbone=True)
    assert {"virtualInbound", "connect_terminate", "main_internal", "connect_originate"} <= found.listeners.keys()
    (chain,) = found.listeners["main_internal"]["filter_chains"]
    assert chain["filter_chain_match"] == {"destination_port": 9080, "transport_protocol": "raw_buffer"}
    assert "main_internal" in found.clusters


def test_between_sidecars_mutual_tls_stays(snapshots: dict[bool, model.Snapshot]) -> None:
    found = config(snapshots[False], "curl", hbone=True)
    group = found.endpoints["outbound|9080||ratings.default.svc.cluster.local"]["endpoints"][0]
    assert "socket_address" in group["lb_endpoints"][0]["endpoint"]["address"]


@pytest.mark.parametrize(
    ("by_waypoint", "expected"),
    [
        pytest.param(False, ("POD(amb/reviews-v1):9080", "by HBONE"), id="the pods"),
        pytest.param(
            True,
            ("ClusterIP(amb/reviews):9080", "by HBONE through the waypoint at POD(amb/waypoint):15008"),
            id="the waypoint",
        ),
    ],
)
def test_an_explanation_names_what_a_gateway_reaches_by_hbone(
    snapshots: dict[bool, model.Snapshot], by_waypoint: bool, expected: tuple[str, str]
) -> None:
    found = config(snapshots[by_waypoint], "ingressgateway", hbone=True)
    destination = explanations._to(REVIEWS, 100.0, found)
    assert (destination.endpoints[0], destination.tunnels) == expected


def _peer(mode: str) -> dict[str, Any]:
    metadata = {"name": "default", "namespace": "amb", "creationTimestamp": "2026-11-01T00:00:00Z"}
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "PeerAuthentication",
        "metadata": metadata,
        "spec": {"mtls": {"mode": mode}},
    }


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        pytest.param("STRICT", ("STRICT", "HBONE", "refused"), id="strict"),
        pytest.param("DISABLE", ("PERMISSIVE", "HBONE", "accepted"), id="DISABLE counts as permissive"),
    ],
)
def test_policies_reach_pods_of_ambient_and_clients_send_hbone(mode: str, expected: tuple[str, str, str]) -> None:
    snapshot = ambient.snapshot([*ambient.base(ANSWERS.extra()), _peer(mode)])
    port = mutual_tls.of_host(snapshot, "ratings.amb.svc.cluster.local", client="default")[0]
    assert (port.mode, port.meshed_clients, port.other_clients) == expected
    assert port.problems == ()


def _entry(name: str, created: str) -> dict[str, Any]:
    ports = [{"number": 80, "name": "http", "protocol": "HTTP"}]
    metadata = {"name": name, "namespace": "amb", "creationTimestamp": created}
    spec = {"hosts": ["ext.example.com"], "ports": ports, "resolution": "DNS"}
    return {"apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry", "metadata": metadata, "spec": spec}


def test_of_two_service_entries_with_one_host_a_waypoint_has_one_chain() -> None:
    entries = [_entry("b", "2026-11-02T00:00:00Z"), _entry("a", "2026-11-01T00:00:00Z")]
    snapshot = ambient.snapshot([*ambient.base(ANSWERS.extra()), *entries])
    chains = config(snapshot, "amb/waypoint", hbone=False).listeners["main_internal"]["filter_chains"]
    names = [chain["name"] for chain in chains]
    assert names.count("inbound-vip|80|http|ext.example.com") == 1 and len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("principal", "is_refused"),
    [
        pytest.param("cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account", False, id="the gateway"),
        pytest.param("cluster.local/ns/amb/sa/curl", True, id="somebody else"),
    ],
)
def test_an_explanation_ends_with_what_ztunnel_says(principal: str, is_refused: bool) -> None:
    policy = {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": "callers", "namespace": "amb"},
        "spec": {"rules": [{"from": [{"source": {"principals": [principal]}}]}]},
    }
    snapshot = envoys.numbered(ambient.snapshot([*ambient.base(ANSWERS.extra()), policy]))
    destination = explanations._to(REVIEWS, 100.0, config(snapshot, "ingressgateway", hbone=True))
    account = "istio-system/istio-ingressgateway-service-account"
    caller = access.Workload(
        name="gateway",
        namespace="istio-system",
        account=account,
        labels={},
        address="10.9.9.9",
        has_proxy=True,
        role="router",
    )
    asked = explanations.Request(host="reviews.amb:9080")
    explanation = explanations._explanation("0.0.0.0_80", answer="")
    told = arrivals.of(snapshot, caller, replace(explanation, destinations=(destination,)), asked)
    assert told[-1].is_refused == is_refused
    assert ("503" in told[-1].what) == is_refused
