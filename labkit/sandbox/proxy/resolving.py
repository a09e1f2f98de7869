"""The address of a Service by the cluster's DNS, as the sandbox answers Envoys: no right in the API is needed.

A question is written by hand: importing a DNS library would cost every start of a proxy a tenth of a second.
"""

import socket
import struct
import time

WAIT = 60.0
"""Seconds to wait for the name before the container gives up and is restarted."""

EVERY = 0.2
"""Seconds until a name server that was silent, or did not know the name, is asked again."""

_A, _IN = 1, 1
_HEADER = struct.Struct(">HHHHHH")
_RECURSE = 0x0100


def question(name: str, number: int = 1) -> bytes:
    """The datagram that asks for a name's IPv4 address (RFC 1035, 4.1)."""
    labels = b"".join(bytes((len(part),)) + part.encode("ascii") for part in name.strip(".").split("."))
    return _HEADER.pack(number, _RECURSE, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", _A, _IN)


def address(reply: bytes) -> str:
    """The first address of an answer to ``question``; empty where there is none.

    The sandbox's server answers with A records alone, each of whose last four bytes are the address.
    """
    count = _HEADER.unpack_from(reply)[3] if len(reply) >= _HEADER.size else 0
    if not count:
        return ""
    end = len(reply) - (count - 1) * ((len(reply) - len(_asked(reply))) // count)
    return socket.inet_ntoa(reply[end - 4 : end])


def _asked(reply: bytes) -> bytes:
    """The header and the question that an answer repeats."""
    end = reply.index(b"\0", _HEADER.size) + 1 + 4
    return reply[:end]


def until_resolved(name: str, server: tuple[str, int], *, wait: float = WAIT) -> str:
    """Ask until the name has an address; SystemExit when the time is over."""
    deadline = time.monotonic() + wait
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.settimeout(EVERY)
        while time.monotonic() < deadline:
            try:
                link.sendto(question(name), server)
                if resolved := address(link.recv(512)):
                    return resolved
            except OSError:
                pass  # no server yet, or a lost datagram
            time.sleep(EVERY)
    raise SystemExit(f"the cluster's DNS knows no {name}: is istiod's Service there?")
