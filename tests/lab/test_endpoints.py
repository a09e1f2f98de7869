"""When a Service leads where it says."""

import pytest

from labkit.lab import endpoints


def pod(address="10.0.0.1", *, ready="True", going=False, **labels):
    stamp = {"deletionTimestamp": "2026-01-01T00:00:00Z"} if going else {}
    state = {"podIP": address, "conditions": [{"type": "Ready", "status": ready}]}
    return {"metadata": {"name": "p", "labels": labels, **stamp}, "status": state}


def service(target=None):
    port = {"port": 80} | ({"targetPort": target} if target else {})
    return {"spec": {"selector": {"app": "a"}, "ports": [port]}}


@pytest.mark.parametrize(
    ("pods", "asked"),
    [
        pytest.param([pod(app="a")], {("10.0.0.1", 80)}, id="one that fits"),
        pytest.param([pod(app="b")], set(), id="another label"),
        pytest.param([pod(app="a", ready="False")], set(), id="not ready"),
        pytest.param([pod(app="a", going=True)], set(), id="on its way out"),
    ],
)
def test_a_selector_asks_for_ready_pods(pods, asked):
    assert endpoints.expected(service(), pods) == asked


@pytest.mark.parametrize(("target", "number"), [(8080, 8080), ("http", None)])
def test_a_target_port_is_a_number_or_a_name(target, number):
    assert endpoints.expected(service(target), [pod(app="a")]) == {("10.0.0.1", number)}


def test_slices_say_addresses_and_ports():
    ready = {"addresses": ["10.0.0.1"], "conditions": {"ready": True}}
    not_ready = {"addresses": ["10.0.0.2"], "conditions": {"ready": False}}
    listed = endpoints.listed([{"endpoints": [ready, not_ready], "ports": [{"port": 80}]}, {"endpoints": None}])
    assert listed == {("10.0.0.1", 80)}
