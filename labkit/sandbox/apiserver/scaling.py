"""Scale: how many replicas an object asks for, in one form for every kind."""

from collections.abc import Callable
from typing import Any

import orjson

from labkit.kube.resources import Object
from labkit.sandbox.apiserver import labels, preparing, refusing, writing
from labkit.sandbox.apiserver.calls import Call, is_true, timestamp
from labkit.sandbox.apiserver.core import Core
from labkit.sandbox.apiserver.objects import ownership, patches, scaled, schemas, validation
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
    core.find(call.served, call.namespace, call.name)
    return await _rewritten(core, call, lambda scale: _managed(call, scale, _taken_over(sent, scale)), unset=True)


async def patch(core: Core, call: Call) -> Written:
    """Change the Scale as the body says."""
    content_type = call.content_type.partition(";")[0].strip()
    body = call.body if isinstance(call.body, bytes) else orjson.dumps(call.body)
    if content_type == patches.APPLY:
        return await _apply(core, call)
    core.find(call.served, call.namespace, call.name)
    before = tuple(call.warnings)

    def change(scale: Object) -> Object:
        decoded = patches.patched(content_type, scale, body, _schema(), level=call.level)
        call.warnings[:] = before + decoded.warnings
        preparing.check_patched(call, decoded.object.get("metadata") or {}, scale)
        return _managed(call, scale, decoded.object)

    return await _rewritten(core, call, change, unset=True)


async def _apply(core: Core, call: Call) -> Written:
    config = writing.applied_config(call)
    core.find(call.served, call.namespace, call.name)

    def change(scale: Object) -> Object:
        merged = ownership.apply(
            scale,
            config,
            manager=call.manager,
            force=is_true(call.query.get("force")),
            schema=_schema(),
            time=timestamp(),
            subresource="scale",
        )
        if call.served.crd is not None:
            # A real server converts through the definition, which has no such version.
            what = f"new object ({call.namespace}/{call.name}"
            raise _inconvertible(f"failed to convert {what}; {scaled.VERSION}, Kind=Scale)")
        preparing.check_patched(call, ownership.metadata_of(config), scale)
        return merged

    return await _rewritten(core, call, change)


def _inconvertible(text: str) -> Exception:
    problem = f"request to convert CR to an invalid group/version: {scaled.VERSION}"
    return refusing.internal(f"{text} to proper version: {problem}")


def _taken_over(sent: Object, scale: Object) -> Object:
    """A Scale as sent, with the status of the live one."""
    return {**sent, "status": scale["status"]}


def _managed(call: Call, scale: Object, new: Object) -> Object:
    managed = ownership.after_update(
        scale, new, manager=call.manager, subresource="scale", schema=_schema(), time=timestamp()
    )
    return preparing.with_managed({**new, "metadata": new.get("metadata") or {}}, managed)


async def _rewritten(core: Core, call: Call, change: Callable[[Object], Object], *, unset: bool = False) -> Written:
    """Make a change of the Scale one of the object; ``unset``: where nothing says how many, there are none yet."""
    served = call.served
    path = _paths(served)["specReplicasPath"]
    owned = tuple(f"f:{part}" for part in path.split(".")[1:])

    def rewrite(live: Object | None) -> Object:
        assert live is not None
        before = live["metadata"].get("managedFields") or []
        if _at(live, path) is None and not unset and served.crd is not None:
            raise _inconvertible(
                "failed to create manager for existing fields: failed to convert live object"
                f" (/; {scaled.VERSION}, Kind=Scale)"
            )
        shown = _scale(served, live, replicas=0)
        managed = scaled.of_scale(before, owned)
        scale = change(preparing.with_managed(shown, managed))
        metadata = scale.get("metadata") or {}
        preparing.check_preconditions(call, metadata, live)
        replicas = (scale.get("spec") or {}).get("replicas", 0)
        if replicas < 0 and served.crd is None:
            text = f"Invalid value: {replicas}: must be greater than or equal to 0"
            raise validation.invalid(_schema(), call.name, [Cause("FieldValueInvalid", text, "spec.replicas")])
        new = _with(live, path, replicas)
        after = scaled.of_object(before, metadata.get("managedFields") or [], owned, served.api_version)
        return preparing.with_managed(new, after)

    written = await writing.rewrite(core, call, rewrite)
    return Written(written.code, _shown(served, written.item))


def _shown(served: Served, item: Item) -> Item:
    return Item(_scale(served, item.object), item.version)


def _scale(served: Served, obj: Object, *, replicas: int | None = None) -> Object:
    """The Scale of an object; ``replicas``: how many it asks for where it does not say."""
    paths, metadata = _paths(served), obj["metadata"]
    asked = _at(obj, paths["specReplicasPath"])
    if asked is None:
        asked = replicas
    if asked is None:
        text = f'the spec replicas field "{paths["specReplicasPath"]}" does not exist'
        raise refusing.refusal(
            500, "InternalError", f"Internal error occurred: {text}", {"causes": [{"message": text}]}
        )
    state: Object = {"replicas": _at(obj, paths["statusReplicasPath"]) or 0}
    selector = _at(obj, paths.get("labelSelectorPath", ""))
    if served.key == "/replicationcontrollers":
        # Its selector is the labels alone.
        selector = {"matchLabels": selector or {}}
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
