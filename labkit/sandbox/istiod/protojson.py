"""JSON for Envoy's messages, judged as Go's JSON reader for protobuf judges it, in its words.

istiod reads the value of an EnvoyFilter's patch with it: fields in the order of the message, JSON names and proto
names, numbers in quotes, enums by name or number, durations as Go writes them, ``Any`` by its ``@type``.
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from labkit.mesh.validation import durations, gojson
from labkit.mesh.validation.gotext import number, quoted

OBJECT, LIST = "map[string]json.RawMessage", "[]json.RawMessage"
WRAPPERS = frozenset(
    f"google.protobuf.{kind}Value"
    for kind in ("Bool", "Bytes", "String", "Int32", "UInt32", "Int64", "UInt64", "Float", "Double")
)
ANY, DURATION, TIMESTAMP = "google.protobuf.Any", "google.protobuf.Duration", "google.protobuf.Timestamp"
VALUE, LIST_VALUE, STRUCT = "google.protobuf.Value", "google.protobuf.ListValue", "google.protobuf.Struct"
WELL_KNOWN = WRAPPERS | {ANY, DURATION, TIMESTAMP, VALUE, LIST_VALUE, STRUCT}

Find = Callable[[str], Descriptor | None]
"""The message of a full name; None for one that exists, but whose fields are not at hand. KeyError: there is none."""

_F = FieldDescriptor
_INTEGERS = {
    **dict.fromkeys((_F.TYPE_INT32, _F.TYPE_SINT32, _F.TYPE_SFIXED32), ("int32", -(2**31), 2**31 - 1)),
    **dict.fromkeys((_F.TYPE_INT64, _F.TYPE_SINT64, _F.TYPE_SFIXED64), ("int64", -(2**63), 2**63 - 1)),
    **dict.fromkeys((_F.TYPE_UINT32, _F.TYPE_FIXED32), ("uint32", 0, 2**32 - 1)),
    **dict.fromkeys((_F.TYPE_UINT64, _F.TYPE_FIXED64), ("uint64", 0, 2**64 - 1)),
}
_FLOATS = {_F.TYPE_FLOAT: "float32", _F.TYPE_DOUBLE: "float64"}
_SECOND = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


class ProtoJsonError(ValueError):
    """Why a value is no JSON for a message."""


class Reader:
    """Reads values; ``strict`` refuses fields that a message does not have."""

    def __init__(self, find: Find, *, strict: bool = False) -> None:
        self._find = find
        self._strict = strict

    def problem(self, message: Descriptor, value: Any) -> str:
        """What is wrong with a value; empty when nothing is."""
        try:
            self._message(message, value)
        except ProtoJsonError as e:
            return str(e)
        return ""

    def _message(self, message: Descriptor, value: Any) -> None:
        name = message.full_name
        if value is None and name != VALUE:
            return
        if name in WELL_KNOWN:
            self._well_known(message, value)
            return
        rest = dict(_expect(value, dict, OBJECT))
        for field in message.fields:
            present = [rest.pop(key) for key in dict.fromkeys((field.name, field.json_name)) if key in rest]
            if present and (present[-1] is not None or _takes_null(field)):
                self._field(field, present[-1])
        if self._strict and rest:
            raise ProtoJsonError(f"unknown field {quoted(next(iter(rest)))} in {name}")

    def _field(self, field: FieldDescriptor, value: Any) -> None:
        if _is_map(field):
            entry = field.message_type.fields_by_name["value"]
            for item in _expect(value, dict, OBJECT).values():
                self._single(entry, item)
        elif field.is_repeated:
            for item in _expect(value, list, LIST):
                self._single(field, item)
        else:
            self._single(field, value)

    def _single(self, field: FieldDescriptor, value: Any) -> None:
        if field.type == _F.TYPE_MESSAGE:
            self._message(field.message_type, value)
        elif field.type == _F.TYPE_ENUM:
            _enum(field.enum_type, value)
        elif field.type in _INTEGERS:
            _integer(value, *_INTEGERS[field.type])
        elif field.type in _FLOATS:
            _float(value, _FLOATS[field.type])
        elif field.type == _F.TYPE_BOOL:
            _expect(value, bool, "bool")
        elif field.type == _F.TYPE_BYTES:
            _bytes(value)
        else:
            _expect(value, str, "string")

    def _well_known(self, message: Descriptor, value: Any) -> None:
        name = message.full_name
        if name == ANY:
            self._any(value)
        elif name in WRAPPERS:
            self._single(message.fields_by_name["value"], value)
        elif name == DURATION:
            text = _expect(value, str, "string")
            if durations.seconds(text) is None:
                raise ProtoJsonError(f"bad Duration: {durations.problem(text)}")
        elif name == TIMESTAMP:
            text = _expect(value, str, "string")
            if not _SECOND.fullmatch(text):
                shown = quoted(text)
                layout = '"2006-01-02T15:04:05.999999999Z07:00"'
                raise ProtoJsonError(f'bad Timestamp: parsing time {shown} as {layout}: cannot parse {shown} as "2006"')
        elif name == STRUCT and not isinstance(value, dict):
            raise ProtoJsonError(f"bad StructValue: {gojson.mismatch(value, OBJECT)}")
        elif name == LIST_VALUE and not isinstance(value, list):
            raise ProtoJsonError(f"bad ListValue: {gojson.mismatch(value, LIST)}")

    def _any(self, value: Any) -> None:
        fields = _expect(value, dict, OBJECT)
        if "@type" not in fields:
            raise ProtoJsonError("Any JSON doesn't have '@type'")
        url = fields["@type"]
        if not isinstance(url, str):
            raise ProtoJsonError(f"can't unmarshal Any's '@type': {quoted(json.dumps(url))}")
        try:
            message = self._find(url.rpartition("/")[2])
        except KeyError:
            raise ProtoJsonError(f"could not resolve Any message type: {url}") from None
        if message is None:
            return
        inner: Any = {key: item for key, item in fields.items() if key != "@type"}
        if message.full_name in WELL_KNOWN:
            if "value" not in fields:
                raise ProtoJsonError("Any JSON doesn't have 'value'")
            inner = fields["value"]
        try:
            self._message(message, inner)
        except ProtoJsonError as e:
            raise ProtoJsonError(f"can't unmarshal Any nested proto {url}: {e}") from e


def without_type(message: Descriptor, value: Any) -> Iterator[str]:
    """The names of extensions in a readable value that say no ``typed_config``, without which Envoy finds none."""
    if not isinstance(value, dict):
        return
    name, needs_type, has_type = "", False, False
    for field in message.fields:
        item = value.get(field.name, value.get(field.json_name))
        if field.name == "name":
            name = item or ""
        needs_type = needs_type or field.name == "typed_config"
        has_type = has_type or (field.name in ("typed_config", "config_discovery") and item is not None)
        if item is not None and field.type == _F.TYPE_MESSAGE and not field.is_repeated:
            yield from without_type(field.message_type, item)
    if needs_type and not has_type:
        yield name


def _expect(value: Any, expected: type, title: str) -> Any:
    if value is None or (isinstance(value, expected) and not (expected is not bool and isinstance(value, bool))):
        return expected() if value is None else value
    raise ProtoJsonError(gojson.mismatch(value, title))


def _is_map(field: FieldDescriptor) -> bool:
    return field.type == _F.TYPE_MESSAGE and bool(field.message_type.GetOptions().map_entry)


def _takes_null(field: FieldDescriptor) -> bool:
    return field.type == _F.TYPE_MESSAGE and not field.is_repeated and field.message_type.full_name in WELL_KNOWN


def _enum(kind: EnumDescriptor, value: Any) -> None:
    if isinstance(value, str):
        if value not in kind.values_by_name:
            raise ProtoJsonError(
                f"unknown value {quoted(json.dumps(value, ensure_ascii=False))} for enum {kind.full_name}"
            )
        return
    _integer(value, "protoreflect.EnumNumber", -(2**31), 2**31 - 1)


def _plain(value: Any, title: str) -> Any:
    """A number, which may stand in quotes."""
    if isinstance(value, str):
        if problem := gojson.problem(value):
            raise ProtoJsonError(problem)
        value = json.loads(value)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise ProtoJsonError(gojson.mismatch(value, title))
    return value


def _integer(value: Any, title: str, least: int, most: int) -> None:
    plain = _plain(value, title)
    if plain is not None and (plain != int(plain) or not least <= plain <= most):
        raise ProtoJsonError(f"json: cannot unmarshal number {number(plain)} into Go value of type {title}")


def _float(value: Any, title: str) -> None:
    if value not in ("NaN", "Infinity", "-Infinity"):
        _plain(value, title)


def _bytes(value: Any) -> None:
    text = _expect(value, str, "[]uint8")
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        at = next((n for n, c in enumerate(text) if not re.match(r"[A-Za-z0-9+/=]", c)), len(text))
        raise ProtoJsonError(f"illegal base64 data at input byte {at}") from None
