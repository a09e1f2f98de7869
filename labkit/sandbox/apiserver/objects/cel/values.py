"""Objects as CEL sees them: by their schema, under names that CEL can say."""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from labkit.kube import durations
from labkit.kube.resources import Object

Schema = Mapping[str, Any]

_RESERVED = frozenset(
    (
        *("true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if"),
        *("import", "let", "loop", "package", "namespace", "return", "var", "void", "while"),
    )
)
SPOKEN = frozenset(_RESERVED - {"true", "false", "null", "in"})
"""Reserved words that can be said as they are behind a dot."""

_ESCAPES = {".": "__dot__", "-": "__dash__", "/": "__slash__"}
_NAMED = ("name", "generateName")
"""The only metadata that rules can read."""


def escaped(name: str) -> str | None:
    """The name of a field in CEL: ``a-b`` is ``a__dash__b``; None for a name that cannot be said."""
    if name in _RESERVED:
        return f"__{name}__"
    if not name or name[0].isdigit():
        return None
    text = name.replace("__", "__underscores__")
    text = "".join(_ESCAPES.get(letter, letter) for letter in text)
    return text if re.fullmatch(r"\w+", text, re.ASCII) else None


def root(schema: Schema, obj: Object) -> Any:
    """A whole object: its fields, and of its metadata the name."""
    metadata = {key: value for key, value in (obj.get("metadata") or {}).items() if key in _NAMED}
    body = {key: value for key, value in obj.items() if key not in ("metadata", "apiVersion", "kind")}
    head = {key: obj[key] for key in ("apiVersion", "kind") if key in obj}
    return {**_struct(schema, body), **head, "metadata": metadata}


def of(schema: Schema, value: Any) -> Any:
    """Any value below the root."""
    if value is None or schema.get("x-kubernetes-int-or-string"):
        return value
    if isinstance(value, dict):
        extra = schema.get("additionalProperties")
        if isinstance(extra, dict):
            return {key: of(extra, item) for key, item in value.items()}
        return _struct(schema, value)
    if isinstance(value, list):
        items = schema.get("items")
        return [of(items, item) for item in value] if isinstance(items, dict) else value
    if schema.get("type") == "number" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return _text(schema.get("format") or "", value) if schema.get("type") == "string" else value


def _struct(schema: Schema, value: Object) -> Object:
    properties: Schema = schema.get("properties") or {}
    struct: Object = {}
    for key, item in value.items():
        if name := escaped(key):
            struct[name] = of(properties.get(key) or {}, item)
            if key in SPOKEN:
                struct[key] = struct[name]
    return struct


def _text(form: str, value: str) -> Any:
    """A text whose format gives it a type of its own."""
    if form == "byte":
        return _bytes(value)
    if form not in ("date-time", "date", "duration"):
        return value
    from google.protobuf import duration_pb2, timestamp_pb2

    if form == "duration":
        length = durations.seconds(value)
        if length is None:
            return value
        return duration_pb2.Duration(seconds=int(length), nanos=int((length - int(length)) * 10**9))
    moment = timestamp_pb2.Timestamp()
    try:
        moment.FromJsonString(value if form == "date-time" else f"{value}T00:00:00Z")
    except ValueError:
        return value
    return moment


def _bytes(value: str) -> Any:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return value
