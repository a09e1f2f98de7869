"""Formats and patterns that a schema asks of texts."""

import datetime
import ipaddress
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from labkit.sandbox.apiserver.objects import times
from labkit.sandbox.apiserver.objects.validation import names


def effective(schema: Mapping[str, Any]) -> str:
    """The format of a schema if it means something for its type, else empty; the server forgets all others."""
    name: str = schema.get("format") or ""
    return name if name and _plain(name) in _KNOWN.get(schema.get("type") or "string", ()) else ""


def fits(form: str, text: str) -> bool:
    """Whether a text has a format; every text has those of numbers."""
    check = _FORMATS.get(_plain(form))
    return check is None or check(text)


def matches(pattern: str, text: str) -> bool:
    """Whether a pattern is found in a text."""
    return bool(_compiled(pattern).search(text))


def _plain(form: str) -> str:
    return form.replace("-", "")


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern.replace("\\z", "\\Z"))
    except re.error:
        # A pattern in RE2's own dialect is the CRD author's business; nothing is refused for it.
        return re.compile("")


def _is(parse: Callable[[str], Any]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            parse(text)
        except ValueError:
            return False
        return True

    return check


def _like(pattern: str) -> Callable[[str], bool]:
    return lambda text: bool(re.fullmatch(pattern, text))


_LABEL = "[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?"

_FORMATS: Mapping[str, Callable[[str], bool]] = {
    "byte": _like("([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)"),
    "uri": _like(r"([a-zA-Z][a-zA-Z0-9+.-]*:|/)\S*"),
    "duration": _like(r"[-+]?0|[-+]?(\d+\.?\d*(ns|us|µs|ms|s|m|h|d|w) ?)+"),
    "email": _like(r"[^@\s]+@[^@\s]+"),
    "uuid": _like("(?i:[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12})"),
    # A name without a dot may have one hyphen only, and that in the second place.
    "hostname": _like(rf"[a-zA-Z0-9](-?[a-zA-Z0-9]{{0,62}})?|({_LABEL}\.)+[a-zA-Z]{{2,63}}"),
    "datetime": _is(times.canonical),
    "date": lambda text: len(text) == 10 and _is(datetime.date.fromisoformat)(text),
    "ipv4": _is(ipaddress.IPv4Address),
    "ipv6": lambda text: "%" not in text and _is(ipaddress.IPv6Address)(text),
    "cidr": lambda text: "/" in text and _is(lambda t: ipaddress.ip_network(t, strict=False))(text),
    "k8sshortname": lambda text: not names.label(text),
    "k8slongname": lambda text: not names.subdomain(text),
}

_KNOWN: Mapping[str, frozenset[str]] = {
    "string": frozenset(_FORMATS),
    "integer": frozenset({"int32", "int64"}),
    "number": frozenset({"float", "double"}),
}
