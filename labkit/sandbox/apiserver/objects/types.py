"""Types of fields: the OpenAPI definitions of built-in kinds and the schemas of CRDs in one compiled form.

Everything that walks an object (decoding, defaults, merging, ownership) walks it beside its ``Type``. Types
refer to each other and are built once a schema, so they are looked at and never copied or changed.
"""

from collections.abc import Mapping
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
    """The Go type in messages: ``DeploymentSpec``, ``int32``."""

    fields: dict[str, "Type"] = field(default_factory=dict)
    """Fields of a struct."""

    required: frozenset[str] = frozenset()
    """Fields that are always written, even when empty."""

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


class Builder:
    """Builds types from OpenAPI definitions that refer to each other."""

    def __init__(self, definitions: Mapping[str, Mapping[str, Any]]) -> None:
        self._definitions = definitions
        self._built: dict[str, Type] = {}

    def named(self, name: str) -> Type:
        """The type of one definition."""
        if name not in self._built:
            schema = self._definitions[name]
            # Registered before its fields are built, because definitions may refer to themselves.
            found = self._built[name] = _empty(schema, _kind_of(name, schema), go=name.rpartition(".")[2])
            self._fill(found, schema)
        return self._built[name]

    def of(self, schema: Mapping[str, Any]) -> Type:
        """The type of any schema; merge strategies beside a ``$ref`` belong to the field."""
        if "$ref" not in schema:
            found = _empty(schema, _kind_of("", schema))
            self._fill(found, schema)
            return found
        target = self.named(schema["$ref"].removeprefix(REF))
        extras = {key: value for key, value in _marks(schema).items() if value}
        return replace(target, **extras) if extras else target

    def _fill(self, found: Type, schema: Mapping[str, Any]) -> None:
        for name, below in schema.get("properties", {}).items():
            found.fields[name] = self.of(below)
        values = schema.get("additionalProperties") or schema.get("items")
        if isinstance(values, dict):
            found.items = self.of(values)


def _empty(schema: Mapping[str, Any], kind: str, *, go: str = "") -> Type:
    return Type(
        kind=kind,
        go=go or schema.get("format") or _GO.get(kind, kind),
        required=frozenset(schema.get("required", ())),
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
        return "map" if isinstance(schema.get("additionalProperties"), dict) else "struct" if name else "any"
    return "list" if kind == "array" else str(kind)
