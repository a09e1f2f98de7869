"""RequestAuthentication."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from labkit.kube.resources import Object
from labkit.mesh.validation import gojson, headers, selectors
from labkit.mesh.validation.findings import Finding, each, listed
from labkit.mesh.validation.gotext import quoted

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")


def findings(obj: Object) -> Iterator[Finding]:
    """What Istio says of one."""
    spec = obj.get("spec") or {}
    yield from selectors.of_policy(spec)
    for rule in each(spec.get("jwtRules")):
        yield from map(listed, _rule(rule))


def _rule(rule: Mapping[str, Any]) -> Iterator[str]:
    if "" in (rule.get("audiences") or []):
        yield "audience must be non-empty string"
    if uri := rule.get("jwksUri"):
        scheme = _SCHEME.match(uri)
        if (scheme[1].lower() if scheme else "") not in ("http", "https"):
            yield f"URI scheme {quoted(scheme[1].lower() if scheme else '')} is not supported"
    if rule.get("jwks") and (problem := _unreadable(rule["jwks"])):
        yield f"jwks parse error: failed to unmarshal JWK set: {problem}"
    if any(not header.get("name") for header in each(rule.get("fromHeaders"))):
        yield "location header name must be non-empty string"
    if "" in (rule.get("fromParams") or []):
        yield "location query must be non-empty string"
    if "" in (rule.get("fromCookies") or []):
        yield "cookie name must be non-empty string"
    for output in each(rule.get("outputClaimToHeaders")):
        if not output.get("claim") or not output.get("header"):
            yield "outputClaimToHeaders header and claim value must be non-empty string"
        elif problem := headers.plain(output["header"]):
            yield problem


def _unreadable(text: str) -> str:
    """Why a text is no set of keys."""
    if problem := gojson.problem(text):
        return problem
    keys = json.loads(text)
    if not isinstance(keys, dict):
        return gojson.mismatch(keys, "map[string]json.RawMessage")
    # A single key, which has a type, is a set of one.
    return "" if "keys" in keys or "kty" in keys else "failed to parse sole key in key set"
