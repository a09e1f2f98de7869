"""DELETE of one object and of collections: preconditions, grace, finalizers."""

from dataclasses import dataclass
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver import preparing, reading, refusing, versions
from labkit.sandbox.apiserver.calls import Call, integer, is_true, timestamp
from labkit.sandbox.apiserver.core import Core
from labkit.sandbox.apiserver.objects import decoding, schemas
from labkit.sandbox.apiserver.registry import Served
from labkit.sandbox.apiserver.store import Item

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
POLICIES = ("Foreground", "Background", "Orphan")
PROTECTED = ("default", "kube-system", "kube-public")
UNTIMED = ("Namespace", "CustomResourceDefinition")
"""Kinds whose deletion has its own way and no grace period."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """DeleteOptions."""

    grace: int | None = None
    """Seconds until a pod's processes are killed; None leaves it to the pod."""

    policy: str = ""
    """Foreground, Background, Orphan; empty leaves it to the kind."""

    uid: str = ""
    version: str = ""
    dry_run: bool = False


@dataclass(frozen=True, kw_only=True)
class Deleted:
    """The outcome of a deletion."""

    item: Item
    """The object as it was last, or as it is while something holds it."""

    gone: bool


def options(call: Call) -> Options:
    """From the body, or else from the query; 422 for policies nobody knows."""
    if not call.body:
        asked: Object = {}
        if "gracePeriodSeconds" in call.query:
            asked["gracePeriodSeconds"] = integer(call.query["gracePeriodSeconds"])
        if "propagationPolicy" in call.query:
            asked["propagationPolicy"] = call.query["propagationPolicy"]
        if "orphanDependents" in call.query:
            asked["orphanDependents"] = is_true(call.query["orphanDependents"])
        if "dryRun" in call.query:
            asked["dryRun"] = [call.query["dryRun"]]
    elif isinstance(call.body, dict):
        asked = call.body
    else:
        schema = schemas.builtin("v1", "DeleteOptions")
        assert schema is not None
        asked = decoding.options(schema, call.body, call.content_type)
    _check(asked)
    conditions = asked.get("preconditions") or {}
    policy = asked.get("propagationPolicy") or ""
    if asked.get("orphanDependents") is not None:
        policy = "Orphan" if asked["orphanDependents"] else "Background"
    return Options(
        grace=asked.get("gracePeriodSeconds"),
        policy=policy,
        uid=conditions.get("uid") or "",
        version=conditions.get("resourceVersion") or "",
        dry_run=bool(asked.get("dryRun")),
    )


def _check(asked: Object) -> None:
    causes: list[tuple[str, str, str]] = []
    policy = asked.get("propagationPolicy")
    if policy is not None and asked.get("orphanDependents") is not None:
        text = f'Invalid value: "{policy}": orphanDependents and deletionPropagation cannot be both set'
        causes.append(("FieldValueInvalid", text, "propagationPolicy"))
    elif policy is not None and policy not in POLICIES:
        names = ", ".join(f'"{name}"' for name in (*POLICIES, "nil"))
        text = f'Unsupported value: "{policy}": supported values: {names}'
        causes.append(("FieldValueNotSupported", text, "propagationPolicy"))
    dry_run = asked.get("dryRun") or []
    if dry_run and dry_run != ["All"]:
        shown = ", ".join(f'"{value}"' for value in dry_run)
        text = f'Unsupported value: [{shown}]: supported values: "All"'
        causes.append(("FieldValueNotSupported", text, "dryRun"))
    if causes:
        raise refusing.invalid_options(causes, "DeleteOptions")


async def delete(core: Core, call: Call) -> Deleted:
    """Delete one object; with finalizers or a grace period it only begins here."""
    asked = options(call)
    live = core.find(call.served, call.namespace, call.name)
    check_protected(call)
    if call.served.strategy.orphans_warning and not asked.policy:
        call.warnings.append(call.served.strategy.orphans_warning)
    for hook in core.validating:
        await hook(call, {}, live.object)
    return remove(core, call, core.find(call.served, call.namespace, call.name), asked)


def remove(core: Core, call: Call, live: Item, asked: Options) -> Deleted:
    """The synchronous part: decide and store."""
    served, now = call.served, live.object["metadata"]
    name, namespace = now["name"], now.get("namespace", "")
    check_conditions(served, {"uid": asked.uid, "resourceVersion": asked.version}, now)
    finalizers = _finalizers(served, asked, now.get("finalizers") or [])
    grace = _grace(served, asked, live.object)
    deleting = now.get("deletionTimestamp")
    if served.strategy.cleanup and not deleting and served.strategy.cleanup not in finalizers:
        finalizers = [*finalizers, served.strategy.cleanup]
    held = bool(finalizers) or (grace > 0) or _is_held(served, live.object)
    if not held:
        last = live.object
        if served.strategy.graceful:
            last = preparing.restored(served, _marked(last, 0), last, subresource="")
        if asked.dry_run:
            return Deleted(item=Item(last, live.version), gone=True)
        return Deleted(item=core.store.remove(served.key, namespace, name, last=last), gone=True)
    if deleting:
        shorter = served.strategy.graceful and grace < now.get("deletionGracePeriodSeconds", 0)
        if not shorter and finalizers == (now.get("finalizers") or []):
            return Deleted(item=live, gone=False)
        new = _marked(live.object, grace) if shorter else live.object
    else:
        new = _marked(live.object, grace)
    metadata = {**new["metadata"]}
    metadata.pop("finalizers", None)
    if finalizers:
        metadata["finalizers"] = finalizers
    new = {**new, "metadata": metadata}
    if not deleting:
        new |= _terminating(served, new)
    new = preparing.restored(served, new, live.object, subresource="")
    if asked.dry_run:
        return Deleted(item=Item(new, live.version), gone=False)
    return Deleted(item=core.put(served, new), gone=False)


