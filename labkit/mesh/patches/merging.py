"""JSON of one message merged into another as Istio merges protobuf messages.

Set fields replace, messages merge, lists append, maps replace by key. A field that says its default says nothing, also
inside a wrapper: ``false`` does not undo ``true``. Durations replace as a whole (istio/istio, pkg/proto/merge).
``MERGE_AND_REPLACE_LIST`` differs in one thing: a list replaces the list of before; inside an ``Any``, as the
configuration of a filter is, lists append all the same (Istio 1.31, change notes).
"""

import operator
from collections.abc import Callable
from typing import Any

from google.protobuf import json_format, message
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from labkit.mesh import messages
from labkit.mesh.model import Resource

ANY, STRUCT, VALUE = "google.protobuf.Any", "google.protobuf.Struct", "google.protobuf.Value"
WRAPPER = "Value"
WHOLE = ("google.protobuf.Duration", "google.protobuf.Timestamp", "google.protobuf.ListValue", VALUE)
"""Messages whose JSON is one value."""


Joined = Callable[[list[Any], list[Any]], list[Any]]
"""What becomes of two lists."""


def merged(name: str, into: Resource, value: Resource, *, replaces_lists: bool = False) -> Resource:
    """A message of this name with what the value sets; neither of them is changed."""
    return _message(messages.descriptor(name), into, value, _joined(replaces_lists))


def merged_any(into: Resource, value: Resource) -> Resource:
    """Two ``Any`` merged by what they hold; with a value of another type the first stays as it is."""
    name = type_of(into)
    if type_of(value) != name:
        return into
    try:
        return _message(messages.descriptor(name), into, value, operator.add)
    except KeyError:
        return into


def read_as(config: Resource, name: str) -> Resource:
    """An ``Any`` under another type, as Istio gives a patch the type of the filter that it is merged into.

    Its bytes are read anew: fields of one number and kind carry over. Bytes that are no such message say nothing.
    """
    if type_of(config) == name:
        return config
    fields = {key: value for key, value in config.items() if key != "@type"}
    try:
        own, other = messages.message_class(type_of(config)), messages.message_class(name)
        data = json_format.ParseDict(fields, own(), descriptor_pool=messages.pool()).SerializeToString()
        read = json_format.MessageToDict(
            other.FromString(data), preserving_proto_field_name=True, descriptor_pool=messages.pool()
        )
    except (KeyError, json_format.ParseError, message.DecodeError):
        read = {}
    return {"@type": f"type.googleapis.com/{name}", **read}


def _joined(replaces_lists: bool) -> Joined:
    return _replaced if replaces_lists else operator.add


def _replaced(_: list[Any], new: list[Any]) -> list[Any]:
    return new


def type_of(config: Resource) -> str:
    """The full name of the message in an ``Any``."""
    return str(config.get("@type", "")).rpartition("/")[2]


def _message(of: Descriptor, into: Resource, value: Resource, joined: Joined) -> Resource:
    result = dict(into)
    for name, item in value.items():
        field = of.fields_by_name.get(name)
        if field is None:
            continue
        if field.containing_oneof is not None:
            for other in field.containing_oneof.fields:
                if other.name != name:
                    result.pop(other.name, None)
        result[name] = _field(field, result.get(name), item, joined)
    return result


def _field(field: FieldDescriptor, old: Any, new: Any, joined: Joined) -> Any:
    if field.type == FieldDescriptor.TYPE_MESSAGE and field.message_type.GetOptions().map_entry:
        return {**(old or {}), **new}
    if field.is_repeated:
        return joined(list(old or ()), list(new))
    if field.type != FieldDescriptor.TYPE_MESSAGE or old is None:
        return new
    return _single(field.message_type, old, new, joined)


def _single(of: Descriptor, old: Any, new: Any, joined: Joined) -> Any:
    name = of.full_name
    if name == ANY:
        # A message without content has no bytes that could replace others.
        return old if new.keys() <= {"@type"} and type_of(new) == type_of(old) else new
    if name == STRUCT:
        return {**old, **new}
    if name in WHOLE:
        return new
    if name.startswith("google.protobuf.") and name.endswith(WRAPPER):
        return new or old
    return _message(of, old, new, joined)
