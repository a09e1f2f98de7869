"""Which addresses a gateway's Service promises, and in which order."""

import socket

import pytest

from labkit.base import errors
from labkit.install import addresses

NODES = [
    {"status": {"addresses": [{"type": "Hostname", "address": "n1"}, {"type": "InternalIP", "address": "10.0.0.5"}]}},
    {"status": {"addresses": [{"type": "ExternalIP", "address": "203.0.113.5"}]}},
]


def service(*, ingress=(), node_ports=True):
    """An ingress gateway's Service, as Istio makes it."""
    ports = [("status-port", 15021, 30021), ("http2", 80, 30080), ("https", 443, 30443)]
    return {
        "metadata": {"name": "istio-ingressgateway", "namespace": "istio-system"},
        "spec": {
            "ports": [{"name": n, "port": p, **({"nodePort": np} if node_ports else {})} for n, p, np in ports],
        },
        "status": {"loadBalancer": {"ingress": list(ingress)}},
    }


def listed(obj, *, nodes=(), host_ports=None, port=80, is_inside=False):
    found = addresses.ways(obj, list(nodes), port=port, host_ports=host_ports or {}, is_inside=is_inside)
    return [(way.how, way.host, way.port, way.status_port) for way in found]


@pytest.mark.parametrize(
    ("obj", "words", "expected"),
    [
        pytest.param(service(), {}, [], id="a bare kind: pending, and no node is to be read"),
        pytest.param(
            service(),
            {"nodes": NODES},
            [("node port", "10.0.0.5", 30080, 30021), ("node port", "203.0.113.5", 30080, 30021)],
            id="node ports of every node, inner addresses first",
        ),
        pytest.param(
            service(ingress=[{"ip": "192.0.2.7"}, {"hostname": "lb.example"}], node_ports=False),
            {"nodes": NODES},
            [("load balancer", "192.0.2.7", 80, 15021), ("load balancer", "lb.example", 80, 15021)],
            id="a load balancer without node ports",
        ),
        pytest.param(
            service(ingress=[{"ip": "192.0.2.7"}]),
            {"nodes": NODES[:1], "host_ports": {30080: 8080, 30021: 15021}},
            [
                ("kind", "127.0.0.1", 8080, 15021),
                ("load balancer", "192.0.2.7", 80, 15021),
                ("node port", "10.0.0.5", 30080, 30021),
            ],
            id="mapped ports of a kind cluster come first",
        ),
        pytest.param(
            service(node_ports=False),
            {"is_inside": True, "port": 443},
            [("inside the cluster", "istio-ingressgateway.istio-system.svc.cluster.local", 443, 15021)],
            id="from a pod, the name",
        ),
        pytest.param(service(), {"nodes": NODES, "port": 8443}, [], id="a port that the Service does not have"),
    ],
)
def test_ways_are_listed_as_the_service_promises_them(obj, words, expected):
    assert listed(obj, **words) == expected


def test_an_address_counts_where_the_health_check_answers_though_no_gateway_is_open():
    with socket.create_server(("127.0.0.1", 0)) as health, socket.create_server(("127.0.0.1", 0)) as gone:
        closed, status = gone.getsockname()[1], health.getsockname()[1]
        gone.close()
        assert addresses.probe(addresses.Way(how="", host="127.0.0.1", port=closed, status_port=status)) == "open"
        assert addresses.probe(addresses.Way(how="", host="127.0.0.1", port=closed)) == "refused"


@pytest.mark.parametrize(
    ("text", "address"),
    [("http://192.0.2.1", ("192.0.2.1", 80)), ("http://gw.example:8080/", ("gw.example", 8080))],
    ids=["port 80", "a port"],
)
def test_the_environment_names_the_address(monkeypatch, text, address):
    monkeypatch.setenv(addresses.OVERRIDE, text)
    assert addresses.override() == address


@pytest.mark.parametrize("text", ["192.0.2.1", "https://x", "http://x:y", "http://x/productpage", "http://"])
def test_an_address_that_is_none_is_refused_with_one_that_is(monkeypatch, text):
    monkeypatch.setenv(addresses.OVERRIDE, text)
    with pytest.raises(errors.SetupError, match=r"is no address of a gateway(.|\n)*http://ADDRESS:PORT"):
        addresses.override()
