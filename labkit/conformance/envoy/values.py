"""Envoy's scalar messages as plain values: durations, fractions, text matchers."""

import json
from collections.abc import Iterable
from typing import Any

Json = dict[str, Any]

DENOMINATORS = {"HUNDRED": 100, "TEN_THOUSAND": 10_000, "MILLION": 1_000_000}
KINDS_OF_MATCH = ("exact", "prefix", "suffix", "contains")

ISTIO_ALPN = frozenset(("istio-peer-exchange", "istio-http/1.0", "istio-http/1.1", "istio-h2"))
"""Protocol names that only Istio's own filters offer and understand."""


def present(fields: Json) -> Json:
    """The fields that hold something: an absent field, an empty list and an empty text mean the same to Envoy."""
    return {key: value for key, value in fields.items() if value not in (None, [], {}, "")}


def unordered(value: Any) -> Any:
    """A value whose lists are in the order of their items' text, however deep."""
    if isinstance(value, dict):
        return {key: unordered(part) for key, part in value.items()}
    return ordered(map(unordered, value)) if isinstance(value, list) else value


def ordered(items: Iterable[Any]) -> list[Any]:
    """A list whose order means nothing, in the order of its items' JSON text."""
    return sorted(items, key=lambda item: json.dumps(item, sort_keys=True))


def seconds(duration: str | None) -> float | None:
    """``"0.500s"`` as 0.5."""
    return None if duration is None else round(float(str(duration).removesuffix("s")), 6)


def percent(fraction: Json | None, *, absent: float | None = 100.0) -> float | None:
    """A FractionalPercent as a percentage; ``absent`` where there is none."""
    if fraction is None:
        return absent
    share: float = fraction.get("numerator", 0) / DENOMINATORS[fraction.get("denominator", "HUNDRED")]
    return round(share * 100, 6)


def text_match(matcher: Json) -> list[Any]:
    """A StringMatcher, or a header matcher of the old form (``exact_match``), as ``[kind, value]``."""
    matcher = matcher.get("string_match", matcher)
    folded = " nocase" if matcher.get("ignore_case") else ""
    for kind in KINDS_OF_MATCH:
        value = matcher.get(kind, matcher.get(f"{kind}_match"))
        if value is not None:
            return [kind + folded, value]
    regex = matcher.get("safe_regex") or matcher.get("safe_regex_match")
    if regex:
        return ["regex", regex["regex"]]
    if "present_match" in matcher:
        return ["present", matcher["present_match"]]
    return ["any", json.dumps(matcher, sort_keys=True)]


def type_of(config: Json) -> str:
    """The last word of ``@type``: ``type.googleapis.com/envoy….TcpProxy`` is ``TcpProxy``."""
    return str(config.get("@type", "")).rsplit(".", 1)[-1]


def weighted(action: Json) -> list[list[Any]]:
    """Where a TcpProxy sends connections: ``[[cluster, weight], …]``."""
    clusters = action.get("weighted_clusters", {}).get("clusters")
    if clusters:
        return [[target["name"], target.get("weight", 0)] for target in clusters]
    return [[action.get("cluster"), 100]]
