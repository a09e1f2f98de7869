"""RequestAuthentication."""

import json
from collections.abc import Iterator

from labkit.kube.resources import Object
from labkit.mesh.validation import authorization
from labkit.mesh.validation.findings import Finding, each, listed

_LITERALS = {"t": "true", "f": "false", "n": "null"}


def findings(obj: Object) -> Iterator[Finding]:
    """What Istio says of one."""
    spec = obj.get("spec") or {}
    yield from authorization.selector(spec)
    for rule in each(spec.get("jwtRules")):
        if rule.get("jwks") and (problem := _unreadable(rule["jwks"])):
            yield listed(f"jwks parse error: failed to unmarshal JWK set: {problem}")


def _unreadable(text: str) -> str:
    """Why it is no JSON, as Go words it."""
    try:
        json.loads(text)
    except json.JSONDecodeError as e:
        rest = text[e.pos :].lstrip()
        if not rest:
            return "unexpected end of JSON input"
        literal = _LITERALS.get(rest[0], "")
        for seen, wanted in zip(rest, literal, strict=False):
            if seen != wanted:
                return f"invalid character '{seen}' in literal {literal} (expecting '{wanted}')"
        return f"invalid character '{rest[0]}' looking for beginning of value"
    return ""
