"""The header rules of a VirtualService in words: ``end-user is jason`` → ``v2``. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

WORDS = {"exact": "is", "prefix": "begins with", "regex": "matches"}
"""How each kind of string match reads."""

PLACES = {"uri": "path", "method": "method", "authority": "host", "scheme": "scheme"}
"""Conditions on one text of the request, and what they are called."""


def sentences(text: str) -> list[dict[str, str]]:
    """``[{"when": "end-user is jason", "to": "v2"}]``: a row for each rule with a condition, in their order."""
    rules = ((yaml.safe_load(text) or {}).get("spec") or {}).get("http") or [] if text else []
    return [
        {"when": " or ".join(_condition(match) for match in rule["match"]), "to": _destinations(rule)}
        for rule in rules
        if rule.get("match")
    ]


def _condition(match: Mapping[str, Any]) -> str:
    return " and ".join(_parts(match)) or "anything"


def _parts(match: Mapping[str, Any]) -> Iterator[str]:
    for key, word in PLACES.items():
        if key in match:
            yield f"{word} {_matcher(match[key])}"
    for key, prefix in (("headers", ""), ("queryParams", "query ")):
        for name, matcher in (match.get(key) or {}).items():
            yield f"{prefix}{name} {_matcher(matcher)}"
    for name, matcher in (match.get("withoutHeaders") or {}).items():
        yield f"not {name} {_matcher(matcher)}"
    yield from (f"{key} {match[key]}" for key in ("port", "sourceLabels", "sourceNamespace") if key in match)


def _matcher(matcher: Mapping[str, Any] | None) -> str:
    for kind, value in (matcher or {}).items():
        return f"{WORDS.get(kind, kind)} {value}"
    return "is there"


def _destinations(rule: Mapping[str, Any]) -> str:
    routes = rule.get("route") or []
    named = [(_name(entry.get("destination") or {}), entry.get("weight")) for entry in routes]
    if not named:
        return "a redirect" if "redirect" in rule else "an answer of the proxy's own"
    return ", ".join(name if len(named) == 1 else f"{name} {weight or 0} %" for name, weight in named)


def _name(destination: Mapping[str, Any]) -> str:
    return str(destination.get("subset") or destination.get("host", "?"))
