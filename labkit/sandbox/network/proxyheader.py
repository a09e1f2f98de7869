"""The PROXY protocol, version 2 (haproxy.org/download/2.9/doc/proxy-protocol.txt): source and destination first."""

import ipaddress
import struct
from collections.abc import Callable

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_START = struct.Struct("!12sBBH")
_V4, _V6 = struct.Struct("!4s4sHH"), struct.Struct("!16s16sHH")
START = _START.size
"""Bytes that every header has."""

_PROXY, _LOCAL = 0x21, 0x20
_TCP4, _TCP6 = 0x11, 0x21

Address = tuple[str, int]
"""An IP address and a port."""


class HeaderError(Exception):
    """Bytes that are no such header."""


def of(source: Address, destination: Address) -> bytes:
    """The header of a TCP connection."""
    pair = ipaddress.ip_address(source[0]), ipaddress.ip_address(destination[0])
    if {address.version for address in pair} == {4}:
        family, body = _TCP4, _V4
    else:
        # One family holds both: an IPv4 address is mapped.
        family, body = _TCP6, _V6
        pair = _mapped(pair[0]), _mapped(pair[1])
    data = body.pack(pair[0].packed, pair[1].packed, source[1], destination[1])
    return _START.pack(SIGNATURE, _PROXY, family, len(data)) + data


def _mapped(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv6Address:
    return address if address.version == 6 else ipaddress.IPv6Address(f"::ffff:{address}")


def size_of(start: bytes) -> int:
    """How many bytes the header has, from its first sixteen; HeaderError."""
    signature, command, _, length = _START.unpack(start)
    if signature != SIGNATURE or command not in (_PROXY, _LOCAL):
        raise HeaderError(f"not a PROXY protocol header: {start[:16]!r}")
    return START + int(length)


def parse(header: bytes) -> tuple[Address, Address]:
    """Source and destination of a whole header; HeaderError."""
    _, command, family, _ = _START.unpack(header[:START])
    form = {_TCP4: _V4, _TCP6: _V6}.get(family)
    if command != _PROXY or form is None or len(header) < START + form.size:
        raise HeaderError("a PROXY protocol header without addresses of TCP")
    source, destination, source_port, port = form.unpack_from(header, START)
    return (str(_plain(source)), source_port), (str(_plain(destination)), port)


def _plain(packed: bytes) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(packed)
    return getattr(address, "ipv4_mapped", None) or address


def read(take: Callable[[int], bytes]) -> tuple[Address, Address]:
    """The same from a blocking reader of exactly so many bytes."""
    start = take(START)
    if len(start) < START:
        raise HeaderError(f"not a PROXY protocol header: {start!r}")
    return parse(start + take(size_of(start) - START))
