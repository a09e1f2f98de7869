"""What the schema of a CustomResourceDefinition may say: the structural schemas of Kubernetes.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
"""

from collections.abc import Iterator, Mapping
from typing import Any

from labkit.sandbox.apiserver.objects.validation import causes, schema_values
from labkit.sandbox.apiserver.objects.validation.causes import Cause

Schema = Mapping[str, Any]

TYPES = ("array", "boolean", "integer", "number", "object", "string")
LIST, KEYS, MAP = "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type"
FREE, EMBEDDED, INT_OR_STRING = (
    *("x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource", "x-kubernetes-int-or-string"),
)
LIST_TYPES, MAP_TYPES = ("atomic", "set", "map"), ("atomic", "granular")

_UNSUPPORTED = ("additionalItems", "definitions", "dependencies", "id", "patternProperties")
_QUADRATIC = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"

_EMPTY_IN_JUNCTORS: Mapping[str, str] = {
    **dict.fromkeys(("type", "description", "title", KEYS), "must be empty to be structural"),
    **dict.fromkeys(("default", "additionalProperties", LIST, MAP), "must be undefined to be structural"),
    **dict.fromkeys(("nullable", FREE, EMBEDDED, INT_OR_STRING), "must be false to be structural"),
}
"""What may stand only outside of allOf, anyOf, oneOf and not."""

_EITHER = [{"type": "integer"}, {"type": "string"}]
"""The one ``anyOf`` with types: that of a value which is a number or a text."""


def problems(schema: Schema, path: str) -> Iterator[Cause]:
    """What is wrong with a whole schema."""
    if schema.get("type") != "object":
        if schema.get("type"):
            yield causes.wrong(f"{path}.type", schema["type"], "must be object at the root")
        else:
            yield causes.required(f"{path}.type", "must not be empty at the root")
    if schema.get("nullable"):
        yield causes.forbidden(f"{path}.nullable", "nullable cannot be true at the root")
    if _says_schema(schema):
        yield causes.wrong(path, "", "OpenAPIV3Schema 'schema' is not supported")
    yield from _implied(schema.get("properties") or {}, path)
    yield from _own(schema, path, is_root=True)


def _says_schema(schema: Any) -> bool:
    if isinstance(schema, dict):
        return "$schema" in schema or any(_says_schema(below) for below in schema.values())
    return isinstance(schema, list) and any(map(_says_schema, schema))


def _implied(properties: Mapping[str, Any], path: str) -> Iterator[Cause]:
    """What every object has, and a schema can hardly say."""
    for name in ("apiVersion", "kind"):
        if (kind := (properties.get(name) or {}).get("type")) not in (None, "string"):
            yield causes.wrong(f"{path}.properties[{name}].type", kind, "must be string")
    metadata, here = properties.get("metadata") or {}, f"{path}.properties[metadata]"
    if metadata.get("type") not in (None, "object"):
        yield causes.wrong(f"{here}.type", metadata["type"], "must be object")
    elif set(metadata.get("properties") or ()) - {"name", "generateName"}:
        detail = "must not specify anything other than name and generateName, but metadata is implicitly specified"
        yield causes.forbidden(here, detail)


def _own(schema: Schema, path: str, *, is_root: bool = False, what: str = "") -> Iterator[Cause]:
    """One schema with its types, and those below it."""
    if "$ref" in schema:
        yield causes.forbidden(f"{path}.$ref", "$ref is not supported")
        return
    free = schema.get(INT_OR_STRING) or schema.get(FREE)
    if not is_root and not schema.get("type") and not free:
        yield causes.required(f"{path}.type", f"must not be empty for specified {what}")
    yield from _keywords(schema, path)
    yield from _lists_and_maps(schema, path)
    if schema.get("default") is not None and not is_root:
        for cause in schema_values.problems(schema, schema["default"], ""):
            yield cause._replace(field=f"{path}.default")
    for name, below in sorted((schema.get("properties") or {}).items()):
        yield from _own(below, f"{path}.properties[{name}]", what="object fields")
    for key, word in (("items", "array items"), ("additionalProperties", "additionalProperties")):
        if isinstance(schema.get(key), dict):
            yield from _own(schema[key], f"{path}.{key}", what=word)
    yield from _junctors(schema, path, is_either=bool(schema.get(INT_OR_STRING)))


