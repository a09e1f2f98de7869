"""Rules for CustomResourceDefinitions."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects.cel import definitions as rules_of_definitions
from labkit.sandbox.apiserver.objects.validation import causes, names, structural_schemas
from labkit.sandbox.apiserver.objects.validation.causes import Cause

SCHEMA = "spec.validation.openAPIV3Schema"
"""Where a schema stands that all versions share; a real server moves it there before it looks."""

_NO_JSON_PATH = "must be a simple json path starting with ."
_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")

_VERSION: tuple[str, ...] = ("Name", "Served", "Storage", "Deprecated", "DeprecationWarning", "Schema", "Subresources")
_VERSION += ("AdditionalPrinterColumns", "SelectableFields")


def _definition(crd: Object) -> Iterator[Cause]:
    spec, given = crd["spec"], crd["spec"].get("names") or {}
    versions = spec.get("versions") or []
    name, group = crd["metadata"].get("name") or "", spec.get("group") or ""
    if name != f"{given.get('plural', '')}.{group}":
        yield causes.wrong("metadata.name", name, 'must be spec.names.plural+"."+spec.group')
    if not group:
        yield causes.required("spec.group")
    elif problems := names.subdomain(group):
        yield causes.wrong("spec.group", group, ",".join(problems))
    scope = spec.get("scope")
    if not scope:
        yield causes.required("spec.scope")
    elif scope not in ("Cluster", "Namespaced"):
        yield causes.unsupported("spec.scope", scope, ("Cluster", "Namespaced"))
    stored = [version["name"] for version in versions if version.get("storage")]
    if len(stored) != 1:
        shown = [_shown(version) for version in versions] or None
        yield causes.wrong("spec.versions", shown, "must have exactly one version marked as storage version")
    yield from _names(given, "spec.names")
    yield from _stored_versions((crd.get("status") or {}).get("storedVersions"), stored)
    shared = _is_shared(versions, "schema") and bool(((versions or [{}])[0].get("schema") or {}).get("openAPIV3Schema"))
    for at, version in enumerate(versions[:1] if shared else versions):
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        path = SCHEMA if shared else f"spec.versions[{at}].schema.openAPIV3Schema"
        if schema is None:
            yield causes.required(path, "schemas are required")
        else:
            complaints = list(structural_schemas.problems(schema, path))
            yield from complaints
            if not complaints:
                yield from rules_of_definitions.problems(schema, path)
    for field, rule in (("subresources", _subresources), ("additionalPrinterColumns", _columns)):
        together = _is_shared(versions, field)
        for at, version in enumerate(versions[:1] if together else versions):
            yield from rule(version.get(field), f"spec.{field}" if together else f"spec.versions[{at}].{field}")


def _is_shared(versions: list[Object], field: str) -> bool:
    """Whether all versions say the same: then a real server looks at it once, above them."""
    return all(version.get(field) == versions[0].get(field) for version in versions)


def _names(given: Object, path: str) -> Iterator[Cause]:
    for field in ("plural", "singular", "kind", "listKind"):
        name = given.get(field) or ""
        mixed = names.MIXED_CASE if "ind" in field else ""
        problems = names.label_1035(name.lower() if mixed else name) if name else []
        if problems:
            yield causes.wrong(f"{path}.{field}", name, mixed + ",".join(problems))
        elif not name:
            yield causes.required(f"{path}.{field}")
    if given.get("kind") and given["kind"] == given.get("listKind"):
        yield causes.wrong(f"{path}.listKind", given["listKind"], "kind and listKind may not be the same")
    for field in ("shortNames", "categories"):
        for at, name in enumerate(given.get(field) or ()):
            if problems := names.label_1035(name):
                yield causes.wrong(f"{path}.{field}[{at}]", name, ",".join(problems))


def _subresources(given: Object | None, path: str) -> Iterator[Cause]:
    scale = (given or {}).get("scale")
    if scale is None:
        return
    for field, under in (("specReplicasPath", ".spec"), ("statusReplicasPath", ".status")):
        here, text = f"{path}.scale.{field}", scale.get(field) or ""
        if not text:
            yield causes.required(here)
        elif not text.startswith("."):
            yield causes.wrong(here, text, _NO_JSON_PATH)
        elif not text.startswith(f"{under}."):
            yield causes.wrong(here, text, f"should be a json path under {under}")


def _columns(given: Any, path: str) -> Iterator[Cause]:
    for at, column in enumerate(given or ()):
        here, kind, form, text = f"{path}[{at}]", *(column.get(name) or "" for name in ("type", "format", "jsonPath"))
        if not column.get("name"):
            yield causes.required(f"{here}.name")
        if not kind:
            yield causes.required(f"{here}.type", f"must be one of {','.join(_COLUMN_TYPES)}")
        elif kind not in _COLUMN_TYPES:
            yield causes.wrong(f"{here}.type", kind, f"must be one of {','.join(_COLUMN_TYPES)}")
        if form and form not in _COLUMN_FORMATS:
            yield causes.wrong(f"{here}.format", form, f"must be one of {','.join(_COLUMN_FORMATS)}")
        if not text:
            yield causes.required(f"{here}.JSONPath")
        elif not text.startswith("."):
            yield causes.wrong(f"{here}.JSONPath", text, _NO_JSON_PATH)


def _shown(version: Object) -> Object:
    values = {"Name": version["name"], "Served": bool(version.get("served"))}
    values |= {"Storage": bool(version.get("storage")), "Deprecated": bool(version.get("deprecated"))}
    return {field: values.get(field) for field in _VERSION}


def _stored_versions(versions: Any, stored: list[str]) -> Iterator[Cause]:
    if not versions:
        yield causes.wrong("status.storedVersions", None, "must have at least one stored version")
    elif stored and stored[-1] not in versions:
        detail = f"must have the storage version {stored[-1]}"
        yield causes.wrong("status.storedVersions", versions, detail)


KINDS: Mapping[str, Callable[[Object], Iterator[Cause]]] = {
    "apiextensions.k8s.io/CustomResourceDefinition": _definition,
}
