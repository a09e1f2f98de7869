"""Values against the OpenAPI schema of a custom resource, worded as the server's validator words it."""

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from labkit.sandbox.apiserver.objects import reading, times
from labkit.sandbox.apiserver.objects.validation import causes
from labkit.sandbox.apiserver.objects.validation.causes import Cause

Schema = Mapping[str, Any]

_NOWHERE = "<nil>"
"""The field of complaints that the validator makes without a path."""


def problems(schema: Schema, value: Any, path: str, old: Any = None) -> Iterator[Cause]:
    """What is wrong; what ``old`` said already may stay."""
    if old is not None and old == value:
        return
    if value is None and schema.get("nullable"):
        return
    kinds = _types(schema)
    seen = kind_of(value)
    if kinds and seen not in kinds and not (seen == "integer" and "number" in kinds):
        yield _mistyped(path, seen, ",".join(kinds))
        if seen == "number" and "integer" in kinds:
            detail = f"Checked value must be of type integer (default format) in {path}"
            yield Cause("FieldValueInvalid", f'Invalid value: "": {detail}', _NOWHERE)
        return
    yield from _KINDS.get(seen, _nothing)(schema, value, path, old)
    if (words := schema.get("enum")) and value not in words:
        yield causes.unsupported(path, value, [w if isinstance(w, str) else causes.shown(w) for w in words])
    yield from _combined(schema, value, path)


def kind_of(value: Any) -> str:
    """OpenAPI's word for a value."""
    if isinstance(value, bool):
        return "boolean"
    names = {str: "string", int: "integer", float: "number", dict: "object", list: "array"}
    return next((word for kind, word in names.items() if isinstance(value, kind)), "null")


def _types(schema: Schema) -> tuple[str, ...]:
    if schema.get("x-kubernetes-int-or-string"):
        return ("integer", "string")
    return (schema["type"],) if schema.get("type") else ()


def _mistyped(path: str, seen: Any, wanted: str) -> Cause:
    text = f"Invalid value: {causes.shown(seen)}: {path} in body must be of type {wanted}: {causes.shown(seen)}"
    return Cause("FieldValueTypeInvalid", text, path)


def _nothing(schema: Schema, value: Any, path: str, old: Any) -> Iterator[Cause]:
    yield from ()


def _string(schema: Schema, value: str, path: str, old: Any) -> Iterator[Cause]:
    if (limit := schema.get("maxLength")) is not None and len(value) > limit:
        yield causes.too_long(path, limit)
    if (limit := schema.get("minLength")) is not None and len(value) < limit:
        yield causes.wrong(path, value, f"{path} in body should be at least {limit} chars long")
    pattern = schema.get("pattern")
    if pattern and not _compiled(pattern).search(value):
        yield causes.wrong(path, value, f"{path} in body should match '{pattern}'")
    check = _FORMATS.get(schema.get("format") or "")
    if check and not check(value):
        yield _mistyped(path, value, schema["format"])


def _number(schema: Schema, value: float, path: str, old: Any) -> Iterator[Cause]:
    if schema.get("format") == "int32" and not -(2**31) <= value < 2**31:
        detail = f"Checked value must be of type integer with format int32 in {path}"
        yield Cause("FieldValueInvalid", f'Invalid value: "": {detail}', _NOWHERE)
    high, low = schema.get("maximum"), schema.get("minimum")
    if high is not None and (value > high or (schema.get("exclusiveMaximum") and value == high)):
        word = "less than" if schema.get("exclusiveMaximum") else "less than or equal to"
        yield causes.wrong(path, value, f"{path} in body should be {word} {high:g}")
    if low is not None and (value < low or (schema.get("exclusiveMinimum") and value == low)):
        word = "greater than" if schema.get("exclusiveMinimum") else "greater than or equal to"
        yield causes.wrong(path, value, f"{path} in body should be {word} {low:g}")
    if (step := schema.get("multipleOf")) and value % step:
        yield causes.wrong(path, value, f"{path} in body should be a multiple of {step:g}")


def _array(schema: Schema, value: list[Any], path: str, old: Any) -> Iterator[Cause]:
    if (limit := schema.get("maxItems")) is not None and len(value) > limit:
        yield causes.too_many(path, len(value), limit)
    if (limit := schema.get("minItems")) is not None and len(value) < limit:
        yield causes.wrong(path, len(value), f"{path} in body should have at least {limit} items")
    before = old if isinstance(old, list) else ()
    if isinstance(items := schema.get("items"), dict):
        for at, item in enumerate(value):
            yield from problems(items, item, f"{path}[{at}]", before[at] if at < len(before) else None)
    yield from _repeated(schema, value, path)