def _keywords(schema: Schema, path: str) -> Iterator[Cause]:
    for key in _UNSUPPORTED:
        if schema.get(key):
            yield causes.forbidden(f"{path}.{key}", f"{key} is not supported")
    if schema.get("uniqueItems"):
        yield causes.forbidden(f"{path}.uniqueItems", _QUADRATIC)
    if isinstance(schema.get("items"), list):
        yield causes.forbidden(f"{path}.items", "items must be a schema object and not an array")
    elif schema.get("type") == "array" and "items" not in schema:
        yield causes.required(f"{path}.items", "must be specified")
    if schema.get("type") and schema["type"] not in TYPES:
        yield causes.unsupported(f"{path}.type", schema["type"], TYPES)
    if schema.get("additionalProperties") and schema.get("properties"):
        detail = "additionalProperties and properties are mutual exclusive"
        yield causes.forbidden(f"{path}.additionalProperties", detail)


def _lists_and_maps(schema: Schema, path: str) -> Iterator[Cause]:
    kind, items = schema.get("type"), schema.get("items") if isinstance(schema.get("items"), dict) else {}
    if schema.get(FREE) is False:
        yield causes.wrong(f"{path}.{FREE}", False, "must be true or undefined")
    for key, of, allowed in ((LIST, "array", LIST_TYPES), (MAP, "object", MAP_TYPES)):
        if schema.get(key) is None:
            continue
        if kind != of:
            yield causes.wrong(f"{path}.type", kind or "", f"must be {of} if {key} is specified")
        if schema[key] not in allowed:
            yield causes.unsupported(f"{path}.{key}", schema[key], allowed)
    if schema.get(LIST) == "set" and items and items.get("type") in ("object", "array"):
        key = MAP if items["type"] == "object" else LIST
        if items.get(key) != "atomic":
            detail = f"must be atomic as item of a list with {LIST}=set"
            yield causes.wrong(f"{path}.items.{key}", items.get(key), detail)
    yield from _keys(schema, items or {}, path)
    if schema.get(EMBEDDED) and not schema.get("properties") and not schema.get(FREE):
        detail = f"must not be empty if {EMBEDDED} is true without {FREE}"
        yield causes.required(f"{path}.properties", detail)


def _keys(schema: Schema, items: Schema, path: str) -> Iterator[Cause]:
    keys, here = schema.get(KEYS) or [], f"{path}.{KEYS}"
    if schema.get(LIST) != "map":
        if keys:
            detail = f"must be map if {KEYS} is non-empty"
            if schema.get(LIST) is None:
                yield causes.required(f"{path}.{LIST}", detail)
            else:
                yield causes.wrong(f"{path}.{LIST}", schema[LIST], detail)
        return
    if not keys:
        yield causes.required(here, f"must not be empty if {LIST} is map")
        return
    properties = items.get("properties") or {}
    if len(set(keys)) < len(keys):
        yield causes.wrong(here, keys, "must not contain duplicate entries")
    if not set(keys) <= set(properties):
        yield causes.wrong(here, keys, "entries must all be names of item properties")
    for key in dict.fromkeys(keys):
        if key in properties and key not in (items.get("required") or ()) and properties[key].get("default") is None:
            detail = f"this property is in {KEYS}, so it must have a default or be a required property"
            yield causes.required(f"{path}.items.properties[{key}].default", detail)


def _junctors(schema: Schema, path: str, *, is_either: bool) -> Iterator[Cause]:
    """The schemas in allOf, anyOf, oneOf and not: they constrain values and say no types."""
    for key in ("allOf", "anyOf", "oneOf"):
        given = schema.get(key) or []
        if is_either and key == "anyOf" and given == _EITHER:
            continue
        for at, below in enumerate(given):
            yield from _constraint(below, f"{path}.{key}[{at}]", is_either=is_either and key == "allOf" and at == 0)
    if schema.get("not"):
        yield from _constraint(schema["not"], f"{path}.not", is_either=False)


def _constraint(schema: Schema, path: str, *, is_either: bool) -> Iterator[Cause]:
    for key, detail in _EMPTY_IN_JUNCTORS.items():
        if schema.get(key) not in (None, "", [], False):
            yield causes.forbidden(f"{path}.{key}", detail)
    for key in _UNSUPPORTED:
        if schema.get(key):
            yield causes.forbidden(f"{path}.{key}", f"{key} is not supported")
    if schema.get("uniqueItems"):
        yield causes.forbidden(f"{path}.uniqueItems", _QUADRATIC)
    for name, below in sorted((schema.get("properties") or {}).items()):
        yield from _constraint(below, f"{path}.properties[{name}]", is_either=False)
    if isinstance(schema.get("items"), dict):
        yield from _constraint(schema["items"], f"{path}.items", is_either=False)
    yield from _junctors(schema, path, is_either=is_either)
