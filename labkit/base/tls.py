"""TLS connections that wait more than they talk."""

from asyncio import sslproto

BUFFER = 16 * 1024
"""Bytes that each connection keeps for what it reads: one TLS record. asyncio's own 256 KiB are 7 MB of an idle
API server with its two dozen watches."""


def use_small_buffers() -> None:
    """For every TLS connection that this process's event loop makes from now on."""
    sslproto.SSLProtocol.max_size = BUFFER
