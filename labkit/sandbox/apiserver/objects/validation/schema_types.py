"""Whether a value has the type that a schema asks for."""

from collections.abc import Mapping
from typing import Any

from labkit.sandbox.apiserver.objects.validation import causes, formats
from labkit.sandbox.apiserver.objects.validation.causes import Cause

Schema = Mapping[str, Any]

_WORDS: Mapping[type, str] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    dict: "object",
    list: "array",
}
_GO_FORMATS = {"integer": "int64", "number": "float64"}
"""How a number is said to be formatted where a schema asks for another format; nothing else has one."""

_EXACT = 2**53
"""From here on a number that was written with a fraction is not taken for an integer."""


def kind_of(value: Any) -> str:
    """OpenAPI's word for a value; what does not fit into 64 bits is no integer to Go."""
    word = _WORDS.get(type(value)) or next((_WORDS[kind] for kind in type(value).__mro__ if kind in _WORDS), "null")
    return "number" if word == "integer" and not -(2**63) <= value < 2**63 else word


def types(schema: Schema) -> tuple[str, ...]:
    """The types that values may have; none when any will do."""
    if schema.get("x-kubernetes-int-or-string"):
        return ("integer", "string")
    return (schema["type"],) if schema.get("type") else ()


def are_asked(schema: Schema) -> bool:
    """Whether a schema says anything on the type of its values."""
    return bool(schema.get("type") or types(schema) or formats.effective(schema))


def problem(schema: Schema, value: Any, seen: str, path: str) -> Cause | None:
    """What is wrong with the type of a value, which is ``seen``."""
    if schema.get("type") == seen:
        return None
    expected, form = types(schema), formats.effective(schema)
    if seen == "null":
        return None if schema.get("nullable") or not expected else causes.mistyped(path, seen, ",".join(expected))
    if seen in expected or not (expected or form):
        return None
    is_numeric = not {"integer", "number"}.isdisjoint(expected)
    if is_numeric and (seen == "integer" or (seen == "number" and value % 1 == 0 and abs(value) < _EXACT)):
        return None
    if form and seen not in ("string", "array"):
        return causes.mistyped(path, _GO_FORMATS.get(seen, ""), form)
    # Where a format is asked of a text, a list is not found to be none.
    return causes.mistyped(path, seen, ",".join(expected)) if is_numeric or not form else None
