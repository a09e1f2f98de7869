"""nc: a connection of its own for standard input and output, through the sidecar by CONNECT.

A program whose connections a kernel redirects need not know of its sidecar; here the client asks for the way.
"""

import os
import select
import socket
import sys
import time
from collections.abc import Mapping, Sequence

from labkit.sandbox.apps import proxying

QUIET = 0.2
"""Seconds without an answer, after the input has ended, that count as the end: a tunnel has no half-closing."""

FIRST = 2.0
"""Seconds that the first answer may take then, where ``-w`` does not say."""

HEAD_LIMIT = 65536


class UsageError(Exception):
    """Arguments that name no host and port."""


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """``nc [-w SECONDS] HOST PORT``; 1 when nobody is there, as nc says it."""
    try:
        host, port, limit = parse(argv[1:])
        with connected(host, port, env) as link:
            _carry(link, limit)
    except UsageError as e:
        print(f"nc: {e}", file=sys.stderr)
        return 1
    except OSError as e:
        print(f"nc: {host} ({host}:{port}): {e.strerror or e}", file=sys.stderr)
        return 1
    return 0


def parse(words: Sequence[str]) -> tuple[str, int, float]:
    """``["-w", "2", "tcp-echo", "9000"]`` gives ``("tcp-echo", 9000, 2.0)``."""
    rest, limit = list(words), FIRST
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option.startswith("-w"):
            value = option[2:] or (rest.pop(0) if rest else "")
            if not value.isdigit():
                raise UsageError("-w needs a number of seconds")
            limit = float(value)
        elif option.strip("-nv"):
            raise UsageError(f"there is no option {option} here; there is -w SECONDS")
    if len(rest) != 2 or not rest[1].isdigit():
        raise UsageError("usage: nc [-w SECONDS] HOST PORT")
    return rest[0], int(rest[1]), limit


def connected(host: str, port: int, env: Mapping[str, str]) -> socket.socket:
    """A connection to ``host:port``, by CONNECT where the environment names a proxy; OSError when there is none."""
    proxy = proxying.proxy_for(host, env)
    if not proxy:
        return socket.create_connection((host, port))
    name, _, number = proxy.partition("://")[2].strip("/").rpartition(":")
    link = socket.create_connection((name, int(number)))
    link.sendall(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    head = b""
    # A byte at a time: what follows the head belongs to the connection.
    while not head.endswith(b"\r\n\r\n") and len(head) < HEAD_LIMIT:
        read = link.recv(1)
        if not read:
            break
        head += read
    status = head.split(b" ", 2)[1:2]
    if status != [b"200"]:
        link.close()
        raise ConnectionRefusedError(f"Connection refused (the proxy says {b''.join(status).decode() or 'nothing'})")
    return link


def _carry(link: socket.socket, limit: float) -> None:
    """Input to the connection, answers to the output, until the other end closes or is quiet after our end."""
    sources: list[int] = [link.fileno(), sys.stdin.fileno()]
    ended, answered = 0.0, False
    while True:
        left = (QUIET if answered else limit) - (time.monotonic() - ended) if ended else None
        ready = select.select(sources, [], [], None if left is None else max(0.0, left))[0]
        if not ready:
            return
        for source in ready:
            data = os.read(source, 65536)
            if source == link.fileno():
                if not data:
                    return
                os.write(sys.stdout.fileno(), data)
                answered, ended = True, time.monotonic() if ended else 0.0
            elif data:
                link.sendall(data)
            else:
                sources.remove(source)
                ended = time.monotonic()
