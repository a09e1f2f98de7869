"""Variables that tell of Services."""

import pytest

from labkit.sandbox.kubelet import links


def service(name, namespace="shop", ip="10.96.0.7", ports=({"port": 8000, "name": "http"},)):
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"clusterIP": ip, "ports": list(ports)}}


API = service("kubernetes", "default", "10.96.0.1", ({"port": 443, "name": "https"},))
SERVICES = [API, service("my-api"), service("other", "elsewhere"), service("headless", ip="None")]


def told(**spec):
    return links.variables({"metadata": {"name": "p", "namespace": "shop"}, "spec": spec}, SERVICES)


def test_a_service_of_the_namespace_is_told_in_both_forms():
    result = {name: value for name, value in told().items() if name.startswith("MY_API")}
    assert result == {
        "MY_API_SERVICE_HOST": "10.96.0.7",
        "MY_API_SERVICE_PORT": "8000",
        "MY_API_SERVICE_PORT_HTTP": "8000",
        "MY_API_PORT": "tcp://10.96.0.7:8000",
        "MY_API_PORT_8000_TCP": "tcp://10.96.0.7:8000",
        "MY_API_PORT_8000_TCP_PROTO": "tcp",
        "MY_API_PORT_8000_TCP_PORT": "8000",
        "MY_API_PORT_8000_TCP_ADDR": "10.96.0.7",
    }


@pytest.mark.parametrize(
    ("spec", "hosts"),
    [
        ({}, {"KUBERNETES_SERVICE_HOST", "MY_API_SERVICE_HOST"}),
        ({"enableServiceLinks": True}, {"KUBERNETES_SERVICE_HOST", "MY_API_SERVICE_HOST"}),
        ({"enableServiceLinks": False}, {"KUBERNETES_SERVICE_HOST"}),
    ],
    ids=["by default", "asked for", "switched off"],
)
def test_other_namespaces_and_headless_services_are_not_told(spec, hosts):
    assert {name for name in told(**spec) if name.endswith("_HOST")} == hosts
