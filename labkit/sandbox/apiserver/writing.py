"""POST, PUT and PATCH: from what was sent to what is stored."""

import secrets
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

import orjson

from labkit.kube.resources import Object
from labkit.sandbox.apiserver import creation, deleting, preparing, refusing
from labkit.sandbox.apiserver.calls import Call, is_true, timestamp
from labkit.sandbox.apiserver.core import Core
from labkit.sandbox.apiserver.objects import (
    decoding,
    defaults,
    ownership,
    patches,
    validation,
)
from labkit.sandbox.apiserver.objects.ownership import metadata_of
from labkit.sandbox.apiserver.store import Item

APPLY = patches.APPLY
ATTEMPTS = 5
"""How often a write without a resourceVersion starts again when another one came first."""

ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
LONGEST_GENERATED_BASE = 58


class Written(NamedTuple):
    """The outcome of a write."""

    code: int
    """201 for a new object, else 200."""

    item: Item


def done() -> Written:
    """The outcome of a POST that leaves no object of its own."""
    success = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
    return Written(201, Item(success, 0))


Change = Callable[[Object | None], Object]
"""Makes the new object, decoded, defaulted and with managedFields, from the live one."""


async def create(core: Core, call: Call) -> Written:
    """Store a new object; 409 if its name is taken."""
    sent = body_object(call, call.served.schema)
    return await create_object(core, call, sent)


async def create_object(core: Core, call: Call, sent: Object) -> Written:
    """Store an object that is decoded already."""
    served, metadata = call.served, dict(sent.get("metadata") or {})
    preparing.place(call, metadata)
    version = metadata.pop("resourceVersion", None)
    for key in ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"):
        metadata.pop(key, None)
    generated = not metadata.get("name") and bool(metadata.get("generateName"))
    if generated:
        metadata["name"] = generated_name(core, call, metadata["generateName"])
    elif not metadata.get("name") and served.key == "/limitranges":
        # The one kind whose name a real server makes up.
        metadata["name"] = str(uuid.uuid4())
    # A name that is only known now: admission and messages speak of it.
    call.name = str(metadata.get("name", ""))
    obj = defaults.with_defaults(served.schema, {**sent, "metadata": metadata})
    obj = preparing.for_create(served, obj)
    managed = ownership.after_update(
        None,
        creation.as_owned(served.key, obj),
        manager=call.manager,
        subresource="",
        schema=served.schema,
        time=timestamp(),
    )
    obj = preparing.with_managed(obj, managed)
    return await _insert(core, call, obj, is_labelled=bool(metadata.get("labels")), version=version)


async def _insert(core: Core, call: Call, obj: Object, *, is_labelled: bool, version: str | None = None) -> Written:
    served = call.served
    obj = await _mutated(core, call, obj, None)
    obj = preparing.stamped(served, obj, uid=str(uuid.uuid4()), now=timestamp())
    obj = creation.prepared(served.key, obj, is_labelled=is_labelled)
    _validate(call, obj, None)
    await _validating(core, call, obj, None)
    namespace, name = obj["metadata"].get("namespace", ""), obj["metadata"]["name"]
    if core.store.get(served.key, namespace, name) is not None:
        raise refusing.already_exists(served.group, served.plural, name)
    obj = core.finished(call, obj, None)
    if call.dry_run:
        return Written(201, Item(obj, 0))
    if version:
        # The store says so, last of all: a dry run never hears of it.
        raise refusing.internal("resourceVersion should not be set on objects to be created")
    return Written(201, core.put(served, obj))


async def update(core: Core, call: Call) -> Written:
    """Replace an object; 409 if its resourceVersion is not the newest."""
    served, schema = call.served, call.served.schema
    sent = body_object(call, schema)
    metadata = dict(sent.get("metadata") or {})
    preparing.place_for_update(call, metadata)
    sent = {**sent, "metadata": metadata}
    subresource = call.subresource
    if core.store.get(served.key, call.namespace, call.name) is None:
        if not served.strategy.create_by_update or subresource:
            raise refusing.not_found(served.group, served.plural, call.name)
        if metadata.get("resourceVersion") or metadata.get("uid"):
            raise refusing.conflict(served.group, served.plural, call.name)
        return await create_object(core, call, sent)

    def change(live: Object | None) -> Object:
        assert live is not None
        preparing.check_preconditions(call, metadata, live)
        return _in_place_of(live, sent, call)

    return await rewrite(core, call, change, retry=not metadata.get("resourceVersion"))


def _in_place_of(live: Object, sent: Object, call: Call) -> Object:
    """What is stored of an object that was sent, or patched together, in place of the live one."""
    served, schema, subresource = call.served, call.served.schema, call.subresource
    new = preparing.with_identity(served, sent, live)
    new = defaults.with_defaults(schema, new, live)
    new = preparing.for_update(served, new, live, subresource=subresource)
    managed = ownership.after_update(
        live,
        creation.as_owned(served.key, new),
        manager=call.manager,
        subresource=subresource,
        schema=schema,
        time=timestamp(),
    )
    return preparing.with_managed(new, managed)


