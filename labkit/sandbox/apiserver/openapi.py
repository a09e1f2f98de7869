"""OpenAPI v3: one document for each group version, with the paths that tell kubectl what the server can do."""

import hashlib
from typing import Any

import orjson

from labkit.kube.resources import Object
from labkit.sandbox.apiserver import discovery, packing
from labkit.sandbox.apiserver.objects import documentation, schemas
from labkit.sandbox.apiserver.registry import Registry, Served

REF = "#/components/schemas/"
META = "io.k8s.apimachinery.pkg.apis.meta.v1"

V2_PROTOBUF = b"\x0a\x032.0"
"""A document that says nothing, in the only form in which kubectl asks for version 2: ``swagger: "2.0"``."""

# Asked for as "v2@v1.0", which is no media type; a real server answers with this one.
V2_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
V2_STUB: Object = {
    "swagger": "2.0",
    "info": {"title": "Kubernetes", "version": discovery.VERSION},
    "paths": {},
    "definitions": {},
}


class Documents:
    """The documents, made when first asked for and again after the registry changed."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._held: dict[tuple[str, str], tuple[int, bytes]] = {}

    def __repr__(self) -> str:
        return f"Documents({len(self._held)} held)"

    def index(self) -> Object:
        """The document at /openapi/v3; each link carries a hash of what lies behind it."""
        links: Object = {"version": self._link("version", "version")}
        links["api/v1"] = self._link("api/v1", self._fingerprint("", "v1"))
        for group, versions in sorted(self._registry.versions().items()):
            for version in versions if group else []:
                path = f"apis/{group}/{version}"
                links[path] = self._link(path, self._fingerprint(group, version))
        return {"paths": links}

    def document(self, group: str, version: str) -> bytes | None:
        """The document of one group version, serialised."""
        if not self._registry.has(group, version):
            return None
        held = self._held.get((group, version))
        if held is None or held[0] != self._registry.generation:
            body = packing.packed(_document(self._registry, group, version))
            held = self._held[group, version] = (self._registry.generation, body)
        return held[1]

    def _fingerprint(self, group: str, version: str) -> str:
        # The content and not a counter: a cache of kubectl outlives this process.
        parts = [discovery.VERSION, group, version]
        for served in self._registry.of_version(group, version):
            parts.append(served.plural)
            if served.crd is not None:
                parts.append(orjson.dumps(served.crd["spec"], option=orjson.OPT_SORT_KEYS).decode())
        return "\n".join(parts)

    def _link(self, path: str, content: str) -> Object:
        digest = hashlib.sha256(content.encode()).hexdigest()[:32].upper()
        return {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest}"}


def _document(registry: Registry, group: str, version: str) -> Object:
    components: dict[str, Object] = {}
    paths: dict[str, Object] = {}
    for served in registry.of_version(group, version):
        name = component_name(served)
        if served.crd is not None:
            components[name] = custom_schema(served)
            _collect(f"{META}.ObjectMeta", components)
        else:
            _collect(name, components)
        _add_list(served, name, components)
        _add_paths(served, name, paths)
    _collect(f"{META}.DeleteOptions", components)
    _collect(f"{META}.Status", components)
    info = {"title": "Kubernetes", "version": discovery.VERSION}
    return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": components}}


def component_name(served: Served) -> str:
    """The name of a kind's schema: ``io.k8s.api.apps.v1.Deployment``, ``io.istio.networking.v1.Gateway``."""
    if served.crd is None:
        return served.schema.definition
    reversed_group = ".".join(reversed(served.group.split(".")))
    return f"{reversed_group}.{served.version}.{served.kind}"


