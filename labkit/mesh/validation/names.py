"""Host names, namespaces, ports, labels and headers, judged as Istio judges them. A problem is a text."""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any

from labkit.mesh.names import is_authority

_LABEL = r"[a-zA-Z0-9](?:[-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?"
LABEL = re.compile(_LABEL)
_WILDCARD_LABEL = re.compile(rf"\*|(\*-)?{_LABEL}")
_KEY = re.compile(r"([a-z0-9.-]+/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
_HEADER = re.compile(r":?[-!#$%&'*+.^_`|~0-9a-zA-Z]+")
LONGEST_NAME = 255


def is_label(text: str) -> bool:
    """Whether it is a DNS label."""
    return bool(LABEL.fullmatch(text))


def is_ip(text: str) -> bool:
    """Whether it is an address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_network(text: str) -> bool:
    """Whether it is an address or a range of them."""
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _length(name: str) -> str:
    if not name:
        return "empty domain name not allowed"
    return f'domain name "{name}" too long (max {LONGEST_NAME})' if len(name) > LONGEST_NAME else ""


def _labels(name: str) -> str:
    parts = name.split(".")
    # A last empty part is allowed, for unambiguous names such as istio.io.
    wrong = next((p for at, p in enumerate(parts) if not is_label(p) and (p or at < len(parts) - 1)), None)
    return "" if wrong is None else f'domain name "{name}" invalid (label "{wrong}" invalid)'


def fqdn(name: str) -> str:
    """What is wrong with a domain name; empty when nothing is."""
    return _length(name) or _labels(name)


def wildcard_domain(name: str) -> str:
    """As ``fqdn``; the first label may be a wildcard."""
    if problem := _length(name):
        return problem
    first, dot, rest = name.partition(".")
    if not _WILDCARD_LABEL.fullmatch(first):
        return f'domain name "{name}" invalid (label "{first}" invalid)'
    return _labels(rest) if dot else ""


def port(number: Any) -> str:
    """What is wrong with a port's number."""
    return "" if 1 <= (number or 0) <= 65535 else f"port number {number or 0} must be in the range 1..65535"


def subset(name: str) -> str:
    """What is wrong with a subset's name."""
    if not name:
        return "subset name cannot be empty"
    return "" if is_label(name) else f"subset name is invalid: {name}"


def export_to(spec: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with ``exportTo``."""
    said = spec.get("exportTo") or []
    if len(set(said)) < len(said):
        yield f"duplicate entries in exportTo: {next(e for e in said if said.count(e) > 1)}"
    for entry in said:
        if entry not in (".", "*", "~") and not is_label(entry):
            yield "only .,*, or a valid DNS 1123 label is allowed as exportTo entry"


def labels(said: Mapping[str, str] | None) -> Iterator[str]:
    """What is wrong with labels that select something."""
    for key, value in sorted((said or {}).items()):
        if not _KEY.fullmatch(key):
            yield f'invalid tag key: "{key}"'
        elif not _VALUE.fullmatch(value):
            yield f'invalid tag value: "{value}"'


def header(name: str) -> str:
    """What is wrong with a header's name."""
    if not name:
        return "header name cannot be empty"
    return "" if _HEADER.fullmatch(name) else f"header name {name} is not a valid header name"


def changed_header(name: str, *, may_be_host: bool) -> str:
    """What is wrong with the name of a header that is set, added or removed; only a request may be given a host."""
    if not name:
        return "header name cannot be empty"
    if may_be_host and is_authority(name):
        return ""
    if name.lower() == "host":
        return f'invalid header "{name}": cannot set Host header'
    return f'invalid header "{name}": header cannot have ":" prefix' if name.startswith(":") else ""


def contains(pattern: str, host: str) -> bool:
    """Whether every name that ``host`` stands for is one that ``pattern`` stands for."""
    if pattern == "*":
        return True
    if pattern.startswith("*"):
        return host.removeprefix("*").endswith(pattern[1:])
    return host == pattern