def _repeated(schema: Schema, value: list[Any], path: str) -> Iterator[Cause]:
    kind, keys = schema.get("x-kubernetes-list-type"), schema.get("x-kubernetes-list-map-keys") or ()
    seen: list[Any] = []
    for at, item in enumerate(value):
        identity = item
        if kind == "map" and isinstance(item, dict):
            identity = {key: item[key] for key in sorted(keys) if key in item}
        if kind in ("map", "set") and identity in seen:
            yield causes.duplicate(f"{path}[{at}]", identity)
        seen.append(identity)


def _object(schema: Schema, value: dict[str, Any], path: str, old: Any) -> Iterator[Cause]:
    if (limit := schema.get("maxProperties")) is not None and len(value) > limit:
        yield causes.too_many(path, len(value), limit)
    if (limit := schema.get("minProperties")) is not None and len(value) < limit:
        yield causes.wrong(path, len(value), f"{path} in body should have at least {limit} properties")
    before = old if isinstance(old, dict) else {}
    prefix = f"{path}." if path else ""
    for name in schema.get("required") or ():
        if name not in value:
            yield causes.required(prefix + name)
    properties, values = schema.get("properties") or {}, schema.get("additionalProperties")
    for name in sorted(value):
        below = properties.get(name) or (values if isinstance(values, dict) else None)
        if below:
            yield from problems(below, value[name], prefix + name, before.get(name))


def _combined(schema: Schema, value: Any, path: str) -> Iterator[Cause]:
    for below in schema.get("allOf") or ():
        yield from problems(below, value, path)
    for word, need in (("anyOf", "at least one schema"), ("oneOf", "one and only one schema")):
        options = schema.get(word) or ()
        outcomes = [list(problems(below, value, path)) for below in options]
        fitting = sum(not outcome for outcome in outcomes)
        if options and (fitting == 0 or (word == "oneOf" and fitting > 1)):
            text = f'Invalid value: "": "{path}" must validate {need} ({word})'
            yield Cause("FieldValueInvalid", text, _NOWHERE)
            if fitting == 0:
                yield from min(outcomes, key=len)
    if (below := schema.get("not")) and not list(problems(below, value, path)):
        text = f'Invalid value: "": "{path}" must not validate the schema (not)'
        yield Cause("FieldValueInvalid", text, _NOWHERE)


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern.replace("\\z", "\\Z"))
    except re.error:
        # A pattern in RE2's own dialect is the CRD author's business; nothing is refused for it.
        return re.compile("")


def _is(parse: Callable[[str], Any]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            parse(text)
        except ValueError:
            return False
        return True

    return check


def _is_uri(text: str) -> bool:
    return bool(re.match(r"^([a-zA-Z][a-zA-Z0-9+.-]*:|/)", text)) and _is(urlsplit)(text)


_FORMATS: Mapping[str, Callable[[str], bool]] = {
    "date-time": _is(times.canonical),
    "date": lambda text: bool(re.fullmatch(r"\d{4}-\d{2}-\d{2}", text)),
    "ipv4": _is(ipaddress.IPv4Address),
    "ipv6": _is(ipaddress.IPv6Address),
    "cidr": lambda text: "/" in text and _is(lambda t: ipaddress.ip_network(t, strict=False))(text),
    "uri": _is_uri,
    "byte": lambda text: not reading.base64_problem(text),
    "duration": lambda text: bool(re.fullmatch(r"[-+]?0|[-+]?(\d+\.?\d*(ns|us|µs|ms|s|m|h|d|w) ?)+", text)),
    "email": lambda text: bool(re.fullmatch(r"[^@\s]+@[^@\s]+", text)),
    "uuid": lambda text: bool(re.fullmatch(r"(?i)[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}", text)),
    "hostname": lambda text: bool(re.fullmatch(r"[a-zA-Z0-9]([-a-zA-Z0-9.]*[a-zA-Z0-9])?", text)),
}

_KINDS: Mapping[str, Callable[[Schema, Any, str, Any], Iterator[Cause]]] = {
    "string": _string,
    "integer": _number,
    "number": _number,
    "array": _array,
    "object": _object,
}
