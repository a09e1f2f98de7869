"""The table of a pod's connections, against what istio-iptables' rules do."""

import pytest

from labkit.mesh import captured_ports
from labkit.mesh.captured_ports import Way

OWN, POD, SERVICE, FAR = "127.66.0.2", "127.66.0.9", "10.96.0.7", "192.0.2.1"
DEFAULT = "-p 15001 -z 15006 -u 1337 -m REDIRECT -i * -x  -b * -d 15090,15021,15020 --log_output_level=default:info"


def rules(text: str = DEFAULT) -> captured_ports.Rules:
    return captured_ports.of_arguments(text.split(" "))


@pytest.mark.parametrize(
    ("change", "address", "port", "way"),
    [
        ("", SERVICE, 80, Way.CAPTURED),
        ("", POD, 9080, Way.CAPTURED),
        ("", FAR, 443, Way.CAPTURED),
        ("", "127.0.0.1", 80, Way.LOCAL),
        ("", "::1", 80, Way.LOCAL),
        ("", OWN, 9080, Way.LOCAL),
        ("-o 9080", POD, 9080, Way.DIRECT),
        ("-o 9080", POD, 9081, Way.CAPTURED),
        ("-x 10.96.0.0/16", SERVICE, 80, Way.DIRECT),
        ("-x 10.96.0.0/16", POD, 80, Way.CAPTURED),
        ("-x 10.96.0.7/32,192.0.2.0/24", FAR, 80, Way.DIRECT),
        ("-i 10.96.0.0/16", SERVICE, 80, Way.CAPTURED),
        ("-i 10.96.0.0/16", FAR, 80, Way.DIRECT),
        ("-i 10.96.0.0/16 -q 443", FAR, 443, Way.CAPTURED),
        ("-i  ", SERVICE, 80, Way.DIRECT),
        ("-i  -q 80", SERVICE, 80, Way.CAPTURED),
        ("-q 80 -o 80", SERVICE, 80, Way.DIRECT),
        ("-q 80 -x 10.96.0.0/16 -i ", SERVICE, 80, Way.DIRECT),
        ("-c eth0", SERVICE, 80, Way.DIRECT),
        ("-c eth1", SERVICE, 80, Way.CAPTURED),
    ],
)
def test_outbound(change: str, address: str, port: int, way: Way) -> None:
    assert rules(f"{DEFAULT} {change}").way(address, port, own=OWN) is way


def test_the_proxys_own_connections_are_never_captured() -> None:
    assert rules().way(SERVICE, 80, own=OWN, uid=1337) is Way.DIRECT
    assert rules(DEFAULT.replace("1337", "2000")).way(SERVICE, 80, own=OWN, uid=1337) is Way.CAPTURED


@pytest.mark.parametrize(
    ("change", "captured", "free"),
    [
        ("", {80, 9080, 15006}, {15090, 15021, 15020}),
        ("-d 15090,15021,15020,8080", {80}, {8080, 15020}),
        ("-b 80,443", {80, 443}, {8080}),
        ("-b 80 -d 80", {80}, {443}),
        ("-b  ", set(), {80}),
        ("-c eth0", set(), {80}),
    ],
    ids=["all", "all-but-one", "two", "exclusions-count-only-beside-all", "none", "an-interface"],
)
def test_inbound(change: str, captured: set[int], free: set[int]) -> None:
    inbound = rules(f"{DEFAULT} {change}").inbound
    assert {port for port in captured | free if port in inbound} == captured


def test_a_pod_without_the_init_container_captures_nothing() -> None:
    assert captured_ports.of_pod({"spec": {"containers": []}}) == captured_ports.NOTHING
    pod = {"spec": {"initContainers": [{"name": "istio-init", "args": DEFAULT.split(" ")}]}}
    assert 9080 in captured_ports.of_pod(pod).inbound
