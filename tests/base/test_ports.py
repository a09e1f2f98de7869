"""Ports are free until somebody listens, and then it can be told who."""

import os
import socket

import pytest

from labkit.base import ports


def test_a_listening_port_is_taken_and_its_neighbour_is_offered():
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        assert not ports.is_free("127.0.0.1", taken)
        assert ports.free_port(preferred=taken) != taken


def test_a_preferred_port_is_kept_when_it_is_free():
    port = ports.free_port()
    assert ports.free_port(preferred=port) == port


@pytest.mark.parametrize(
    ("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")], ids=["IPv4", "IPv6"]
)
def test_a_listener_is_listed_with_its_address_its_user_and_its_process(family, address):
    with socket.create_server((address, 0), family=family) as server:
        (one,) = [one for one in ports.listeners() if one.port == server.getsockname()[1]]
        assert (one.address, one.user, ports.process_of(one.inode)) == (address, os.geteuid(), os.getpid())


def test_the_holder_of_a_port_of_every_address_is_named():
    with socket.create_server(("", 0)) as server:
        assert f"(process {os.getpid()})" in ports.holder(server.getsockname()[1])
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert ports.holder(server.getsockname()[1]) == ports.NOBODY
