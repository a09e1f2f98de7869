"""Where a name, a ClusterIP or an address leads."""

import pytest

from labkit.sandbox.network import addresses, routes

BLOCK = addresses.Block(base=66)


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


def lead(host, port=9080, namespace="shop"):
    return ALL.resolve(host, port, namespace=namespace, block=BLOCK)


@pytest.mark.parametrize(
    "host",
    [
        "reviews",
        "reviews.shop",
        "reviews.shop.svc",
        "reviews.shop.svc.cluster.local",
        "Reviews.shop.svc.cluster.local.",
        "10.96.0.7",
        "127.68.0.7",
    ],
)
def test_every_way_to_say_a_service_leads_to_its_ready_endpoints(host):
    assert {lead(host) for _ in range(4)} == {("127.66.0.2", 8080), ("127.66.0.4", 8080)}


@pytest.mark.parametrize("host", ["127.66.0.9", "192.0.2.1", "example.com", "api.example.com."])
def test_what_is_no_service_is_taken_as_it_is(host):
    assert lead(host, 1234) == (host, 1234)


@pytest.mark.parametrize(
    ("host", "port", "said"),
    [
        ("nosuch", 80, 'no service "nosuch" in namespace "shop"'),
        ("nosuch.shop", 9080, 'no service "nosuch" in namespace "shop"'),
        ("reviews.other.svc", 9080, 'no service "reviews" in namespace "other"'),
        ("reviews.other.svc.cluster.local", 9080, 'no service "reviews" in namespace "other"'),
        ("reviews", 80, "has no port 80; it has: 9080"),
        ("idle", 9080, "no ready endpoint"),
    ],
    ids=["unknown", "short", "namespace", "full", "port", "empty"],
)
def test_what_leads_nowhere_is_said_in_words(host, port, said):
    with pytest.raises(routes.NoRouteError, match=said):
        lead(host, port)


def test_endpoints_are_taken_in_turn():
    assert lead("reviews") != lead("reviews")
