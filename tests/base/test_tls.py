"""Connections that wait more than they talk."""

from asyncio import sslproto

from labkit.base import tls


def test_a_connection_keeps_one_records_room(monkeypatch):
    monkeypatch.setattr(sslproto.SSLProtocol, "max_size", sslproto.SSLProtocol.max_size)
    tls.use_small_buffers()
    assert sslproto.SSLProtocol.max_size == tls.BUFFER
