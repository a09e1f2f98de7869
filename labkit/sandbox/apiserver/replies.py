"""How answers go out: plain objects, Tables, metadata only, Status, and streams of events."""

import datetime
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import orjson
from aiohttp import web

from labkit.kube import status
from labkit.kube.resources import Object
from labkit.sandbox.apiserver import registry, requests
from labkit.sandbox.apiserver.objects import refusals, tables

JSON = "application/json"
ANSWER_WITH_OBJECT = {
    "pods", "services", "serviceaccounts", "persistentvolumeclaims", "persistentvolumes", "podtemplates",
    "resourcequotas", "storageclasses.storage.k8s.io", "namespaces",
}  # fmt: skip
"""A delete of these answers with the object that went."""


def plain(obj: Object, *, code: int = 200, warnings: Iterable[str] = ()) -> web.Response:
    """An object as JSON."""
    reply = web.Response(body=orjson.dumps(obj) + b"\n", status=code, content_type=JSON)
    for text in dict.fromkeys(warnings):
        quoted = text.replace("\\", "\\\\").replace('"', '\\"')
        reply.headers.add("Warning", f'299 - "{quoted}"')
    return reply


def refused(error: status.StatusError) -> web.Response:
    """A Status; clients compare its text, so ``code`` comes last."""
    body = dict(error.status)
    code = body.pop("code", 500)
    full = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", **body, "code": code}
    headers = {}
    if seconds := (body.get("details") or {}).get("retryAfterSeconds"):
        headers["Retry-After"] = str(seconds)
    return web.Response(body=orjson.dumps(full) + b"\n", status=code, content_type=JSON, headers=headers)


def success(served: registry.Served | None = None, obj: Object | None = None) -> Object:
    """The Status of a delete, or of a request that makes no object."""
    found: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    if served is None or obj is None:
        return {**found, "code": 201}
    details = {"name": obj["metadata"]["name"]}
    if served.schema.group:
        details["group"] = served.schema.group
    return {**found, "details": {**details, "kind": served.schema.plural, "uid": obj["metadata"]["uid"]}}


def one(
    request: web.Request,
    served: registry.Served,
    obj: Object,
    *,
    code: int = 200,
    warnings: Iterable[str] = (),
) -> web.Response:
    """One object in the form asked for."""
    form = requests.wants(request)
    if form == "Table":
        table = _table(request, served, [obj])
        table["metadata"] = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
        return plain(table, code=code, warnings=warnings)
    if form == "PartialObjectMetadata":
        return plain(_partial(obj), code=code, warnings=warnings)
    return plain(obj, code=code, warnings=warnings)


def many(request: web.Request, served: registry.Served, found: Sequence[Object], metadata: Object) -> web.Response:
    """A list in the form asked for; typed lists leave kind and apiVersion out of their items."""
    form = requests.wants(request)
    if form == "Table":
        return plain({**_table(request, served, found), "metadata": metadata})
    if form == "PartialObjectMetadataList":
        items = [_partial(obj) for obj in found]
        head = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1"}
        return plain({**head, "metadata": metadata, "items": items})
    schema = served.schema
    if schema.custom is None:
        bare = [{k: v for k, v in obj.items() if k not in ("kind", "apiVersion")} for obj in found]
        items = list(bare)
    else:
        items = list(found)
    head = {"kind": f"{schema.kind}List", "apiVersion": schema.api_version}
    return plain({**head, "metadata": metadata, "items": items})


async def stream(
    request: web.Request, served: registry.Served, events: AsyncIterator[tuple[str, Object]]
) -> web.StreamResponse:
    """A watch, one JSON line an event."""
    form = requests.wants(request)
    reply = web.StreamResponse(headers={"Content-Type": JSON, "Cache-Control": "no-cache, private"})
    await reply.prepare(request)
    sent = False
    try:
        async for kind, obj in events:
            if form == "Table":
                shown: Any = _table(request, served, [obj] if kind != "BOOKMARK" else [], sent=sent)
                if kind == "BOOKMARK":
                    shown["rows"] = [{"cells": [], "object": _partial(obj)}]
                shown["metadata"] = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
                sent = True
            elif form.startswith("PartialObjectMetadata"):
                shown = _partial(obj)
            else:
                shown = obj
            await reply.write(orjson.dumps({"type": kind, "object": shown}) + b"\n")
    except status.StatusError as e:
        await reply.write(orjson.dumps({"type": "ERROR", "object": e.status}) + b"\n")
    return reply


def future(asked: int, now: int) -> Exception:
    """504: a version that is not there yet."""
    return refusals.refusal(
        504,
        "Timeout",
        f"Too large resource version: {asked}, current: {now}",
        {
            "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
            "retryAfterSeconds": 1,
        },
    )


def _table(request: web.Request, served: registry.Served, found: Sequence[Object], *, sent: bool = False) -> Object:
    include = request.query.get("includeObject") or "Metadata"
    now = datetime.datetime.now(datetime.UTC)
    return tables.table(served.schema, found, now=now, include=include, columns_sent=sent)


def _partial(obj: Object) -> Object:
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}
