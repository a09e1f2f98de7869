"""Matches of routes as matches of a VirtualService, and their order of precedence."""

import re
from collections.abc import Sequence
from typing import Any

from labkit.kube.resources import Object


def http_match(match: Any) -> Object:
    """Of an HTTPRoute."""
    obj: Object = {"uri": _path(match.get("path") or {})}
    if headers := match.get("headers"):
        obj["headers"] = {h["name"].lower(): _text(h) for h in reversed(headers)}
    if query := match.get("queryParams"):
        obj["queryParams"] = {q["name"]: _text(q) for q in reversed(query)}
    if match.get("method"):
        obj["method"] = {"exact": match["method"]}
    return obj


def grpc_match(match: Any) -> Object:
    """Of a GRPCRoute: ``/SERVICE/METHOD`` is the path of a call."""
    method = match.get("method")
    obj: Object = {"uri": _call(method) if method else {"prefix": "/"}}
    if headers := match.get("headers"):
        obj["headers"] = {h["name"].lower(): _text(h) for h in reversed(headers)}
    return obj


def _call(method: Any) -> Object:
    service, name = method.get("service"), method.get("method")
    if method.get("type") == "RegularExpression":
        return {"regex": f"/{service or '.+'}/{name or '.+'}"}
    if service and name:
        return {"exact": f"/{service}/{name}"}
    return {"prefix": f"/{service}"} if service else {"regex": f"/[^/]+/{re.escape(name)}"}


def _path(path: Any) -> Object:
    value = path.get("value", "/")
    match path.get("type", "PathPrefix"):
        case "Exact":
            return {"exact": value}
        case "RegularExpression":
            return {"regex": value}
    # A prefix is one of whole path elements; a slash at its end says nothing more.
    return {"prefix": value.rstrip("/") or "/"}


def _text(match: Any) -> Object:
    kind = "regex" if match.get("type") == "RegularExpression" else "exact"
    return {kind: match["value"]}


_RANK = {"exact": 0, "prefix": 1, "regex": 2}


def in_order(rules: Sequence[Object]) -> list[Object]:
    """Istio's precedence: paths by kind and length, then the method, then the number of headers, then of parameters.

    A prefix comes before any regular expression, ``/`` too, which then hides what follows it.
    """
    return sorted(rules, key=_precedence)


def _precedence(rule: Object) -> tuple[int, int, bool, int, int]:
    match = rule["match"][0]
    kind, value = next(iter(match["uri"].items()))
    others = [match.get("headers") or {}, match.get("queryParams") or {}]
    return _RANK[kind], -len(value), "method" not in match, -len(others[0]), -len(others[1])
