"""Rules for CustomResourceDefinitions."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects.cel import definitions as rules_of_definitions
from labkit.sandbox.apiserver.objects.validation import causes, schema_values
from labkit.sandbox.apiserver.objects.validation.causes import Cause

SCHEMA = "spec.validation.openAPIV3Schema"
"""Where a schema stands that all versions share; a real server moves it there before it looks."""

_VERSION: tuple[str, ...] = ("Name", "Served", "Storage", "Deprecated", "DeprecationWarning", "Schema", "Subresources")
_VERSION += ("AdditionalPrinterColumns", "SelectableFields")


def _definition(crd: Object) -> Iterator[Cause]:
    spec, names = crd["spec"], crd["spec"].get("names") or {}
    versions = spec.get("versions") or []
    name, group = crd["metadata"].get("name") or "", spec.get("group") or ""
    if name != f"{names.get('plural', '')}.{group}":
        yield causes.wrong("metadata.name", name, 'must be spec.names.plural+"."+spec.group')
    if not group:
        yield causes.required("spec.group")
    scope = spec.get("scope")
    if not scope:
        yield causes.required("spec.scope")
    elif scope not in ("Cluster", "Namespaced"):
        yield causes.unsupported("spec.scope", scope, ("Cluster", "Namespaced"))
    stored = [version["name"] for version in versions if version.get("storage")]
    if len(stored) != 1:
        shown = [_shown(version) for version in versions] or None
        yield causes.wrong("spec.versions", shown, "must have exactly one version marked as storage version")
    for field in ("plural", "singular", "kind", "listKind"):
        if not names.get(field):
            yield causes.required(f"spec.names.{field}")
    yield from _stored_versions((crd.get("status") or {}).get("storedVersions"), stored)
    shared = all(version.get("schema") == versions[0].get("schema") for version in versions)
    for at, version in enumerate(versions[:1] if shared else versions):
        found = (version.get("schema") or {}).get("openAPIV3Schema")
        path = SCHEMA if shared else f"spec.versions[{at}].schema.openAPIV3Schema"
        if found is None:
            yield causes.required(path, "schemas are required")
        else:
            complaints = list(_root(found, path))
            yield from complaints
            if not complaints:
                yield from rules_of_definitions.problems(found, path)
    for at, version in enumerate(versions[:1]):
        for place, column in enumerate(version.get("additionalPrinterColumns") or ()):
            json_path = column.get("jsonPath") or ""
            if not json_path.startswith((".", "[")):
                field = f"spec.additionalPrinterColumns[{at + place}].JSONPath"
                yield causes.wrong(field, json_path, "must be a simple json path starting with .")


def _shown(version: Object) -> Object:
    values = {"Name": version["name"], "Served": bool(version.get("served"))}
    values |= {"Storage": bool(version.get("storage")), "Deprecated": bool(version.get("deprecated"))}
    return {field: values.get(field) for field in _VERSION}


def _stored_versions(found: Any, stored: list[str]) -> Iterator[Cause]:
    if not found:
        yield causes.wrong("status.storedVersions", None, "must have at least one stored version")
    elif stored and stored[-1] not in found:
        detail = f"must have the storage version {stored[-1]}"
        yield causes.wrong("status.storedVersions", found, detail)


def _root(schema: Mapping[str, Any], path: str) -> Iterator[Cause]:
    if schema.get("type") != "object":
        if schema.get("type"):
            yield causes.wrong(f"{path}.type", schema["type"], "must be object at the root")
        else:
            yield causes.required(f"{path}.type", "must not be empty at the root")
    yield from _below(schema, path)


def _node(schema: Mapping[str, Any], path: str, word: str) -> Iterator[Cause]:
    if "$ref" in schema:
        yield causes.forbidden(f"{path}.$ref", "$ref is not supported")
        return
    free = schema.get("x-kubernetes-int-or-string") or schema.get("x-kubernetes-preserve-unknown-fields")
    if not schema.get("type") and not free:
        yield causes.required(f"{path}.type", f"must not be empty for specified {word}")
    if schema.get("x-kubernetes-list-type") == "map" and not schema.get("x-kubernetes-list-map-keys"):
        detail = "must not be empty if x-kubernetes-list-type is map"
        yield causes.required(f"{path}.x-kubernetes-list-map-keys", detail)
    if schema.get("default") is not None:
        for cause in schema_values.problems(schema, schema["default"], ""):
            yield cause._replace(field=f"{path}.default")
    yield from _below(schema, path)


def _below(schema: Mapping[str, Any], path: str) -> Iterator[Cause]:
    for name, below in sorted((schema.get("properties") or {}).items()):
        yield from _node(below, f"{path}.properties[{name}]", "object fields")
    if isinstance(schema.get("items"), dict):
        yield from _node(schema["items"], f"{path}.items", "array items")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from _node(schema["additionalProperties"], f"{path}.additionalProperties", "additionalProperties")


KINDS: Mapping[str, Callable[[Object], Iterator[Cause]]] = {
    "apiextensions.k8s.io/CustomResourceDefinition": _definition,
}