async def patch(core: Core, call: Call) -> Written:
    """Change an object as the body says; an apply may create it."""
    content_type = call.content_type.partition(";")[0].strip()
    if content_type == APPLY:
        return await _apply(core, call)
    served, schema = call.served, call.served.schema
    body = call.body if isinstance(call.body, bytes) else orjson.dumps(call.body)
    before = tuple(call.warnings)

    def change(live: Object | None) -> Object:
        assert live is not None
        decoded = patches.patched(content_type, live, body, schema, level=call.level)
        call.warnings[:] = before + decoded.warnings
        sent = decoded.object
        preparing.check_patched(call, sent.get("metadata") or {}, live)
        preparing.check_has_version(call, sent.get("metadata") or {})
        return _in_place_of(live, sent, call)

    if core.store.get(served.key, call.namespace, call.name) is None:
        raise refusing.not_found(served.group, served.plural, call.name)
    return await rewrite(core, call, change)


def check_patch(call: Call) -> None:
    """415 for a patch of a type that the resource does not take."""
    content_type = call.content_type.partition(";")[0].strip()
    if content_type not in patches.CONTENT_TYPES:
        raise refusing.refusal(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})
    if content_type == patches.STRATEGIC and call.served.crd is not None:
        raise refusing.unsupported_media_type(patches.JSON, patches.MERGE, patches.APPLY)


async def _apply(core: Core, call: Call) -> Written:
    config = applied_config(call)
    served, schema, subresource = call.served, call.served.schema, call.subresource

    def change(live: Object | None) -> Object:
        merged = ownership.apply(
            live,
            config,
            manager=call.manager,
            force=is_true(call.query.get("force")),
            schema=schema,
            time=timestamp(),
            subresource=subresource,
        )
        if live is None:
            metadata = dict(merged.get("metadata") or {})
            preparing.check_name(call, metadata)
            preparing.place(call, metadata)
            merged = preparing.for_create(served, defaults.with_defaults(schema, {**merged, "metadata": metadata}))
        else:
            preparing.check_patched(call, metadata_of(config), live)
            merged = preparing.with_identity(served, merged, live)
            merged = defaults.with_defaults(schema, merged, live)
            merged = preparing.for_update(served, merged, live, subresource=subresource)
        return merged

    if core.store.get(served.key, call.namespace, call.name) is None:
        if subresource:
            raise refusing.not_found(served.group, served.plural, call.name)
        if metadata_of(config).get("uid"):
            raise refusing.conflict(
                served.group,
                served.plural,
                call.name,
                "uid mismatch: the provided object specified uid"
                f" {config['metadata']['uid']}, and no existing object was found",
            )
        labels = metadata_of(config).get("labels")
        return await _insert(core, call, change(None), is_labelled=bool(labels))
    return await rewrite(core, call, change)


async def rewrite(core: Core, call: Call, change: Change, *, retry: bool = True) -> Written:
    """Make the change on the newest version, again if another write came while hooks looked at it."""
    served = call.served
    for _ in range(ATTEMPTS):
        live = core.find(served, call.namespace, call.name)
        new = await _mutated(core, call, change(live.object), live.object)
        new = creation.updated(served.key, new, live.object)
        new = preparing.restored(served, new, live.object, subresource=call.subresource)
        _validate(call, new, live.object)
        await _validating(core, call, new, live.object)
        now = core.find(served, call.namespace, call.name)
        if now.version != live.version:
            if not retry:
                break
            continue
        new = core.finished(call, new, live.object)
        if preparing.is_same(new, live.object):
            return Written(200, live)
        if call.dry_run:
            return Written(200, Item(new, live.version))
        if deleting.is_finished(served, new):
            core.store.remove(served.key, call.namespace, call.name)
            return Written(200, Item(new, live.version))
        return Written(200, core.put(served, new))
    raise refusing.conflict(served.group, served.plural, call.name)


def body_object(call: Call, schema: Any) -> Object:
    """The body as an object of a kind; what it cost in warnings is in the call."""
    if isinstance(call.body, dict):
        decoded = decoding.decode(schema, call.body, level=decoding.IGNORE)
    else:
        decoded = decoding.read(schema, call.body, call.content_type, level=call.level)
    call.warnings.extend(decoded.warnings)
    return decoded.object


def applied_config(call: Call) -> Object:
    """The configuration of an apply, as parsed."""
    return call.body if isinstance(call.body, dict) else decoding.parse_apply(call.body)


def generated_name(core: Core, call: Call, base: str) -> str:
    """``base`` and five characters that make a free name."""
    for _ in range(ATTEMPTS):
        name = base[:LONGEST_GENERATED_BASE] + "".join(secrets.choice(ALPHABET) for _ in range(5))
        if core.store.get(call.served.key, call.namespace, name) is None:
            return name
    return name


async def _mutated(core: Core, call: Call, new: Object, old: Object | None) -> Object:
    for hook in core.mutating:
        new = await hook(call, new, old) or new
    return new


async def _validating(core: Core, call: Call, new: Object, old: Object | None) -> None:
    for hook in core.validating:
        await hook(call, new, old)


def _validate(call: Call, new: Object, old: Object | None) -> None:
    schema = call.served.schema
    causes = validation.validate(schema, new, old, call.subresource or None)
    if causes:
        raise validation.invalid(schema, str(new["metadata"].get("name", "")), causes)
    call.warnings.extend(validation.warnings(schema, new, old))
