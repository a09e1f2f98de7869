"""Which requests a rule is for."""

from collections.abc import Mapping
from typing import Any

from labkit.mesh import ir

CLAIMS = "@request.auth.claims"
"""How a header is called that is none, but a claim of the request's token."""


def request_match(match: Mapping[str, Any] | None, *, by_elements: bool = False) -> ir.Match:
    """Path, headers, method and query of one ``match``; ``by_elements`` where a prefix ends at a slash."""
    if not match:
        return ir.Match(is_empty=True)
    conditions = [ir.Condition(name=n, text=text(v)) for n, v in sorted((match.get("headers") or {}).items())]
    conditions += [
        ir.Condition(name=n, text=text(v), is_inverted=True)
        for n, v in sorted((match.get("withoutHeaders") or {}).items())
    ]
    headers = [c for c in conditions if not c.name.startswith(CLAIMS)]
    headers += [
        ir.Condition(name=f":{key}", text=text(match[key]))
        for key in ("method", "authority", "scheme")
        if match.get(key)
    ]
    query = [ir.Condition(name=n, text=text(v)) for n, v in sorted((match.get("queryParams") or {}).items())]
    return ir.Match(
        path=_path(match.get("uri"), by_elements=by_elements),
        ignores_case=bool(match.get("ignoreUriCase")),
        headers=tuple(headers),
        query=tuple(query),
        claims=tuple((claim_path(c.name), c) for c in conditions if c.name.startswith(CLAIMS)),
    )


def claim_path(name: str) -> tuple[str, ...]:
    """``@request.auth.claims.a.b`` and ``@request.auth.claims[a][b]`` → (a, b)."""
    rest = name.removeprefix(CLAIMS)
    if rest.startswith("["):
        return tuple(part.rstrip("]") for part in rest.split("[") if part)
    return tuple(part for part in rest.split(".") if part)


def text(value: Mapping[str, Any] | None) -> ir.Text:
    """A StringMatch; without a word, or with the regular expression ``*``, only presence counts."""
    spec = value or {}
    for kind in ("exact", "prefix", "regex"):
        if spec.get(kind) is not None:
            is_anything = kind == "regex" and spec[kind] == "*"
            return ir.Text(kind="present") if is_anything else ir.Text(kind=kind, value=str(spec[kind]))
    return ir.Text(kind="present")


def _path(uri: Mapping[str, Any] | None, *, by_elements: bool) -> ir.Text:
    path = text(uri)
    if by_elements and path.kind == "prefix" and path != ir.ANY_PATH:
        return ir.Text(kind="elements", value=path.value.rstrip("/"))
    return ir.ANY_PATH if path.kind == "present" else path
