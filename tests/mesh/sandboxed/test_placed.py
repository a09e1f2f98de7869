"""The pass that gives addresses: what it changes, and what it leaves as Istio sends it."""

from typing import Any

import pytest

from labkit.mesh import sandboxed
from labkit.mesh.memo import Memo
from labkit.mesh.model import Config
from labkit.mesh.sandboxed import Place, Ports
from tests.mesh.sandboxed import recorded

PLACE = Place(ip="127.66.0.2", ports=frozenset({9080, 9443}))


def of_listener(**fields: Any) -> dict[str, Any]:
    config = Config(listeners={fields["name"]: fields})
    return dict(sandboxed.placed(config, PLACE).listeners[fields["name"]])


def of_cluster(endpoints: Any = None, **fields: Any) -> dict[str, Any]:
    endpoints_by_name = {fields["name"]: endpoints} if endpoints else {}
    return dict(
        sandboxed.placed(Config(clusters={fields["name"]: fields}, endpoints=endpoints_by_name), PLACE).clusters[
            fields["name"]
        ]
    )


def at(address: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": address, "port_value": port}}


def pipe(path: str) -> dict[str, Any]:
    return {"pipe": {"path": path, "mode": 0o600}}


def load(name: str, address: str, port: int = 80) -> dict[str, Any]:
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": at(address, port)}}]}]}


@pytest.mark.parametrize("proxy", ["productpage", "reviews-v1", "curl"])
def test_listeners_that_are_only_handed_connections_stay_the_very_same(proxy: str) -> None:
    config = recorded.config(proxy)
    placed = sandboxed.placed(config, PLACE)
    others = config.listeners.keys() - {"virtualOutbound", "virtualInbound"}
    assert len(others) > 5
    assert all(placed.listeners[name] is config.listeners[name] for name in others)
    assert placed.routes is config.routes


def test_captured_connections_come_by_a_socket_and_say_where_they_go() -> None:
    placed = sandboxed.placed(recorded.config("curl"), PLACE).listeners["virtualOutbound"]
    assert placed["address"] == pipe("outbound.sock")
    assert placed["use_original_dst"]
    assert [f["name"] for f in placed["listener_filters"]] == ["envoy.filters.listener.proxy_protocol"]


def test_inbound_listens_at_every_port_of_the_pod_and_believes_headers_on_its_socket_alone() -> None:
    placed = sandboxed.placed(recorded.config("reviews-v1"), PLACE).listeners["virtualInbound"]
    others = [a["address"] for a in placed["additional_addresses"]]
    assert placed["address"] == at("127.66.0.2", 15006)
    assert others == [at("127.66.0.2", 9080), at("127.66.0.2", 9443), pipe("inbound.sock")]
    first, *rest = placed["listener_filters"]
    assert first["name"] == "envoy.filters.listener.proxy_protocol"
    assert first["filter_disabled"] == {"not_match": {"destination_port_range": {"start": 0, "end": 1}}}
    assert [f["name"].rpartition(".")[2] for f in rest] == ["tls_inspector", "http_inspector"]


@pytest.mark.parametrize(
    ("captured", "ports"),
    [
        (Ports(excluded=frozenset({9443})), [9080]),
        (Ports(included=frozenset({9443})), [9443]),
        (Ports(included=frozenset()), []),
    ],
    ids=["one-is-excluded", "one-is-included", "none-is-included"],
)
def test_ports_that_are_not_captured_are_left_to_the_app(captured: Ports, ports: list[int]) -> None:
    place = Place(ip="127.66.0.2", ports=frozenset({9080, 9443}), captured=captured)
    placed = sandboxed.placed(recorded.config("reviews-v1"), place).listeners["virtualInbound"]
    sockets = [a["address"].get("socket_address") for a in placed["additional_addresses"]]
    assert [s["port_value"] for s in sockets if s] == ports


def test_a_gateway_listens_at_its_pod_and_at_the_node_ports_that_lead_to_it() -> None:
    place = Place(ip="127.66.0.2", node_ip="127.0.0.1", node_ports={8080: (30080, 30081)})
    placed = sandboxed.placed(recorded.config("ingressgateway"), place).listeners["0.0.0.0_8080"]
    assert placed["address"] == at("127.66.0.2", 8080)
    assert [a["address"] for a in placed["additional_addresses"]] == [
        at("127.0.0.1", 30080),
        at("127.0.0.1", 30081),
        pipe("8080.sock"),
    ]


def test_a_listener_of_localhost_is_a_socket_of_the_pod() -> None:
    placed = of_listener(name="127.0.0.1_3306", address=at("127.0.0.1", 3306))
    assert placed["address"] == pipe("3306.sock")
    assert "additional_addresses" not in placed


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED", "cleanup_interval": "9s"},
        {"type": "STATIC", "load_assignment": load("inbound|9080||", "127.0.0.1", 9080)},
        {"load_assignment": load("inbound|9080||", "127.66.0.2", 9080)},
    ],
    ids=["where-the-caller-wanted-to-go", "localhost", "the-pods-address"],
)
def test_the_app_is_reached_by_its_socket(fields: dict[str, Any]) -> None:
    bind = {"source_address": {"address": "127.0.0.6", "port_value": 0}}
    placed = of_cluster(name="inbound|9080||", upstream_bind_config=bind, connect_timeout="10s", **fields)
    endpoint = {"endpoint": {"address": {"pipe": {"path": "9080.sock"}}}}
    assert placed == {
        "name": "inbound|9080||",
        "type": "STATIC",
        "connect_timeout": "10s",
        "load_assignment": {"cluster_name": "inbound|9080||", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def test_a_default_endpoint_names_another_port() -> None:
    placed = of_cluster(name="inbound|9080||", load_assignment=load("inbound|9080||", "127.0.0.1", 8081))
    assert "8081.sock" in str(placed)


@pytest.mark.parametrize(
    ("name", "socket"), [("PassthroughCluster", "network.sock"), ("InboundPassthroughCluster", "passthrough.sock")]
)
def test_what_passes_through_says_where_it_goes(name: str, socket: str) -> None:
    placed = sandboxed.placed(recorded.config("curl"), PLACE).clusters[name]
    assert placed["type"] == "STATIC"
    assert socket in str(placed["load_assignment"])
    assert placed["transport_socket"]["name"] == "envoy.transport_sockets.upstream_proxy_protocol"
    assert "lb_policy" not in placed


@pytest.mark.parametrize(
    ("fields", "endpoints", "is_bound"),
    [
        ({"type": "EDS"}, None, False),
        ({"type": "EDS"}, load("a", "127.66.0.9"), False),
        ({"type": "EDS"}, load("a", "192.0.2.1"), True),
        ({"type": "STATIC", "load_assignment": load("a", "192.0.2.1")}, None, True),
        ({"type": "STATIC", "load_assignment": load("a", "10.96.0.9")}, None, False),
        ({"type": "STRICT_DNS", "load_assignment": load("a", "example.com")}, None, True),
        ({"type": "ORIGINAL_DST"}, None, True),
    ],
    ids=["no-endpoint", "a-pod", "a-far-endpoint", "a-far-address", "a-cluster-ip", "a-name", "wherever-it-goes"],
)
def test_only_connections_that_may_leave_the_machine_leave_the_pods_address(
    fields: dict[str, Any], endpoints: Any, is_bound: bool
) -> None:
    placed = of_cluster(endpoints, name="a", **fields)
    assert ("upstream_bind_config" in placed) == is_bound


def test_a_cluster_ip_among_endpoints_becomes_the_address_that_serves_it() -> None:
    config = Config(endpoints={"a": load("a", "10.96.3.4"), "b": load("b", "127.66.0.3")})
    placed = sandboxed.placed(config, PLACE).endpoints
    assert placed["a"] == load("a", "127.68.3.4")
    assert placed["b"] is config.endpoints["b"]


def test_certificates_come_on_the_stream_from_istiod() -> None:
    config = recorded.config("reviews-v1")
    placed = sandboxed.placed(config, PLACE)
    assert "sds-grpc" in str(config)
    assert "sds-grpc" not in str(placed)


def test_proxies_that_see_the_same_get_the_very_same() -> None:
    memo, config = Memo(), recorded.config("reviews-v1")
    first = sandboxed.placed(config, PLACE, memo)
    second = sandboxed.placed(config, Place(ip="127.66.0.3"), memo)
    assert first.clusters is second.clusters
    assert first.endpoints is second.endpoints


def test_what_did_not_change_is_the_very_same_as_before() -> None:
    config = recorded.config("reviews-v1")
    memo = Memo()
    before = sandboxed.placed(config, PLACE, memo)
    after = sandboxed.placed(config, Place(ip=PLACE.ip, ports=PLACE.ports), Memo(memo))
    assert after.listeners is before.listeners
    assert after.clusters is before.clusters


def test_node_ports_are_those_of_services_that_select_the_pod() -> None:
    pod = {
        "metadata": {"name": "gw", "namespace": "a", "labels": {"istio": "gw"}},
        "spec": {"containers": [{"ports": [{"name": "web", "containerPort": 8080}]}]},
    }
    ports = [{"port": 80, "targetPort": "web", "nodePort": 30080}, {"port": 443, "targetPort": 8443, "nodePort": 30443}]
    services = [
        {"metadata": {"name": "gw", "namespace": "a"}, "spec": {"selector": {"istio": "gw"}, "ports": ports}},
        {"metadata": {"name": "no", "namespace": "a"}, "spec": {"selector": {"istio": "x"}, "ports": ports}},
        {"metadata": {"name": "no", "namespace": "b"}, "spec": {"selector": {"istio": "gw"}, "ports": ports}},
    ]
    assert sandboxed.node_ports(services, pod) == {8080: (30080,), 8443: (30443,)}