async def collection(core: Core, call: Call) -> reading.Listing:
    """Delete what a list would find; the answer is that list, as it was."""
    asked = options(call)
    listing = await reading.collection(core, call)
    deleted = []
    for item in listing.items:
        metadata = item.object["metadata"]
        one = Call(
            verb="delete",
            served=call.served,
            user=call.user,
            namespace=metadata.get("namespace", ""),
            name=metadata["name"],
            query=call.query,
        )
        for hook in core.validating:
            await hook(one, {}, item.object)
        live = core.store.get(call.served.key, one.namespace, one.name)
        if live is not None:
            remove(core, one, versions.shown(live, call.served), asked)
            deleted.append(item)
    return reading.Listing(items=deleted, version=core.store.version)


def _terminating(served: Served, obj: Object) -> Object:
    """How a status says that its object is about to go."""
    if served.kind == "Namespace":
        return {"status": {**(obj.get("status") or {}), "phase": "Terminating"}}
    if served.strategy.cleanup:
        message = f"{served.kind} marked for deletion; CustomResource deletion will begin soon"
        return {"status": with_condition(obj, "Terminating", "True", "InstanceDeletionPending", message)}
    return {}


def with_condition(obj: Object, kind: str, value: str, reason: str, message: str) -> Object:
    """The object's status with a condition, whose time moves with its value only."""
    status = obj.get("status") or {}
    conditions = list(status.get("conditions") or [])
    condition = {"type": kind, "status": value, "lastTransitionTime": timestamp(), "reason": reason, "message": message}
    for at, previous in enumerate(conditions):
        if previous["type"] == kind:
            moved = previous["lastTransitionTime"] if previous["status"] == value else condition["lastTransitionTime"]
            conditions[at] = condition | {"lastTransitionTime": moved}
            break
    else:
        conditions.append(condition)
    return {**status, "conditions": conditions}


def is_finished(served: Served, obj: Object) -> bool:
    """Whether a write took away the last thing that held an object under deletion."""
    metadata = obj["metadata"]
    if not metadata.get("deletionTimestamp") or metadata.get("finalizers"):
        return False
    return not metadata.get("deletionGracePeriodSeconds") and not _is_held(served, obj)


def _is_held(served: Served, obj: Object) -> bool:
    return served.kind == "Namespace" and bool((obj.get("spec") or {}).get("finalizers"))


def check_protected(call: Call) -> None:
    """403 for namespaces that must stay."""
    if call.served.key == "/namespaces" and call.name in PROTECTED:
        raise refusing.forbidden("", "namespaces", call.name, "this namespace may not be deleted")


def _finalizers(served: Served, asked: Options, current: list[str]) -> list[str]:
    if not served.strategy.collected:
        return current
    policy = asked.policy
    others = [name for name in current if name not in (FOREGROUND, ORPHAN)]
    if policy == "Foreground":
        return [*others, FOREGROUND]
    if policy == "Orphan" or (not policy and served.strategy.orphans and ORPHAN not in current):
        return [*others, ORPHAN]
    return others if policy == "Background" else current


def _grace(served: Served, asked: Options, obj: Object) -> int:
    if not served.strategy.graceful:
        return 0
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    seconds = asked.grace if asked.grace is not None else spec.get("terminationGracePeriodSeconds", 0)
    if not spec.get("nodeName") or status.get("phase") in ("Succeeded", "Failed"):
        return 0
    if seconds < 0:
        seconds = 1
    return int(seconds)


def _marked(obj: Object, grace: int) -> Object:
    metadata = {**obj["metadata"], "deletionTimestamp": timestamp(grace), "deletionGracePeriodSeconds": grace}
    if obj["kind"] in UNTIMED:
        metadata.pop("deletionGracePeriodSeconds")
    return {**obj, "metadata": metadata}


def check_conditions(served: Served, asked: Object, now: dict[str, Any]) -> None:
    """409 for an object that is another one, or another version, than a deletion means."""
    name, uid, version = now["name"], asked.get("uid"), asked.get("resourceVersion")
    if uid and uid != now["uid"]:
        text = (
            f"the UID in the precondition ({uid}) does not match the UID in record ({now['uid']})."
            " The object might have been deleted and then recreated"
        )
        raise refusing.conflict(served.group, served.kind, name, text)
    if version and version != now["resourceVersion"]:
        text = (
            f"the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in"
            f" record ({now['resourceVersion']}). The object might have been modified"
        )
        raise refusing.conflict(served.group, served.kind, name, text)
