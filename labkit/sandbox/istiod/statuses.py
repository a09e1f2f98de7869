"""Statuses with times: a condition keeps the one it has for as long as it says the same. Pure."""

from collections.abc import Mapping
from typing import Any

from labkit.kube.resources import Object

TIME = "lastTransitionTime"
_IDENTITIES = ("type", "name", "parentRef")
"""What tells one entry of a list from another: conditions, listeners, parents."""


def timeless(status: Any) -> Any:
    """A status without its times."""
    if isinstance(status, dict):
        return {key: timeless(value) for key, value in status.items() if key != TIME}
    return [timeless(item) for item in status] if isinstance(status, list) else status


def timed(status: Any, before: Any, now: str) -> Any:
    """A status whose conditions have the time of the last change, given what was there before."""
    if isinstance(status, list):
        earlier = before if isinstance(before, list) else []
        return [timed(item, _same(item, earlier), now) for item in status]
    if not isinstance(status, dict):
        return status
    previous = before if isinstance(before, dict) else {}
    result = {key: timed(value, previous.get(key), now) for key, value in status.items()}
    if {"type", "status", "reason"} <= status.keys():
        kept = previous.get(TIME) if previous.get("status") == status["status"] else None
        result[TIME] = kept or now
    return result


def _same(item: Any, earlier: list[Any]) -> Any:
    if not isinstance(item, dict):
        return None
    key = next((k for k in _IDENTITIES if k in item), None)
    return next((e for e in earlier if key and isinstance(e, dict) and e.get(key) == item[key]), None)


def patch(status: Object, before: Mapping[str, Any] | None) -> Object:
    """The merge patch that makes one status of another."""
    return {"status": {**dict.fromkeys(set(before or {}) - set(status)), **status}}
