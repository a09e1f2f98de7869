"""Whether a process without privileges may listen below port 1024: not on most machines, but in most containers."""

import errno
import socket

LOOPBACK = "127.0.0.1"
HTTP = 80


def may_be_bound(host: str = LOOPBACK, port: int = HTTP) -> bool:
    """Whether a gateway's Envoy can take port 80 of its own address.

    Asked by trying: a user id tells little, since root of a user namespace may not (user_namespaces(7)).
    """
    with socket.socket() as attempt:
        try:
            attempt.bind((host, port))
        except OSError as e:
            return e.errno == errno.EADDRINUSE
    return True
