"""JSON of one message merged into another as Istio merges protobuf messages.

Set fields replace, messages merge, lists append, maps replace by key. A field that says its default says nothing, also
inside a wrapper: ``false`` does not undo ``true``. Durations replace as a whole (istio/istio, pkg/proto/merge).
"""

from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError

from labkit.mesh import messages
from labkit.mesh.model import Resource

ANY, STRUCT, VALUE = "google.protobuf.Any", "google.protobuf.Struct", "google.protobuf.Value"
WRAPPER = "Value"
WHOLE = ("google.protobuf.Duration", "google.protobuf.Timestamp", "google.protobuf.ListValue", VALUE)
"""Messages whose JSON is one value."""


def merged(message: str, into: Resource, value: Resource) -> Resource:
    """The resource with what the value sets; neither of them is changed."""
    return _message(messages.descriptor(message), into, value)


def merged_any(into: Resource, value: Resource) -> Resource:
    """Two ``Any`` merged by what they hold; a value of another type is read as one of the first's, as Istio does."""
    name = type_of(into)
    if type_of(value) != name:
        value = _retyped(value, into["@type"])
    try:
        return _message(messages.descriptor(name), into, value)
    except KeyError:
        return into


def type_of(config: Resource) -> str:
    """The full name of the message in an ``Any``."""
    return str(config.get("@type", "")).rpartition("/")[2]


def _message(message: Descriptor, into: Resource, value: Resource) -> Resource:
    result = dict(into)
    for name, item in value.items():
        field = message.fields_by_name.get(name)
        if field is None:
            continue
        if field.containing_oneof is not None:
            for other in field.containing_oneof.fields:
                if other.name != name:
                    result.pop(other.name, None)
        result[name] = _field(field, result.get(name), item)
    return result


def _field(field: FieldDescriptor, old: Any, new: Any) -> Any:
    if field.type != FieldDescriptor.TYPE_MESSAGE:
        return [*(old or ()), *new] if field.is_repeated else new
    if field.message_type.GetOptions().map_entry:
        return {**(old or {}), **new}
    if field.is_repeated:
        return [*(old or ()), *new]
    return new if old is None else _single(field.message_type, old, new)


def _single(message: Descriptor, old: Any, new: Any) -> Any:
    name = message.full_name
    if name == ANY:
        # A message without content has no bytes that could replace others.
        return old if new.keys() <= {"@type"} and type_of(new) == type_of(old) else new
    if name == STRUCT:
        return {**old, **new}
    if name in WHOLE:
        return new
    if name.startswith("google.protobuf.") and name.endswith(WRAPPER):
        return new or old
    return _message(message, old, new)


def _retyped(value: Resource, url: str) -> Resource:
    """The bytes of one message read as another; nothing where they cannot be."""
    name = url.rpartition("/")[2]
    fields = {key: item for key, item in value.items() if key != "@type"}
    try:
        source = json_format.ParseDict(
            fields, messages.message_class(type_of(value))(), descriptor_pool=messages.pool()
        )
        parsed = messages.message_class(name).FromString(source.SerializeToString())
        parsed.DiscardUnknownFields()
        document: Resource = json_format.MessageToDict(
            parsed, preserving_proto_field_name=True, descriptor_pool=messages.pool()
        )
    except (KeyError, DecodeError, json_format.ParseError, json_format.SerializeToJsonError, UnicodeDecodeError):
        return {}
    return document