def custom_schema(served: Served) -> Object:
    """The schema of a custom kind as published: its own, with the standard fields."""
    version = next(v for v in served.crd["spec"]["versions"] if v["name"] == served.version)  # type: ignore[index]
    schema = dict((version.get("schema") or {}).get("openAPIV3Schema") or {"type": "object"})
    properties = dict(schema.get("properties") or {})
    properties["apiVersion"] = properties["kind"] = {"type": "string"}
    properties["metadata"] = {"allOf": [{"$ref": f"{REF}{META}.ObjectMeta"}]}
    mark = {"group": served.group, "kind": served.kind, "version": served.version}
    return schema | {"properties": properties, "x-kubernetes-group-version-kind": [mark]}


def _collect(name: str, into: dict[str, Object]) -> None:
    """Add a component and everything it refers to."""
    left = [name]
    while left:
        at = left.pop()
        definition = schemas.definitions().get(at)
        if definition is None or at in into:
            continue
        into[at] = _described(at, definition)
        left += _references(definition)


def _described(name: str, component: Object) -> Object:
    """A component with what the API says of it, for ``kubectl explain``."""
    model = documentation.component(name)
    described = {"description": model.text, **component} if model.text else dict(component)
    properties = described.get("properties") or {}
    if properties:
        described["properties"] = {key: _told(value, model.fields.get(key, "")) for key, value in properties.items()}
    return described


def _told(value: Object, text: str) -> Object:
    """A property with its description; one that is another type has, where the client says nothing, that type's."""
    references = _references(value)
    if not text and len(references) == 1 and value.get("type") != "array":
        text = documentation.component(references[0]).text
    return {"description": text, **value} if text else value


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        references = [value["$ref"].removeprefix(REF)] if isinstance(value.get("$ref"), str) else []
        for item in value.values():
            references += _references(item)
        return references
    return [name for item in value for name in _references(item)] if isinstance(value, list) else []


def _add_list(served: Served, name: str, components: dict[str, Object]) -> None:
    if "list" not in served.verbs:
        return
    _collect(f"{META}.ListMeta", components)
    mark = {"group": served.group, "kind": served.list_kind, "version": served.version}
    components.setdefault(
        f"{name}List",
        {
            "type": "object",
            "required": ["items"],
            "properties": {
                "apiVersion": {"type": "string"},
                "kind": {"type": "string"},
                "metadata": {"allOf": [{"$ref": f"{REF}{META}.ListMeta"}]},
                "items": {"type": "array", "items": {"allOf": [{"$ref": REF + name}]}},
            },
            "x-kubernetes-group-version-kind": [mark],
        },
    )


def _add_paths(served: Served, name: str, paths: dict[str, Object]) -> None:
    root = f"/apis/{served.group}/{served.version}" if served.group else f"/api/{served.version}"
    scope = "/namespaces/{namespace}" if served.namespaced else ""
    collection = f"{root}{scope}/{served.plural}"
    verbs = {"get": "list", "post": "create", "delete": "deletecollection"}
    paths[collection] = {
        method: _operation(served, name, method, action) for method, action in verbs.items() if action in served.verbs
    }
    one = {"get": "get", "put": "update", "patch": "patch", "delete": "delete"}
    operations = {m: _operation(served, name, m, a) for m, a in one.items() if a in served.verbs}
    if operations:
        paths[f"{collection}/{{name}}"] = operations
    if served.namespaced and "list" in served.verbs:
        paths[f"{root}/{served.plural}"] = {"get": _operation(served, name, "get", "list")}


def _operation(served: Served, name: str, method: str, action: str) -> Object:
    names = ["dryRun", "fieldManager", "fieldValidation"] if method in ("post", "put", "patch") else []
    names += ["force"] if method == "patch" else []
    parameters = [{"name": n, "in": "query", "schema": {"type": "string"}} for n in names]
    body = {"content": {"application/json": {"schema": {"$ref": REF + name}}}}
    operation: Object = {
        "operationId": f"{action}{served.version.title()}{served.kind}",
        "parameters": parameters,
        "responses": {"200": {"description": "OK", **body}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": {
            "group": served.group,
            "version": served.version,
            "kind": served.kind,
        },
    }
    return operation | ({"requestBody": body} if method in ("post", "put") else {})
