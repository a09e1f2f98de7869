"""Rate limits as they are asked for and as they are counted: in one proxy, and in the rate limit service. Pure.

A proxy counts by the filter's ``stat_prefix`` and says nothing of its tokens; the service counts by descriptor.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

LOCAL, GLOBAL = "proxy", "service"
UNITS = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86400, "WEEK": 604800, "MONTH": 2592000, "YEAR": 31536000}

_LOCAL = re.compile(r"^(?P<prefix>.+)\.http_local_rate_limit\.(?P<name>\w+): (?P<n>\d+)$")
_GLOBAL = re.compile(r"^ratelimit\.service\.rate_limit\.(?P<key>.+)\.(?P<name>\w+): (?P<n>\d+)$")
_LIMIT = re.compile(
    r"^(?P<key>.+): unit=(?P<unit>\w+) requests_per_unit=(?P<n>\d+)(?:, unit_multiplier=(?P<times>\d+))?"
)
_UNLIMITED = re.compile(r"^(?P<key>.+): unlimited")


@dataclass(frozen=True, kw_only=True)
class Limit:
    """One limit: a bucket of a proxy, or a descriptor of the service."""

    where: str
    """``proxy`` or ``service``."""

    name: str
    most: int | None
    """Requests that it admits at once or in a window; None where it was not read, or is unlimited."""

    per: float
    """Seconds in which as many come back."""

    allowed: int
    refused: int
    shadow: int = 0
    """Requests over the limit that passed, since it is not enforced."""


def buckets(dump: Mapping[str, Any]) -> dict[str, tuple[int, float]]:
    """``stat_prefix`` → (most tokens, seconds in which as many come back), from a proxy's ``config_dump``."""
    return {prefix: bucket for prefix, bucket in _buckets(dump) if bucket[0]}


def _buckets(value: Any) -> Iterator[tuple[str, tuple[int, float]]]:
    if isinstance(value, dict):
        if "stat_prefix" in value and isinstance(value.get("token_bucket"), dict):
            bucket = value["token_bucket"]
            most, fill = int(bucket.get("max_tokens", 0)), int(bucket.get("tokens_per_fill", 1))
            yield str(value["stat_prefix"]), (most, _seconds(bucket.get("fill_interval", "0s")) * most / max(1, fill))
        for item in value.values():
            yield from _buckets(item)
    elif isinstance(value, list):
        for item in value:
            yield from _buckets(item)


def _seconds(duration: str) -> float:
    return float(str(duration).removesuffix("s") or 0)


def of_proxy(stats: str, asked: Mapping[str, tuple[int, float]]) -> list[Limit]:
    """A row for each local limit, from the text of ``/stats``; one that was never asked counts nothing."""
    counted = {**{prefix: {} for prefix in asked}, **_counted(stats, _LOCAL, "prefix")}
    rows = []
    for prefix, counts in sorted(counted.items()):
        most, per = asked.get(prefix, (None, 0.0))
        refused = counts.get("enforced", 0)
        shadow = counts.get("rate_limited", 0) - refused
        rows.append(
            Limit(
                where=LOCAL, name=prefix, most=most, per=per,
                allowed=counts.get("ok", 0) + shadow, refused=refused, shadow=shadow,
            )
        )  # fmt: skip
    return rows


def of_service(limits: str, stats: str) -> list[Limit]:
    """A row for each descriptor, from the service's pages ``/rlconfig`` and ``/stats``."""
    counted = _counted(stats, _GLOBAL, "key")
    rows = []
    for line in limits.splitlines():
        match, unlimited = _LIMIT.match(line), _UNLIMITED.match(line)
        if match:
            counts = counted.get(match["key"], {})
            shadow = counts.get("shadow_mode", 0)
            rows.append(
                Limit(
                    where=GLOBAL,
                    name=match["key"],
                    most=int(match["n"]),
                    per=float(UNITS.get(match["unit"], 0) * int(match["times"] or 1)),
                    allowed=counts.get("within_limit", 0) + shadow,
                    refused=counts.get("over_limit", 0) - shadow,
                    shadow=shadow,
                )
            )
        elif unlimited:
            rows.append(Limit(where=GLOBAL, name=unlimited["key"], most=None, per=0.0, allowed=0, refused=0))
    return rows


def rows(limits: list[Limit]) -> list[dict[str, Any]]:
    """As plain data, for a view."""
    return [asdict(limit) for limit in limits]


def _counted(text: str, pattern: re.Pattern[str], key: str) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for line in text.splitlines():
        if match := pattern.match(line):
            counts.setdefault(match[key], {})[match["name"]] = int(match["n"])
    return counts


def configuration(text: str) -> dict[str, tuple[int, float]]:
    """The buckets of a ``config_dump``'s text."""
    return buckets(json.loads(text))
