"""Istio's own listeners on a real Envoy, with sockets and PROXY headers in the place of a kernel."""

import stat

import pytest

from tests.mesh.sandboxed import running
from tests.mesh.sandboxed.running import Pod, get

TEN = "10.96.77.1"
"""A ClusterIP that no listener has: ports decide."""


def test_http_to_the_port_of_a_service_takes_its_route(pod: Pod) -> None:
    answer = pod.captured(TEN, 9080, get("ratings:9080")).decode()
    assert f"other from {pod.ip}" in answer
    assert "X-Forwarded-Proto" in answer or "x-forwarded-proto" in answer


def test_bytes_to_the_port_of_an_http_service_pass_through(pod: Pod) -> None:
    answer = pod.captured(TEN, 9080, b"\x01\x02 hello\n").decode()
    assert f"network from {pod.ip} to {TEN}:9080" in answer


@pytest.mark.parametrize(("host", "port"), [("10.96.1.2", 7777), ("192.0.2.7", 443), ("127.66.5.5", 8099)])
def test_what_no_listener_has_passes_through_with_its_destination(pod: Pod, host: str, port: int) -> None:
    answer = pod.captured(host, port, b"hello\n").decode()
    assert answer == f"hello at network from {pod.ip} to {host}:{port}\n"


def test_an_unknown_host_passes_through_with_its_host_header(pod: Pod) -> None:
    answer = pod.captured("10.96.1.2", 9080, get("own.example")).decode()
    assert f"network from {pod.ip} to 10.96.1.2:9080" in answer
    assert "host: own.example" in answer.lower()


def test_a_loop_to_envoy_itself_ends_in_the_black_hole(pod: Pod) -> None:
    assert pod.captured(pod.ip, 15001, b"hello\n") == b""


def test_a_declared_port_takes_its_own_chain_to_the_app(pod: Pod) -> None:
    answer = pod.entered(9080, get("reviews:9080"), source=pod.other).decode()
    assert answer.startswith("HTTP/1.1 200")
    assert "app" in answer


def test_a_port_that_no_service_names_passes_through_to_the_app(pod: Pod) -> None:
    answer = pod.entered(9443, get("anything"), source=pod.other).decode()
    assert f"passthrough from {pod.other} to {pod.ip}:9443" in answer
    answer = pod.entered(9443, b"bytes\n", source=pod.other).decode()
    assert f"bytes at passthrough from {pod.other} to {pod.ip}:9443" in answer


def test_a_port_that_envoy_was_not_told_of_is_handed_to_it(pod: Pod) -> None:
    answer = pod.handed(8099, get("anything"), source=pod.other).decode()
    assert f"passthrough from {pod.other} to {pod.ip}:8099" in answer


def test_nobody_says_on_tcp_who_he_is(pod: Pod) -> None:
    """The header is bytes for the app there, and no HTTP."""
    header = running.proxyheader.of(("127.66.9.9", 1), (pod.ip, 9443))
    answer = pod.entered(9443, header + b"hello\n", source=pod.other)
    assert b"127.66.9.9" not in answer


def test_the_port_of_capture_itself_is_a_black_hole(pod: Pod) -> None:
    assert pod.entered(15006, get("reviews"), source=pod.other) == b""


def test_sockets_are_their_owners_alone(pod: Pod) -> None:
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in pod.folder.glob("*bound.sock")}
    assert modes == {"outbound.sock": 0o600, "inbound.sock": 0o600}
    assert stat.S_IMODE((pod.folder / "15000.sock").stat().st_mode) == 0o600
