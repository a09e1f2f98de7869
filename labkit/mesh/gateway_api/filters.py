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
    obj: Object = {}
    headers: Object = {}
    for entry in filters or []:
        match entry["type"]:
            case "RequestHeaderModifier":
                headers["request"] = header_operations(entry["requestHeaderModifier"])
            case "ResponseHeaderModifier":
                headers["response"] = header_operations(entry["responseHeaderModifier"])
            case "RequestRedirect":
                obj["redirect"] = _redirect(entry["requestRedirect"])
            case "URLRewrite":
                obj["rewrite"] = _rewrite(entry["urlRewrite"], match)
            case "RequestMirror":
                obj.setdefault("mirrors", []).append(_mirror(entry["requestMirror"], destination))
            case "CORS":
                obj["corsPolicy"] = _cors(entry["cors"])
    return obj | ({"headers": headers} if headers else {})


def header_operations(modifier: Any) -> Object:
    """``set``, ``add`` and ``remove``."""
    obj: Object = {}
    for word in ("set", "add"):
        if modifier.get(word):
            obj[word] = {h["name"]: h["value"] for h in reversed(modifier[word])}
    return obj | ({"remove": list(modifier["remove"])} if modifier.get("remove") else {})


def _redirect(redirect: Any) -> Object:
    obj: Object = {"redirectCode": redirect.get("statusCode", 302)}
    for ours, theirs in (("scheme", "scheme"), ("hostname", "authority"), ("port", "port")):
        if redirect.get(ours):
            obj[theirs] = redirect[ours]
    if not redirect.get("port") and not redirect.get("scheme"):
        obj["derivePort"] = "FROM_REQUEST_PORT"
    path = redirect.get("path") or {}
    if path.get("type") == "ReplaceFullPath":
        obj["uri"] = path["replaceFullPath"]
    elif path.get("type") == "ReplacePrefixMatch":
        obj["prefixRewrite"] = path["replacePrefixMatch"]
    return obj


def _rewrite(rewrite: Any, match: Any) -> Object:
    obj: Object = {"authority": rewrite["hostname"]} if rewrite.get("hostname") else {}
    path = rewrite.get("path") or {}
    if path.get("type") == "ReplaceFullPath":
        obj["uriRegexRewrite"] = {"match": "/.*", "rewrite": path["replaceFullPath"]}
    elif path.get("type") == "ReplacePrefixMatch":
        replaced = path["replacePrefixMatch"].rstrip("/")
        if replaced:
            obj["uri"] = replaced
        else:
            # The slash after the prefix must not stand beside the one that replaces it.
            prefix = _META.sub(r"\\\g<0>", (match["uri"].get("prefix") or "").rstrip("/"))
            obj["uriRegexRewrite"] = {"match": rf"^{prefix}(/?)(.*)", "rewrite": r"/\2"}
    return obj


def _mirror(mirror: Any, destination: Destination) -> Object:
    share = 100.0
    if mirror.get("percent") is not None:
        share = float(mirror["percent"])
    elif mirror.get("fraction"):
        share = 100.0 * mirror["fraction"]["numerator"] / mirror["fraction"].get("denominator", 100)
    return {"destination": destination(mirror["backendRef"]), "percentage": {"value": share}}


def _cors(cors: Any) -> Object:
    obj: Object = {
        "allowOrigins": [_origin(origin) for origin in cors.get("allowOrigins") or []],
        "unmatchedPreflights": "IGNORE",
    }
    for word in ("allowMethods", "allowHeaders", "exposeHeaders"):
        if cors.get(word):
            obj[word] = list(cors[word])
    if cors.get("allowCredentials"):
        obj["allowCredentials"] = True
    return obj | {"maxAge": f"{cors.get('maxAge', 5)}s"}


def _origin(origin: str) -> Object:
    if "*" not in origin:
        return {"exact": origin}
    return {"regex": origin.replace(".", r"\.").replace("*", ".*")}
