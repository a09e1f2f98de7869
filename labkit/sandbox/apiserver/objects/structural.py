"""Custom resources: pruned to their structural schema, their metadata read strictly, defaults filled in."""

from collections.abc import Mapping
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects import gojson, reading
from labkit.sandbox.apiserver.objects.schemas import Schema

ROOT = ("apiVersion", "kind", "metadata")


def convert(schema: Schema, value: Mapping[str, Any]) -> tuple[Object, list[str]]:
    """The object without what its schema does not know, and those fields; Unreadable for wrong metadata."""
    reader = reading.Reader()
    metadata = reader.read(schema.type.fields["metadata"], value.get("metadata") or {})
    unknown = [text.replace('"', '"metadata.', 1) for text in reader.unknown]
    gone: list[str] = []
    kept = pruned(schema_of(schema), gojson.plain(value), None, gone, root=True)
    kept["metadata"] = metadata
    return kept, [f'unknown field "{path}"' for path in sorted(gone)] + unknown


def schema_of(schema: Schema) -> Mapping[str, Any]:
    """The OpenAPI schema of a custom kind."""
    version = schema.custom or {}
    root: Mapping[str, Any] = (version.get("schema") or {}).get("openAPIV3Schema") or {}
    return root


def pruned(schema: Mapping[str, Any], value: Any, path: reading.Path, gone: list[str], *, root: bool = False) -> Any:
    """The value without fields its schema does not name; ``gone`` collects the topmost ones."""
    if isinstance(value, list):
        items = schema.get("items") or {}
        keep = {"x-kubernetes-preserve-unknown-fields": True} if "items" not in schema else items
        return [pruned(keep, item, (path, at), gone) for at, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    embedded = root or bool(schema.get("x-kubernetes-embedded-resource"))
    preserve = schema.get("x-kubernetes-preserve-unknown-fields")
    properties, values = schema.get("properties") or {}, schema.get("additionalProperties")
    kept = {}
    for key, item in value.items():
        if embedded and key in ROOT:
            kept[key] = item
        elif key in properties:
            kept[key] = pruned(properties[key], item, (path, key), gone)
        elif values:
            kept[key] = pruned(values, item, (path, key), gone) if isinstance(values, dict) else item
        elif preserve:
            kept[key] = item
        else:
            gone.append(reading.dotted((path, key)))
    return kept


def defaulted(schema: Mapping[str, Any], value: Any) -> Any:
    """The value with defaults in every object there is; null becomes a default or goes, unless nullable."""
    if isinstance(value, list):
        items = schema.get("items")
        return [defaulted(items, item) for item in value] if items else value
    if not isinstance(value, dict):
        return value
    properties, values = schema.get("properties") or {}, schema.get("additionalProperties")
    filled = {}
    for key, item in value.items():
        below = properties.get(key) or (values if isinstance(values, dict) else None)
        if below is None:
            filled[key] = item
        elif item is None and not below.get("nullable"):
            if "default" in below:
                filled[key] = defaulted(below, gojson.plain(below["default"]))
            elif below.get("x-kubernetes-preserve-unknown-fields") and "type" not in below:
                filled[key] = item
        else:
            filled[key] = defaulted(below, item)
    for key, below in properties.items():
        if key not in value and "default" in below:
            filled[key] = defaulted(below, gojson.plain(below["default"]))
    return filled


def has_defaults(schema: Mapping[str, Any]) -> bool:
    """Whether there is a default anywhere below."""
    below = [*(schema.get("properties") or {}).values(), schema.get("items"), schema.get("additionalProperties")]
    return "default" in schema or any(has_defaults(item) for item in below if isinstance(item, Mapping))
