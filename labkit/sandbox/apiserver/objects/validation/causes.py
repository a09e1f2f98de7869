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
    """A value inside a message: texts in quotes, the rest as JSON."""
    return refusals.quoted(value) if isinstance(value, str) else gojson.dumps(value)


def required(field: str, detail: str = "") -> Cause:
    """Something must be there."""
    return Cause("FieldValueRequired", f"Required value{f': {detail}' if detail else ''}", field)


def wrong(field: str, value: Any, detail: str) -> Cause:
    """The value cannot be that."""
    return Cause("FieldValueInvalid", f"Invalid value: {shown(value)}: {detail}", field)


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
    return Cause("FieldValueTooLong", f"Too long: may not be more than {limit} bytes", field)


def too_many(field: str, count: int, limit: int) -> Cause:
    """The list has too many items."""
    return Cause("FieldValueTooMany", f"Too many: {count}: must have at most {limit} items", field)


IMMUTABLE = "field is immutable"
