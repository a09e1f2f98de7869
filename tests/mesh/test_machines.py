"""WorkloadEntries join the Services whose labels they have, at the port that the Service asks for."""

import pytest

from labkit.mesh.hosts import kubernetes


def entry(**spec):
    labels = {"app": "api"}
    return {
        "metadata": {"name": "vm", "namespace": "shop"},
        "spec": {"address": "192.0.2.7", "labels": labels, **spec},
    }


def service(**port):
    spec = {"selector": {"app": "api"}, "clusterIP": "10.0.0.1", "ports": [{"name": "http", "port": 80, **port}]}
    return {"metadata": {"name": "api", "namespace": "shop"}, "spec": spec}


def pods(port):
    return {"ports": [{"name": "http", "port": port}], "endpoints": [{"addresses": ["10.1.0.1"]}]}


@pytest.mark.parametrize(
    ("target", "ports", "expected"),
    [
        (8080, {}, [8080]),
        (8080, {"http": 9090}, [9090]),
        ("web", {"web": 7070}, [7070]),
        ("web", {"http": 9090}, [9090]),
        ("web", {"other": 1}, []),
        ("web", {}, []),
    ],
    ids=["number", "own port", "named", "by the Service's name", "another name", "no ports"],
)
def test_a_machine_is_found_at_its_own_port(target, ports, expected):
    of_mesh = kubernetes.service_of(service(targetPort=target), [], {}, [entry(ports=ports)])
    assert [endpoint.port for endpoint in of_mesh.endpoints[80]] == expected


def test_pods_and_machines_are_found_each_at_their_own_named_port():
    of_mesh = kubernetes.service_of(service(targetPort="web"), [pods(5000)], {}, [entry(ports={"web": 7070})])
    assert [(e.address, e.port) for e in of_mesh.endpoints[80]] == [("10.1.0.1", 5000), ("192.0.2.7", 7070)]
