"""Host names, ports, labels and protocols, judged as Istio judges them; a problem is a text that is not empty."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from labkit.mesh.validation.findings import Finding, listed, warning
from labkit.mesh.validation.gotext import quoted

_LABEL = r"[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?"
_LABEL_FORM = re.compile(_LABEL)
_WILDCARD_LABEL_FORM = re.compile(rf"\*|(\*|\*-)?{_LABEL}")
_NAME = r"(?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_KEY = re.compile(rf"({_LABEL}(?:\.{_LABEL})*/)?({_NAME})")
_VALUE = re.compile(rf"({_NAME})?")
_INTEGER = re.compile(r"[+-]?[0-9]+")
LONGEST_LABEL, LONGEST_PREFIX, LONGEST_NAME = 63, 253, 255

HTTP_PROTOCOLS = frozenset({"http", "http2", "http_proxy", "grpc", "grpc-web"})
TLS_PROTOCOLS = frozenset({"https", "tls"})
TCP_PROTOCOLS = TLS_PROTOCOLS | {"tcp", "mongo", "redis", "mysql"}
PROTOCOLS = HTTP_PROTOCOLS | TCP_PROTOCOLS | {"udp", "hbone"}


def is_label(text: str) -> bool:
    """Whether it is a DNS label."""
    return len(text) <= LONGEST_LABEL and bool(_LABEL_FORM.fullmatch(text))


def is_number(text: str) -> bool:
    """Whether Go's Atoi reads it."""
    return bool(_INTEGER.fullmatch(text))


def _length(name: str) -> str:
    if len(name.encode()) > LONGEST_NAME:
        return f"domain name {quoted(name)} too long (max {LONGEST_NAME})"
    return "" if name else "empty domain name not allowed"


def _labels(name: str) -> str:
    parts = name.split(".")
    if is_number(parts[-1]):
        return f"domain name {quoted(name)} invalid (top level domain {quoted(parts[-1])} cannot be all-numeric)"
    # A last empty part is allowed, for unambiguous names such as istio.io.
    labels = parts[:-1] if not parts[-1] else parts
    broken = next((part for part in labels if not is_label(part)), None)
    return "" if broken is None else f"domain name {quoted(name)} invalid (label {quoted(broken)} invalid)"


def fqdn(name: str) -> str:
    """What is wrong with a domain name."""
    return _length(name) or _labels(name)


def wildcard_domain(name: str) -> str:
    """What is wrong with a domain name whose first label may be a wildcard, or a number if it is the only one."""
    if problem := _length(name):
        return problem
    first, dot, rest = name.partition(".")
    if len(first) > LONGEST_LABEL or not _WILDCARD_LABEL_FORM.fullmatch(first):
        return f"domain name {quoted(name)} invalid (label {quoted(first)} invalid)"
    return _labels(rest) if dot else ""


def partial_wildcard(name: str) -> str:
    """Whether a wildcard replaces only part of a label, as in ``a*.example.com``."""
    is_partial = "*" in name and name != "*" and not name.startswith("*.")
    return f"partial wildcard {quoted(name)} not allowed" if is_partial else ""


def port(number: Any) -> str:
    """What is wrong with a port's number."""
    return "" if 1 <= (number or 0) <= 65535 else f"port number {number or 0} must be in the range 1..65535"


def port_name(name: str) -> str:
    """What is wrong with a port's name."""
    return "" if is_label(name) else f"invalid port name: {name}"


def protocol(name: str) -> str:
    """What is wrong with a port's protocol; an empty one is detected."""
    return "" if not name or name.lower() in PROTOCOLS else f"unsupported protocol: {name}"


def subset(name: str) -> str:
    """What is wrong with a subset's name."""
    if not name:
        return "subset name cannot be empty"
    return "" if is_label(name) else f"subset name is invalid: {name}"


def unix_path(path: str) -> str:
    """What is wrong with the path of a Unix domain socket; a name that begins with @ is an abstract one."""
    if not path:
        return "unix address must not be empty"
    is_file = path.startswith("@") or (path.startswith("/") and not path.endswith("/"))
    return "" if is_file else f"{path} is not an absolute path to a file"


def label_problems(labels: Mapping[str, str] | None) -> Iterator[str]:
    """What is wrong with labels."""
    for key, value in sorted((labels or {}).items()):
        parts = _KEY.fullmatch(key)
        if parts is None:
            yield f"invalid tag key: {quoted(key)}"
        elif len(parts[1] or "") - 1 > LONGEST_PREFIX:
            yield f"invalid tag key: {quoted(key)} (DNS prefix is too long)"
        elif len(parts[2]) > LONGEST_LABEL:
            yield f"invalid tag key: {quoted(key)} (name is too long)"
        if not _VALUE.fullmatch(value):
            yield f"invalid tag value: {quoted(value)}"


def labels(labels: Mapping[str, str] | None) -> Iterator[Finding]:
    """The problems of labels as findings; Istio formats even a single one as a list."""
    return map(listed, label_problems(labels))


def gateways(references: list[str] | None) -> Iterator[Finding]:
    """Problems of references to Gateways, ``name`` or ``namespace/name``. Istio stops at the first without a slash."""
    for reference in references or []:
        namespace, slash, name = reference.partition("/")
        if not slash:
            if "." in reference:
                parts = reference.split(".")
                better = quoted(f"{parts[1]}/{parts[0]}")
                yield warning(
                    f"using legacy gatewayName format {quoted(reference)}; "
                    f"prefer the <namespace>/<name> format: {better}"
                )
            yield from map(Finding, filter(None, [fqdn(reference)]))
            return
        if not namespace or not name:
            yield Finding("config namespace and gateway name cannot be empty")
        if not is_label(namespace):
            yield Finding(f"invalid value for namespace: {quoted(namespace)}")
        if not is_label(name):
            yield Finding(f"invalid value for gateway name: {quoted(name)}")


def covers(pattern: str, host: str) -> bool:
    """Whether ``pattern`` covers every name that ``host`` covers."""
    if not pattern.startswith("*"):
        return host == pattern
    if host.startswith("*"):
        return len(host) >= len(pattern) and host[1:].endswith(pattern[1:])
    return host.endswith(pattern[1:])


def overlap(one: str, other: str) -> bool:
    """Whether two hosts, each of which may be a wildcard, share a name."""
    return covers(one, other) or covers(other, one)
