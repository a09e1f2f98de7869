"""Types of fields: the OpenAPI definitions of built-in kinds and the schemas of CRDs in one compiled form.

Everything that walks an object (decoding, merging, ownership) walks it beside its ``Type``. Types refer to
each other and are built once a schema, so they are looked at and never copied or changed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

REF = "#/components/schemas/"

# Definitions that are more than their OpenAPI says: Go types with their own way of reading JSON.
_SPECIAL = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "quantity",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "int-or-string",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time": "time",
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": "microtime",
    "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1": "any",
    "io.k8s.apimachinery.pkg.runtime.RawExtension": "any",
}
_PREFIX_ANY = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON"
"""``JSON``, ``JSONSchemaPropsOrBool`` and kin take any JSON; ``JSONSchemaProps`` itself is a struct."""


@dataclass(eq=False, kw_only=True, slots=True)
class Type:
    """What one field may hold."""

    kind: str
    """struct, map, list, string, integer, number, boolean, bytes, quantity, int-or-string, time, any…"""

    go: str = ""
    """The Go type in messages: ``v1.DeploymentSpec``, ``int32``, ``map[string]string``."""

    name: str = ""
    """The Go struct alone: ``DeploymentSpec``."""

    pointer: bool = False
    """Whether Go tells an absent value from an empty one."""

    omit_empty: bool = True
    """Whether the field is left out when empty; structs are left out only when they are pointers."""

    omit_zero: bool = False
    """Whether a struct that is no pointer is left out when all of it is empty."""

    fields: dict[str, "Type"] = field(default_factory=dict)
    """Fields of a struct, in Go's order."""

    always: tuple[tuple[str, "Type"], ...] | None = None
    """The fields of a struct that are written even when nobody set them; None until somebody asks."""

    order: dict[str, int] = field(default_factory=dict)
    """The places of fields in Go's order; filled together with ``always``."""

    items: "Type | None" = None
    """Items of a list, or values of a map."""

    list_type: str = "atomic"
    """Who owns what in a list: ``atomic``, ``set`` or ``map``."""

    keys: tuple[str, ...] = ()
    """Fields that identify an item of a list of type ``map``."""

    merge_key: str = ""
    """The field by which a strategic merge finds an item; empty: items are compared whole, or replaced."""

    strategy: frozenset[str] = frozenset()
    """``merge``, ``retainKeys``: how a strategic merge treats the field."""

    atomic: bool = False
    """Whether a struct or map has one owner for all of it."""

    preserve: bool = False
    """Whether unknown fields of a struct stay."""

    embedded: bool = False
    """Whether a struct is a whole object with apiVersion, kind and metadata."""

    raw: Mapping[str, Any] = field(default_factory=dict)
    """The schema it was built from."""

    def __repr__(self) -> str:
        return f"Type({self.kind} {self.go})".replace(" )", ")")

    def holds(self, is_meant: Callable[["Type"], bool]) -> bool:
        """Whether this type, or any below it, is one that is meant."""
        seen: set[str] = set()
        left = [self]
        while left:
            at = left.pop()
            if is_meant(at):
                return True
            if at.name and at.name in seen:
                continue
            seen.add(at.name)
            left += [*at.fields.values(), *([at.items] if at.items else [])]
        return False


class Builder:
    """Builds types from OpenAPI definitions that refer to each other."""

    def __init__(self, definitions: Mapping[str, Mapping[str, Any]]) -> None:
        self._definitions = definitions
        self._built: dict[str, Type] = {}

    def named(self, name: str) -> Type:
        """The type of one definition."""
        if name not in self._built:
            schema = self._definitions[name]
            package, _, short = name.rpartition(".")
            # Registered before its fields are built, because definitions may refer to themselves.
            definition = self._built[name] = _empty(schema, _kind_of(name, schema))
            definition.name, definition.go = short, f"{package.rpartition('.')[2]}.{short}"
            # Any object at all, and one owner for all of it.
            definition.atomic = definition.atomic or short == "RawExtension"
            self._fill(definition, schema)
        return self._built[name]

    def of(self, schema: Mapping[str, Any], go: tuple[str, str] | None = None) -> Type:
        """The type of any schema; merge strategies beside a ``$ref`` and Go's facts belong to the field."""
        if "$ref" not in schema:
            built = _empty(schema, _kind_of("", schema))
            self._fill(built, schema)
        else:
            target = self.named(schema["$ref"].removeprefix(REF))
            extras = {key: value for key, value in _marks(schema).items() if value and value != "atomic"}
            # A shallow copy shares the fields, which may still be filling up where definitions recurse.
            built = replace(target, **extras)
        if go:
            built.go = go[0]
            built.pointer, built.omit_empty, built.omit_zero = (letter in go[1] for letter in "pez")
        return built

    def _fill(self, built: Type, schema: Mapping[str, Any]) -> None:
        facts = schema.get("x-go", {})
        for name, below in schema.get("properties", {}).items():
            built.fields[name] = self.of(below, facts.get(name))
        values = schema.get("additionalProperties") or schema.get("items")
        if isinstance(values, dict):
            built.items = self.of(values)
            if "$ref" not in values and built.items.kind == "string":
                built.items.go = "string"


def is_written_always(of: Type) -> bool:
    """Whether Go writes the field even when nobody set it."""
    if of.pointer:
        return not of.omit_empty
    if of.kind in ("struct", "quantity", "int-or-string", "time", "microtime"):
        return not of.omit_zero
    return not of.omit_empty


def _empty(schema: Mapping[str, Any], kind: str) -> Type:
    return Type(
        kind=kind,
        go=schema.get("format") or _GO.get(kind, kind),
        raw=schema,
        preserve=bool(schema.get("x-kubernetes-preserve-unknown-fields")),
        embedded=bool(schema.get("x-kubernetes-embedded-resource")),
        **_marks(schema),
    )


def _marks(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "list_type": schema.get("x-kubernetes-list-type", "atomic"),
        "keys": tuple(schema.get("x-kubernetes-list-map-keys", ())),
        "merge_key": schema.get("x-kubernetes-patch-merge-key", ""),
        "strategy": frozenset(filter(None, schema.get("x-kubernetes-patch-strategy", "").split(","))),
        "atomic": schema.get("x-kubernetes-map-type") == "atomic",
    }


_GO = {"integer": "int64", "number": "float64", "boolean": "bool"}
_FORMATS = {"byte": "bytes", "int-or-string": "int-or-string"}


def _kind_of(name: str, schema: Mapping[str, Any]) -> str:
    if name in _SPECIAL:
        return _SPECIAL[name]
    if name.startswith(_PREFIX_ANY) and not name.endswith("JSONSchemaProps"):
        return "any"
    if schema.get("x-kubernetes-int-or-string"):
        return "int-or-string"
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]]
    kind = schema.get("type", "any")
    if kind == "object":
        if "properties" in schema:
            return "struct"
        if schema.get("additionalProperties") and isinstance(schema["additionalProperties"], dict):
            return "map"
        return "struct" if name or not schema.get("x-kubernetes-preserve-unknown-fields") else "any"
    return "list" if kind == "array" else str(kind)
