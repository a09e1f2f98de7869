"""Paths that are no objects: discovery, OpenAPI, health, /version."""

from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import web

from labkit.sandbox.apiserver import accepting, discovery, openapi, packing, refusing
from labkit.sandbox.apiserver.registry import Registry

HEALTH = ("healthz", "livez", "readyz")
CHECKS = ("ping", "log", "etcd", "poststarthook/bootstrap")
TEXT = "text/plain; charset=utf-8"


class Documents:
    """Answers GETs of everything that is not an object."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._openapi = openapi.Documents(registry)
        self._cache: dict[str, tuple[int, bytes]] = {}

    def __repr__(self) -> str:
        return f"Documents({self._registry!r})"

    def answer(self, request: web.BaseRequest) -> web.Response:
        """The document at the request's path, or a plain 404."""
        parts = request.path.removeprefix("/").rstrip("/").split("/")
        if parts[0] in HEALTH:
            return self._health(request, parts)
        if parts[0] == "openapi":
            return self._openapi_document(request, parts)
        accept = request.headers.get("Accept", "")
        if request.path in ("/api", "/apis", "/api/", "/apis/") and (aggregated := _wants_aggregated(accept)):
            core = parts[0] == "api"
            body = self._cached(f"aggregated {core}", lambda: discovery.aggregated(self._registry, core=core))
            return web.Response(body=body, headers={"Content-Type": aggregated})
        plain = self._plain(parts)
        if plain is None:
            return self.page_not_found()
        if parts[0] in ("api", "version") or len(parts) == 3:
            # Services of a real server; the other documents answer whatever is asked.
            if request.method != "GET":
                raise refusing.method_not_allowed()
            accepting.check(accept, *((accepting.JSON,) if parts[0] == "version" else accepting.MEDIA_TYPES))
        return _json(plain)

    def page_not_found(self) -> web.Response:
        """The 404 of paths that no group owns."""
        headers = {"Content-Type": TEXT}
        return web.Response(status=404, body=b"404 page not found\n", headers=headers)

    def _plain(self, parts: list[str]) -> Any:
        registry = self._registry
        match parts:
            case [""]:
                return {"paths": discovery.paths(registry)}
            case ["version"]:
                return discovery.version()
            case ["api"]:
                return discovery.versions()
            case ["api", "v1"]:
                return discovery.resources(registry, "", "v1")
            case ["apis"]:
                return discovery.groups(registry)
            case ["apis", group]:
                return discovery.group(registry, group)
            case ["apis", group, version] if registry.has(group, version):
                return discovery.resources(registry, group, version)
            case ["apis", group, _] if registry.is_builtin(group):
                raise refusing.no_such_resource()
            case _:
                return None

    def _health(self, request: web.BaseRequest, parts: list[str]) -> web.Response:
        if len(parts) > 1 and "/".join(parts[1:]) not in CHECKS:
            return self.page_not_found()
        text = "ok"
        if "verbose" in request.query:
            lines = [f"[+]{name} ok" for name in CHECKS]
            text = "\n".join([*lines, f"{parts[0]} check passed", ""])
        return web.Response(body=text.encode(), headers={"Content-Type": TEXT})

    def _openapi_document(self, request: web.BaseRequest, parts: list[str]) -> web.Response:
        match parts[1:]:
            case ["v2"] if "protobuf" in request.headers.get("Accept", ""):
                return web.Response(body=openapi.V2_PROTOBUF, headers={"Content-Type": openapi.V2_TYPE})
            case ["v2"]:
                return _json(openapi.V2_STUB)
            case ["v3"]:
                body = self._cached("openapi", self._openapi.index)
                return web.Response(body=body, headers={"Content-Type": TEXT})
            case ["v3", "version"]:
                return _json(openapi.V2_STUB | {"openapi": "3.0.0"})
            case ["v3", "api", version]:
                document = self._openapi.document("", version)
            case ["v3", "apis", group, version]:
                document = self._openapi.document(group, version)
            case _:
                return self.page_not_found()
        if document is None:
            return web.Response(status=404)
        headers = {"Content-Type": "application/json"}
        if "hash" in request.query:
            # What lies behind a hash never changes: kubectl keeps it on disk.
            headers |= {"Cache-Control": "public, immutable, max-age=31536000", "Vary": "Accept"}
        return web.Response(body=document, headers=headers)

    def _cached(self, name: str, make: Callable[[], Any]) -> bytes:
        held = self._cache.get(name)
        if held is None or held[0] != self._registry.generation:
            held = self._cache[name] = (self._registry.generation, packing.packed(make()))
        return held[1]


def _json(value: Any) -> web.Response:
    return web.Response(body=orjson.dumps(value), headers={"Content-Type": "application/json"})


def _wants_aggregated(accept: str) -> str:
    """The media type of aggregated discovery if it is what a client likes best; 406 if nothing fits."""
    for clause in accept.split(","):
        kind, *parameters = (part.strip() for part in clause.split(";"))
        asked = dict(p.partition("=")[::2] for p in parameters)
        if kind == accepting.JSON and asked.get("as") == "APIGroupDiscoveryList":
            if asked.get("v") == "v2" and asked.get("g") == "apidiscovery.k8s.io":
                return discovery.AGGREGATED
        elif kind in (accepting.JSON, "*/*", "application/*", accepting.YAML, ""):
            return ""
    raise refusing.unacceptable(accepting.MEDIA_TYPES)
