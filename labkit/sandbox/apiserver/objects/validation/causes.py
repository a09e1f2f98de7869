"""Things wrong with a field, worded as a real server words them."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from labkit.sandbox.apiserver.objects import gojson, refusals


class Cause(NamedTuple):
    """An entry of ``details.causes``."""

    reason: str
    """``FieldValueInvalid``, ``FieldValueRequired``, …"""

    message: str
    """``Required value``, without the field."""

    field: str
    """``spec.template.spec.containers[0].image``."""


def shown(value: Any) -> str:
    """A value inside a message: texts in quotes, numbers as Go prints them, the rest as JSON."""
    if isinstance(value, str):
        return refusals.quoted(value)
    return refusals.printed(value) if isinstance(value, float) else gojson.dumps(_whole(value))


def _whole(value: Any) -> Any:
    """The value with numbers without a fraction as integers: Go's JSON has no ``2.0``."""
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def required(field: str, detail: str = "") -> Cause:
    """Something must be there."""
    return Cause("FieldValueRequired", f"Required value{f': {detail}' if detail else ''}", field)


def wrong(field: str, value: Any, detail: str) -> Cause:
    """The value cannot be that."""
    return Cause("FieldValueInvalid", f"Invalid value: {shown(value)}: {detail}", field)


def omitted(field: str, detail: str) -> Cause:
    """As ``wrong``, of a value that is not shown."""
    return Cause("FieldValueInvalid", f"Invalid value: {detail}", field)


def mistyped(field: str, seen: str, expected: str) -> Cause:
    """The value of a custom resource has another type, or another format."""
    quoted = refusals.quoted(seen)
    text = f"Invalid value: {quoted}: {field} in body must be of type {expected}: {quoted}"
    return Cause("FieldValueTypeInvalid", text, field)


def unplaced(detail: str) -> Cause:
    """Something is wrong with a custom resource, and the detail alone says where."""
    return Cause("FieldValueInvalid", f'Invalid value: "": {detail}', "<nil>")


def unsupported(field: str, value: Any, supported: Iterable[str]) -> Cause:
    """The value is none of those there are."""
    words = ", ".join(map(refusals.quoted, supported))
    text = f"Unsupported value: {shown(value)}: supported values: {words}"
    return Cause("FieldValueNotSupported", text, field)


def forbidden(field: str, detail: str) -> Cause:
    """The field may not be set here, or not be changed."""
    return Cause("FieldValueForbidden", f"Forbidden: {detail}", field)


def duplicate(field: str, value: Any) -> Cause:
    """The value is there already."""
    return Cause("FieldValueDuplicate", f"Duplicate value: {shown(value)}", field)


def missing(field: str, value: Any) -> Cause:
    """The value names something that is not there."""
    return Cause("FieldValueNotFound", f"Not found: {shown(value)}", field)


def too_long(field: str, limit: int) -> Cause:
    """The text has too many bytes."""
    return Cause("FieldValueTooLong", f"Too long: may not be more than {limit} {_plural('byte', limit)}", field)


def too_many(field: str, count: int, limit: int) -> Cause:
    """The list has too many items."""
    return Cause("FieldValueTooMany", f"Too many: {count}: must have at most {limit} {_plural('item', limit)}", field)


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"


IMMUTABLE = "field is immutable"
