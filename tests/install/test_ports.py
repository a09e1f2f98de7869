"""A program that has a port of every address is named before anything waits for a pod that cannot listen."""

import os
import socket

import pytest

from labkit.base import errors
from labkit.install import bookinfo, istio, ports


def deployment(port):
    containers = [{"name": "web", "ports": [{"containerPort": port}]}]
    return {"kind": "Deployment", "spec": {"template": {"spec": {"containers": containers}}}}


def test_what_istio_and_bookinfo_listen_on_is_read_from_their_manifests():
    assert {8080, 15012, 15017} <= ports.needed(istio.objects())
    assert 9080 in ports.needed(bookinfo.objects())


@pytest.mark.sandbox
def test_the_port_and_its_holder_are_named(empty_sandbox):
    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(errors.PortTakenError) as refusal:
            ports.require(empty_sandbox.client, [deployment(port)], wanted_for="Bookinfo")
    text = str(refusal.value)
    assert f"Port {port} of every address" in text and f"(process {os.getpid()})" in text
    assert "Bookinfo needs it" in text and "Next: stop that program" in text


@pytest.mark.sandbox
def test_a_program_on_loopback_alone_is_in_nobodys_way(empty_sandbox):
    with socket.create_server(("127.0.0.1", 0)) as server:
        ports.require(empty_sandbox.client, [deployment(server.getsockname()[1])], wanted_for="Bookinfo")
