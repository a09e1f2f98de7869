"""Where a name, a ClusterIP or an address leads."""

import pytest

from labkit.sandbox.network import routes


def service(name="reviews", namespace="shop", ip="10.96.0.7", port=9080):
    ports = [{"name": "http", "port": port, "nodePort": 30080}]
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"clusterIP": ip, "ports": ports},
    }


def endpoint_slice(*endpoints, port=8080):
    return {
        "ports": [{"name": "http", "port": port}],
        "endpoints": [{"addresses": [a], "conditions": {"ready": ready}} for a, ready in endpoints],
    }


ALL = routes.Routes(
    [
        routes.service_of(
            service(), [endpoint_slice(("127.66.0.2", True), ("127.66.0.3", False), ("127.66.0.4", True))]
        ),
        routes.service_of(service("idle", ip="10.96.0.8"), []),
    ]
)


def test_a_cluster_ip_leads_to_its_ready_endpoints_in_turn():
    assert {ALL.at_address("10.96.0.7", 9080) for _ in range(2)} == {("127.66.0.2", 8080), ("127.66.0.4", 8080)}


@pytest.mark.parametrize("address", ["127.66.0.9", "192.0.2.1", "240.240.0.1"])
def test_what_is_no_service_is_taken_as_it_is(address):
    assert ALL.at_address(address, 1234) == (address, 1234)


@pytest.mark.parametrize(
    ("address", "port", "text"),
    [
        ("10.96.0.7", 80, "has no port 80; it has: 9080"),
        ("10.96.0.8", 9080, "no ready endpoint"),
        ("10.96.0.9", 80, "no service has the address"),
    ],
    ids=["port", "empty", "unknown"],
)
def test_what_leads_nowhere_is_said_in_words(address, port, text):
    with pytest.raises(routes.NoRouteError, match=text):
        ALL.at_address(address, port)
