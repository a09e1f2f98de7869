"""Objects, lists and events as the bytes of an answer, in the form the client accepts."""

import datetime
from typing import Any

import orjson

from labkit.kube.resources import Object
from labkit.sandbox.apiserver import accepting, refusing
from labkit.sandbox.apiserver.accepting import Form
from labkit.sandbox.apiserver.objects import goyaml, tables
from labkit.sandbox.apiserver.reading import Listing
from labkit.sandbox.apiserver.registry import Served
from labkit.sandbox.apiserver.store import Item
from labkit.sandbox.apiserver.watching import BOOKMARK, ERROR, Event


def encoded(obj: Any, form: Form = accepting.PLAIN) -> bytes:
    """Any JSON value in the media type of the form."""
    if form.media_type == accepting.YAML:
        return goyaml.dumps(obj).encode()
    return orjson.dumps(obj)


def one(served: Served, item: Item, form: Form, *, include: str = "") -> bytes:
    """An object."""
    if form.kind == accepting.OBJECT:
        return item.body if form.media_type == accepting.JSON else encoded(item.object, form)
    if form.kind == accepting.PARTIAL:
        return encoded(_partial(item, form), form)
    if form.kind == accepting.TABLE:
        table = _table(served, [item], form, include)
        table["metadata"] = {"resourceVersion": item.object["metadata"].get("resourceVersion", "")}
        return encoded(table, form)
    kind = "*unstructured.Unstructured" if served.crd else f"*{_package(served)}.{served.kind}"
    raise refusing.refusal(
        406, "NotAcceptable", f"you requested {form.kind}, but the requested object is not a list ({kind})"
    )


def many(served: Served, listing: Listing, form: Form, *, include: str = "") -> bytes:
    """A list."""
    metadata: Object = {"continue": ""} if served.crd is not None and form.kind == accepting.OBJECT else {}
    metadata["resourceVersion"] = str(listing.version)
    if listing.token:
        metadata["continue"] = listing.token
        if listing.remaining is not None:
            metadata["remainingItemCount"] = listing.remaining
    if form.kind == accepting.TABLE:
        return encoded({**_table(served, listing.items, form, include), "metadata": metadata}, form)
    if form.kind == accepting.PARTIAL_LIST:
        items = [_partial(item, form) for item in listing.items]
        version = f"meta.k8s.io/{form.version}"
        head: Object = {"kind": form.kind, "apiVersion": version, "metadata": metadata}
        return encoded({**head, "items": items}, form)
    if form.kind == accepting.PARTIAL:
        text = f"you requested {form.kind}, but the requested object is a list"
        if served.crd is None:
            text += f" (*{_package(served)}.{served.list_kind})"
        raise refusing.refusal(406, "NotAcceptable", text)
    kind = {"kind": served.list_kind, "apiVersion": served.api_version}
    if form.media_type != accepting.JSON:
        bare = [{k: v for k, v in item.object.items() if k not in ("kind", "apiVersion")} for item in listing.items]
        items = bare if served.crd is None else [item.object for item in listing.items]
        return encoded({**kind, "metadata": metadata, "items": items}, form)
    parts = [item.body for item in listing.items] if served.crd else [_bare(served, i) for i in listing.items]
    start = orjson.dumps({**kind, "metadata": metadata})
    return b"".join((start[:-1], b',"items":[', b",".join(parts), b"]}"))


def event(served: Served, change: Event, form: Form, *, include: str = "", first: bool = True) -> bytes:
    """One line of a watch."""
    if form.kind == accepting.OBJECT or change.type == ERROR:
        return b"".join((b'{"type":"', change.type.encode(), b'","object":', change.item.body, b"}\n"))
    if form.kind == accepting.TABLE:
        rows = [] if change.type == BOOKMARK else [change.item]
        obj = _table(served, rows, form, include, columns_sent=not first)
        if change.type == BOOKMARK:
            obj["rows"] = [_bookmark_row(change.item)]
        obj["metadata"] = {"resourceVersion": change.item.object["metadata"].get("resourceVersion", "")}
    else:
        obj = _partial(change.item, form)
    return orjson.dumps({"type": change.type, "object": obj}) + b"\n"


def _bookmark_row(item: Item) -> Object:
    metadata = item.object["metadata"]
    partial = {"kind": accepting.PARTIAL, "apiVersion": "meta.k8s.io/v1", "metadata": metadata}
    return {"cells": [""], "object": partial}


def _bare(served: Served, item: Item) -> bytes:
    if item.body.startswith(served.head):
        return b"{" + item.body[len(served.head) :]
    return orjson.dumps({k: v for k, v in item.object.items() if k not in ("kind", "apiVersion")})


def _partial(item: Item, form: Form) -> Object:
    version = f"meta.k8s.io/{form.version}"
    return {"kind": accepting.PARTIAL, "apiVersion": version, "metadata": item.object["metadata"]}


def _table(served: Served, items: Any, form: Form, include: str, *, columns_sent: bool = False) -> Object:
    return tables.table(
        served.schema,
        [item.object for item in items],
        now=datetime.datetime.now(datetime.UTC),
        include=include or "Metadata",
        columns_sent=columns_sent,
        version=form.version,
    )


def _package(served: Served) -> str:
    return served.group.partition(".")[0] or "core"
