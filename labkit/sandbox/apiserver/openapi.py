"""OpenAPI v3: what kubectl reads to explain kinds and to learn that the server validates fields."""

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

from labkit.kube.resources import Object
from labkit.sandbox.apiserver import registry
from labkit.sandbox.apiserver.objects import schemas


class Documents:
    """One document for each group and version, built when first asked for."""

    def __init__(self, kinds: registry.Registry) -> None:
        self._kinds = kinds
        self._built: dict[tuple[int, str, str], bytes] = {}

    def index(self) -> Object:
        """``GET /openapi/v3``."""
        paths = {}
        for group, version in {(g, v) for g, v, _ in (s.path for s in self._kinds.all())}:
            path = f"apis/{group}/{version}" if group else f"api/{version}"
            # By content, not by a counter: kubectl caches on disk and another sandbox may have this port later.
            digest = hashlib.sha256(self.document(group, version)).hexdigest()[:32].upper()
            paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest}"}
        return {"paths": paths}

    def document(self, group: str, version: str) -> bytes:
        """``GET /openapi/v3/apis/apps/v1``."""
        key = self._kinds.generation, group, version
        if key not in self._built:
            for old in [k for k in self._built if k[0] != key[0] and k[1:] == key[1:]]:
                del self._built[old]
            self._built[key] = orjson.dumps(self._build(group, version))
        return self._built[key]

    def _build(self, group: str, version: str) -> Object:
        components: dict[str, Any] = {}
        paths: dict[str, Any] = {}
        for served in self._kinds.all():
            if served.path[:2] == (group, version):
                name = served.schema.definition or _custom_name(served)
                if served.schema.custom is not None:
                    components[name] = _custom(served)
                    _collect("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta", components)
                else:
                    _collect(name, components)
                paths |= _paths(served, name)
        return {
            "openapi": "3.0.0",
            "info": {"title": "Kubernetes", "version": "v1.36.3"},
            "paths": paths,
            "components": {"schemas": components},
        }


def _paths(served: registry.Served, name: str) -> dict[str, Any]:
    schema = served.schema
    kind = {"group": schema.group, "version": schema.version, "kind": schema.kind}
    base = f"/apis/{schema.group}/{schema.version}" if schema.group else f"/api/{schema.version}"
    place = f"{base}/namespaces/{{namespace}}/{schema.plural}" if schema.namespaced else f"{base}/{schema.plural}"
    query = [
        {"name": word, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
        for word in ("dryRun", "fieldManager", "fieldValidation")
    ]
    body = {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}

    def operation(action: str) -> Object:
        return {
            "parameters": query,
            "responses": {"200": {"description": "OK", "content": body}},
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": kind,
        }

    return {
        place: {"post": operation("post"), "get": operation("list")},
        f"{place}/{{name}}": {word: operation(word) for word in ("get", "put", "patch", "delete")},
    }


def _collect(name: str, into: dict[str, Any]) -> None:
    """A definition and all it refers to."""
    if name in into or name not in schemas.definitions():
        return
    definition = schemas.definitions()[name]
    into[name] = definition
    for target in _refs(definition):
        _collect(target, into)


def _refs(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        own = [value["$ref"].rpartition("/")[2]] if isinstance(value.get("$ref"), str) else []
        return own + [ref for below in value.values() for ref in _refs(below)]
    if isinstance(value, list):
        return [ref for below in value for ref in _refs(below)]
    return []


def _custom_name(served: registry.Served) -> str:
    backwards = ".".join(reversed(served.schema.group.split(".")))
    return f"{backwards}.{served.schema.version}.{served.schema.kind}"


def _custom(served: registry.Served) -> Object:
    schema = served.schema
    found = dict((schema.custom or {}).get("schema", {}).get("openAPIV3Schema") or {"type": "object"})
    meta = {"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}
    text = {"type": "string"}
    found["properties"] = {"apiVersion": text, "kind": text, **found.get("properties", {}), "metadata": meta}
    kind = {"group": schema.group, "version": schema.version, "kind": schema.kind}
    found["x-kubernetes-group-version-kind"] = [kind]
    return found
