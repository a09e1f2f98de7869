"""IP addresses and ranges, judged as Go's ``net/netip`` judges them."""

import ipaddress
import re

from labkit.mesh.validation.gotext import quoted

_BITS = re.compile(r"0|[1-9][0-9]*")


def is_ip(text: str) -> bool:
    """Whether a text is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def ip(text: str) -> str:
    """What is wrong with an address; empty for a valid one."""
    return "" if is_ip(text) else f"{text} is not a valid IP"


def subnet(text: str) -> str:
    """What is wrong with an address or a range of them."""
    if text.count("/") == 1:
        return f"{text} is not a valid CIDR block" if prefix(text) else ""
    return ip(text)


def block(text: str) -> str:
    """What is wrong with an address or range in a policy, in the policy's words."""
    if "/" in text:
        problem = prefix(text)
        return f"bad CIDR range ({text}): {problem}" if problem else ""
    return "" if is_ip(text) else f"bad IP address ({text})"


def prefix(text: str) -> str:
    """What is wrong with a range, in Go's words."""
    problem = _prefix(text)
    return f"netip.ParsePrefix({quoted(text)}): {problem}" if problem else ""


def _prefix(text: str) -> str:
    if "/" not in text:
        return "no '/'"
    address, _, bits = text.rpartition("/")
    if not is_ip(address):
        return f"ParseAddr({quoted(address)}): {_reason(address)}"
    if "%" in address:
        return "IPv6 zones cannot be present in a prefix"
    if not _BITS.fullmatch(bits):
        return f"bad bits after slash: {quoted(bits)}"
    return "prefix length out of range" if int(bits) > (128 if ":" in address else 32) else ""


def _reason(text: str) -> str:
    """Why Go rejects a text as an address; the first dot, colon or percent sign selects the message."""
    kind = re.search(r"[.:%]", text)
    if kind is None:
        return "unable to parse IP"
    if kind.group() == "%":
        return "missing IPv6 address"
    return _reason_of_v4(text) if kind.group() == "." else "unable to parse IP"


def _reason_of_v4(text: str) -> str:
    fields = text.split(".")
    for at, field in enumerate(fields):
        if odd := re.search(r"[^0-9]", field):
            rest = ".".join([field[odd.start() :], *fields[at + 1 :]])
            return f"unexpected character (at {quoted(rest)})"
        if not field:
            return f"IPv4 field must have at least one digit (at {quoted('.'.join(['', *fields[at + 1 :]]))})"
        if len(field) > 1 and field[0] == "0":
            return "IPv4 field has octet with leading zero"
        if int(field) > 255:
            return "IPv4 field has value >255"
    return "IPv4 address too short" if len(fields) < 4 else "IPv4 address too long"
