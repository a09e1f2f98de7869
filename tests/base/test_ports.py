"""Ports are free until somebody listens."""

import socket

from labkit.base import ports


def test_a_listening_port_is_taken_and_its_neighbour_is_offered():
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        assert not ports.is_free("127.0.0.1", taken)
        assert ports.free_port(preferred=taken) != taken


def test_a_preferred_port_is_kept_when_it_is_free():
    port = ports.free_port()
    assert ports.free_port(preferred=port) == port
