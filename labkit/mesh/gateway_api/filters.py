"""Filters of routes as fields of a VirtualService's rule."""

import re
from collections.abc import Callable
from typing import Any

from labkit.kube.resources import Object

_META = re.compile(r"[\\.+*?()|\[\]{}^$]")
"""What has a meaning in an expression."""

Destination = Callable[[Any], Object]


def applied(filters: Any, match: Any, destination: Destination) -> Object:
    """Fields of the rule for one match: headers, redirect, rewrite, mirrors, corsPolicy."""
    found: Object = {}
    headers: Object = {}
    for entry in filters or []:
        match entry["type"]:
            case "RequestHeaderModifier":
                headers["request"] = header_operations(entry["requestHeaderModifier"])
            case "ResponseHeaderModifier":
                headers["response"] = header_operations(entry["responseHeaderModifier"])
            case "RequestRedirect":
                found["redirect"] = _redirect(entry["requestRedirect"])
            case "URLRewrite":
                found["rewrite"] = _rewrite(entry["urlRewrite"], match)
            case "RequestMirror":
                found.setdefault("mirrors", []).append(_mirror(entry["requestMirror"], destination))
            case "CORS":
                found["corsPolicy"] = _cors(entry["cors"])
    return found | ({"headers": headers} if headers else {})


def header_operations(said: Any) -> Object:
    """``set``, ``add`` and ``remove``."""
    found: Object = {}
    for word in ("set", "add"):
        if said.get(word):
            found[word] = {h["name"]: h["value"] for h in reversed(said[word])}
    return found | ({"remove": list(said["remove"])} if said.get("remove") else {})


def _redirect(said: Any) -> Object:
    found: Object = {"redirectCode": said.get("statusCode", 302)}
    for ours, theirs in (("scheme", "scheme"), ("hostname", "authority"), ("port", "port")):
        if said.get(ours):
            found[theirs] = said[ours]
    path = said.get("path") or {}
    if path.get("type") == "ReplaceFullPath":
        found["uri"] = path["replaceFullPath"]
    elif path.get("type") == "ReplacePrefixMatch":
        found["prefixRewrite"] = path["replacePrefixMatch"]
    return found


def _rewrite(said: Any, match: Any) -> Object:
    found: Object = {"authority": said["hostname"]} if said.get("hostname") else {}
    path = said.get("path") or {}
    if path.get("type") == "ReplaceFullPath":
        found["uriRegexRewrite"] = {"match": "/.*", "rewrite": path["replaceFullPath"]}
    elif path.get("type") == "ReplacePrefixMatch":
        replaced = path["replacePrefixMatch"].rstrip("/")
        if replaced:
            found["uri"] = replaced
        else:
            # The slash after the prefix must not stand beside the one that replaces it.
            prefix = _META.sub(r"\\\g<0>", (match["uri"].get("prefix") or "").rstrip("/"))
            found["uriRegexRewrite"] = {"match": rf"^{prefix}(/?)(.*)", "rewrite": r"/\2"}
    return found


def _mirror(said: Any, destination: Destination) -> Object:
    share = 100.0
    if said.get("percent") is not None:
        share = float(said["percent"])
    elif said.get("fraction"):
        share = 100.0 * said["fraction"]["numerator"] / said["fraction"].get("denominator", 100)
    return {"destination": destination(said["backendRef"]), "percentage": {"value": share}}


def _cors(said: Any) -> Object:
    found: Object = {
        "allowOrigins": [_origin(origin) for origin in said.get("allowOrigins") or []],
        "unmatchedPreflights": "IGNORE",
    }
    for word in ("allowMethods", "allowHeaders", "exposeHeaders"):
        if said.get(word):
            found[word] = list(said[word])
    if said.get("allowCredentials"):
        found["allowCredentials"] = True
    return found | {"maxAge": f"{said.get('maxAge', 5)}s"}


def _origin(origin: str) -> Object:
    if "*" not in origin:
        return {"exact": origin}
    return {"regex": origin.replace(".", r"\.").replace("*", ".*")}
