"""Schemas as types of CEL, so that a rule that names a field which is not there does not compile."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from labkit.sandbox.apiserver.objects.cel import values

Kind = str | tuple[str, Any]
"""``int``, ``("list", KIND)``, ``("map", KIND)`` by text, or ``("message", NAME)`` for a struct."""

Schema = Mapping[str, Any]

PACKAGE = "object"
_WELL_KNOWN = {
    "duration": "google.protobuf.Duration",
    "timestamp": "google.protobuf.Timestamp",
    "dyn": "google.protobuf.Value",
}
_SCALARS = {"bool": 8, "int": 3, "double": 1, "string": 9, "bytes": 12}
"""Kind → type of a protobuf field."""

_MESSAGE, _ONE, _MANY = 11, 1, 3
_FORMATS = {"byte": "bytes", "date": "timestamp", "date-time": "timestamp", "duration": "duration"}


@dataclass(frozen=True, eq=False, kw_only=True)
class Declared:
    """The types of one schema."""

    pool: Any
    """A protobuf descriptor pool that holds a message for each struct."""

    kinds: Mapping[int, Kind]
    """``id`` of a part of the schema → its kind."""

    schema: Schema = field(repr=False)
    """The schema itself: its parts stay where they are for as long as this lives."""

    def kind(self, schema: Schema) -> Kind:
        """The type of one part of the schema; ``dyn`` where it has none."""
        return self.kinds.get(id(schema), "dyn")


def declared(schema: Schema) -> Declared:
    """The types of a whole schema, whose root is an object with metadata."""
    from google.protobuf import descriptor_pb2, descriptor_pool, duration_pb2, struct_pb2, timestamp_pb2

    pool = descriptor_pool.DescriptorPool()
    modules = (duration_pb2, struct_pb2, timestamp_pb2)
    for module in modules:
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    file = descriptor_pb2.FileDescriptorProto(name="object.proto", package=PACKAGE, syntax="proto3")
    file.dependency.extend(module.DESCRIPTOR.name for module in modules)
    builder = _Builder(file)
    builder.root(schema)
    pool.AddSerializedFile(file.SerializeToString())
    return Declared(pool=pool, kinds=builder.kinds, schema=schema)


class _Builder:
    """Fills a file with messages."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.kinds: dict[int, Kind] = {}

    def root(self, schema: Schema) -> None:
        """The object itself."""
        head = {"type": "string"}
        metadata = {"type": "object", "properties": {"name": head, "generateName": head}}
        own = {"apiVersion": head, "kind": head, "metadata": metadata}
        properties = {**(schema.get("properties") or {}), **own}
        self.kinds[id(schema)] = self._struct(properties)

    def _kind(self, schema: Schema) -> Kind | None:
        kind = self._new(schema)
        if kind is not None:
            self.kinds[id(schema)] = kind
        return kind

    def _new(self, schema: Schema) -> Kind | None:
        if schema.get("x-kubernetes-int-or-string"):
            return "dyn"
        match schema.get("type"):
            case "object":
                extra = schema.get("additionalProperties")
                if isinstance(extra, dict):
                    inner = self._kind(extra)
                    return ("map", inner) if inner is not None else None
                return self._struct(schema.get("properties") or {})
            case "array":
                items = schema.get("items")
                inner = self._kind(items) if isinstance(items, dict) else None
                return ("list", inner) if inner is not None else None
            case "string":
                return _FORMATS.get(schema.get("format") or "", "string")
            case "boolean":
                return "bool"
            case "integer":
                return "int"
            case "number":
                return "double"
        return None

    def _struct(self, properties: Mapping[str, Any]) -> Kind:
        number = len(self._file.message_type)
        message = self._file.message_type.add(name=f"T{number}")
        # ``a_b`` and ``aB`` have one name in JSON, which is of no matter here.
        message.options.deprecated_legacy_json_field_conflicts = True
        for name, schema in properties.items():
            kind, spoken = self._kind(schema), values.escaped(name)
            if kind is None or spoken is None:
                continue
            self._field(message, spoken, kind)
            if name in values.SPOKEN:
                self._field(message, name, kind)
        return "message", f"{PACKAGE}.T{number}"

    def _field(self, message: Any, name: str, kind: Kind) -> None:
        field_ = message.field.add(name=name, number=len(message.field) + 1, label=_ONE, json_name=name)
        if isinstance(kind, tuple) and kind[0] == "list" and not _is_nested(kind[1]):
            field_.label = _MANY
            kind = kind[1]
        elif isinstance(kind, tuple) and kind[0] == "map" and not _is_nested(kind[1]):
            field_.label, field_.type = _MANY, _MESSAGE
            # Protobuf finds the entry by this name, which follows from the field's.
            camel = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
            entry = message.nested_type.add(name=f"{camel}Entry")
            entry.options.map_entry = True
            entry.field.add(name="key", number=1, label=_ONE, type=_SCALARS["string"])
            _fill(entry.field.add(name="value", number=2, label=_ONE), kind[1])
            field_.type_name = f".{PACKAGE}.{message.name}.{entry.name}"
            return
        _fill(field_, kind)


def _is_nested(kind: Kind) -> bool:
    """Whether protobuf has no repeated form of it: lists and maps inside lists and maps."""
    return isinstance(kind, tuple) and kind[0] in ("list", "map")


def _fill(field_: Any, kind: Kind) -> None:
    if isinstance(kind, str) and kind in _SCALARS:
        field_.type = _SCALARS[kind]
        return
    field_.type = _MESSAGE
    if isinstance(kind, str):
        field_.type_name = f".{_WELL_KNOWN[kind]}"
    elif kind[0] == "message":
        field_.type_name = f".{kind[1]}"
    else:
        field_.type_name = ".google.protobuf.ListValue" if kind[0] == "list" else ".google.protobuf.Struct"
