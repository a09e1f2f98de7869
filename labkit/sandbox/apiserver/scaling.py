"""Scale: how many replicas an object asks for, in one form for every kind."""

from typing import Any

import orjson

from labkit.kube.resources import Object
from labkit.sandbox.apiserver import labels, preparing, refusing, writing
from labkit.sandbox.apiserver.calls import Call
from labkit.sandbox.apiserver.core import Core
from labkit.sandbox.apiserver.objects import ownership, patches, schemas, validation
from labkit.sandbox.apiserver.objects.schemas import Schema
from labkit.sandbox.apiserver.objects.validation import Cause
from labkit.sandbox.apiserver.registry import Served
from labkit.sandbox.apiserver.store import Item
from labkit.sandbox.apiserver.writing import Written

KEPT = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
"""Metadata that a Scale shares with its object."""

BUILTIN = {
    "specReplicasPath": ".spec.replicas",
    "statusReplicasPath": ".status.replicas",
    "labelSelectorPath": ".spec.selector",
}
"""Where kinds of the server's own keep the numbers, in the words of a CustomResourceDefinition."""


async def get(core: Core, call: Call) -> Written:
    """The Scale of an object."""
    return Written(200, _shown(call.served, core.find(call.served, call.namespace, call.name)))


async def update(core: Core, call: Call) -> Written:
    """Set the replicas to those of the Scale that was sent."""
    sent = writing.body_object(call, _schema())
    preparing.place_for_update(call, sent.setdefault("metadata", {}))
    return await _rewritten(core, call, lambda _: sent)


async def patch(core: Core, call: Call) -> Written:
    """Change the Scale as the body says."""
    content_type = call.content_type.partition(";")[0].strip()
    body = call.body if isinstance(call.body, bytes) else orjson.dumps(call.body)
    # An apply of a Scale can only say how many; that is a merge.
    kind = patches.MERGE if content_type == patches.APPLY else content_type
    config = orjson.dumps(writing.applied_config(call)) if content_type == patches.APPLY else body

    def change(scale: Object) -> Object:
        return patches.patched(kind, scale, config, _schema(), level=call.level).object

    return await _rewritten(core, call, change)


async def _rewritten(core: Core, call: Call, change: Any) -> Written:
    served = call.served

    def rewrite(live: Object | None) -> Object:
        assert live is not None
        scale = change(_scale(served, live))
        version = (scale.get("metadata") or {}).get("resourceVersion")
        if version:
            preparing.check_version(call, version, live)
        replicas = (scale.get("spec") or {}).get("replicas", 0)
        if replicas < 0:
            text = f"Invalid value: {replicas}: must be greater than or equal to 0"
            raise validation.invalid(_schema(), call.name, [Cause("FieldValueInvalid", text, "spec.replicas")])
        new = _with(live, _paths(served)["specReplicasPath"], replicas)
        # Without a time, as on a real server, which takes the entry over from the Scale.
        managed = ownership.after_update(
            live, new, manager=call.manager, subresource="scale", schema=served.schema, time=""
        )
        return preparing.with_managed(new, managed)

    written = await writing.rewrite(core, call, rewrite)
    return Written(written.code, _shown(served, written.item))


def _shown(served: Served, item: Item) -> Item:
    return Item(_scale(served, item.object), item.version)


def _scale(served: Served, obj: Object) -> Object:
    paths, metadata = _paths(served), obj["metadata"]
    asked = _at(obj, paths["specReplicasPath"])
    if asked is None:
        text = f'the spec replicas field "{paths["specReplicasPath"]}" does not exist'
        raise refusing.refusal(
            500, "InternalError", f"Internal error occurred: {text}", {"causes": [{"message": text}]}
        )
    state: Object = {"replicas": _at(obj, paths["statusReplicasPath"]) or 0}
    selector = _at(obj, paths.get("labelSelectorPath", ""))
    if isinstance(selector, dict):
        selector = labels.text_of(selector)
    if selector:
        state["selector"] = selector
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: metadata[key] for key in KEPT if key in metadata},
        "spec": {"replicas": asked} if asked else {},
        "status": state,
    }


def _paths(served: Served) -> Object:
    custom = served.schema.custom
    scale: Object = custom["subresources"]["scale"] if custom is not None else BUILTIN
    return scale


def _at(obj: Object, path: str) -> Any:
    value: Any = obj
    for part in path.split(".")[1:]:
        value = value.get(part) if isinstance(value, dict) else None
    return value if path else None


def _with(obj: Object, path: str, value: Any) -> Object:
    """A copy of the object with another value at ``.spec.replicas``."""
    first, _, rest = path[1:].partition(".")
    return {**obj, first: _with(obj.get(first) or {}, f".{rest}", value) if rest else value}


def _schema() -> Schema:
    schema = schemas.builtin("autoscaling/v1", "Scale")
    assert schema is not None
    return schema
