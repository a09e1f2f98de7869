"""What the server does to every object it is about to store: identity, generations, parts that stay."""

from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver import refusing
from labkit.sandbox.apiserver.calls import Call, empty
from labkit.sandbox.apiserver.objects import gates, reading
from labkit.sandbox.apiserver.registry import Served

KEPT = ("creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")
"""Metadata that no write changes."""


def place(call: Call, metadata: Object) -> None:
    """Give metadata the namespace of the request; 400 when the two differ."""
    namespace = metadata.get("namespace") or ""
    if not call.served.namespaced:
        if namespace:
            metadata.pop("namespace")
        return
    if namespace and namespace != call.namespace:
        raise _namespace_differs()
    metadata["namespace"] = call.namespace


def check_name(call: Call, metadata: Object) -> None:
    """400 unless the name is there, and is the one of the URL."""
    name = metadata.get("name") or ""
    if not name:
        text = f"the name of the object ({call.name} based on URL) was undeterminable: name must be provided"
        raise refusing.bad_request(text)
    if name != call.name:
        text = f"the name of the object ({name}) does not match the name on the URL ({call.name})"
        raise refusing.bad_request(text)


def place_for_update(call: Call, metadata: Object) -> None:
    """As ``place``; the name must be there too, and be the one of the URL."""
    place(call, metadata)
    check_name(call, metadata)


def check_preconditions(call: Call, metadata: Object, live: Object) -> None:
    """409 for another uid or an old resourceVersion; some kinds insist on a resourceVersion."""
    served, now = call.served, live["metadata"]
    if metadata.get("uid") and metadata["uid"] != now["uid"]:
        key = "/".join(filter(None, ("/registry", _registry_path(served), call.namespace, call.name)))
        raise refusing.conflict(
            served.group,
            served.plural,
            call.name,
            f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg:"
            f" Precondition failed: UID in precondition: {metadata['uid']}, UID in object meta: {now['uid']}",
        )
    version = metadata.get("resourceVersion") or ""
    if not version or version == "0":
        if not served.strategy.unconditional and call.subresource != "scale":
            _must_have_version(served, call.name)
        return
    check_version(call, version, live)


def check_version(call: Call, version: str, live: Object) -> None:
    """409 for a resourceVersion that is not the newest; 500 for one that is no number."""
    if not version.isdecimal():
        problem = f"strconv.ParseUint: parsing {refusing.quoted(version)}: invalid syntax"
        raise refusing.internal(f"resourceVersion: Invalid value: {refusing.quoted(version)}: {problem}")
    if version != live["metadata"]["resourceVersion"]:
        raise refusing.conflict(call.served.group, call.served.plural, call.name)


def check_patched(call: Call, metadata: Object, live: Object) -> None:
    """What a patch may not say of an object's identity."""
    served, namespace = call.served, metadata.get("namespace") or call.namespace
    check_name(call, metadata)
    if served.namespaced and namespace != call.namespace:
        raise _namespace_differs()
    version = metadata.get("resourceVersion") or ""
    if version and not version.isdecimal():
        raise refusing.internal(f"strconv.ParseUint: parsing {refusing.quoted(version)}: invalid syntax")
    if version and version != "0":
        check_version(call, version, live)


def with_identity(served: Served, sent: Object, live: Object) -> Object:
    """The object sent with the identity of the live one where it left that out."""
    now = live["metadata"]
    metadata = dict(sent.get("metadata") or {})
    for key in ("creationTimestamp", "selfLink"):
        metadata.pop(key, None)
    # One that says when it is to be deleted, and is not, is refused later.
    metadata |= {key: now[key] for key in KEPT if key in now}
    metadata["resourceVersion"] = now["resourceVersion"]
    metadata.setdefault("name", now["name"])
    metadata.setdefault("uid", now["uid"])
    if served.namespaced:
        metadata.setdefault("namespace", now.get("namespace"))
    metadata.pop("generation", None)
    if "generation" in now:
        metadata["generation"] = now["generation"]
    return {**sent, "metadata": metadata}


def for_create(served: Served, obj: Object) -> Object:
    """A new object without a status that only its own subresource may write, and without fields whose gate is off."""
    if served.crd is None:
        obj = gates.without_disabled(served.schema.type, obj)
    if "status" not in served.subresources or served.kind in KEEPS_STATUS:
        return obj
    return _with_status(served, obj, INITIAL.get(served.kind) or _zero_status(served))


def for_update(served: Served, new: Object, live: Object, *, subresource: str) -> Object:
    """The new object with the parts that this write cannot change taken from the live one."""
    if subresource == "status":
        return _status_update(served, new, live)
    if subresource == "ephemeralcontainers":
        spec = {**live["spec"], "ephemeralContainers": new["spec"].get("ephemeralContainers")}
        return {**live, "metadata": new["metadata"], "spec": {k: v for k, v in spec.items() if v is not None}}
    if served.crd is None:
        new = gates.without_disabled(served.schema.type, new)
    if "status" in served.subresources:
        new = _with_status(served, new, live.get("status"))
    return new


def _status_update(served: Served, new: Object, live: Object) -> Object:
    if served.crd is not None:
        metadata = {**live["metadata"]}
        if "managedFields" in new["metadata"]:
            metadata["managedFields"] = new["metadata"]["managedFields"]
        rest = {key: value for key, value in live.items() if key != "status"} | {"metadata": metadata}
        return rest | ({"status": new["status"]} if "status" in new else {})
    metadata = dict(new["metadata"])
    for key in served.strategy.status_keeps:
        metadata.pop(key, None)
        if key in live["metadata"]:
            metadata[key] = live["metadata"][key]
    kept = {key: value for key, value in live.items() if key not in ("metadata", "status")}
    return {**kept, "metadata": metadata, "status": new.get("status")}


def restored(served: Served, new: Object, live: Object, *, subresource: str) -> Object:
    """After admission: the generation as the changes ask for it."""
    rule, metadata = served.strategy.counts, new["metadata"]
    if not rule or subresource == "status":
        return new
    before = live["metadata"].get("generation", 0)
    deleted = metadata.get("deletionTimestamp") and not live["metadata"].get("deletionTimestamp")
    generation = before + 1 if deleted or _counts(served, rule, new, live) else before
    if metadata.get("generation", 0) == generation:
        return new
    return {**new, "metadata": {**metadata, "generation": generation}}


def _counts(served: Served, rule: str, new: Object, live: Object) -> bool:
    before, after = live["metadata"], new["metadata"]
    if rule == "body+labels" and (after.get("labels") or {}) != (before.get("labels") or {}):
        return True
    if rule.startswith("body"):
        skipped = {"metadata", "apiVersion", "kind", *(["status"] if _has_status(served) else [])}
        return {k: v for k, v in new.items() if k not in skipped} != {k: v for k, v in live.items() if k not in skipped}
    field, _, annotations = rule.partition("+")
    if annotations and (new["metadata"].get("annotations") or {}) != (live["metadata"].get("annotations") or {}):
        return True
    return bool(new.get(field) != live.get(field))


def _has_status(served: Served) -> bool:
    return "status" in served.subresources


def stamped(served: Served, obj: Object, *, uid: str, now: str) -> Object:
    """A new object with uid, time and first generation."""
    metadata = {**obj["metadata"], "uid": uid, "creationTimestamp": now}
    if served.strategy.counts:
        metadata["generation"] = 1
    return {**obj, "metadata": metadata}


def with_managed(obj: Object, managed: list[Object]) -> Object:
    """The object with its managedFields; none at all when nobody manages anything."""
    metadata = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    if managed:
        metadata["managedFields"] = managed
    return {**obj, "metadata": metadata}


def is_same(new: Object, live: Object) -> bool:
    """Whether a write changes nothing but the times in managedFields."""
    return _timeless(new) == _timeless(live)


def _timeless(obj: Object) -> Object:
    metadata = dict(obj["metadata"])
    entries = metadata.pop("managedFields", None) or []
    metadata["managedFields"] = [{k: v for k, v in e.items() if k != "time"} for e in entries]
    metadata.pop("resourceVersion", None)
    return {**obj, "metadata": {k: v for k, v in metadata.items() if not empty(v)}}


KEEPS_STATUS = ("Node", "Namespace", "APIService")
"""Kinds whose status may be sent along when they are made."""

INITIAL: dict[str, Any] = {
    "Pod": {"phase": "Pending"},
    "PersistentVolumeClaim": {"phase": "Pending"},
    "PersistentVolume": {"phase": "Pending"},
}


def _with_status(served: Served, obj: Object, status: Any) -> Object:
    rest = {key: value for key, value in obj.items() if key != "status"}
    return rest if status is None else rest | {"status": status}


def _zero_status(served: Served) -> Any:
    if served.crd is not None:
        return None
    field = served.schema.type.fields.get("status")
    return reading.zero(field) if field is not None else None


_STORED_AS = {
    "/nodes": "minions",
    "/services": "services/specs",
    "/endpoints": "services/endpoints",
    "/replicationcontrollers": "controllers",
    "networking.k8s.io/ingresses": "ingress",
}
_STORED_BY_GROUP = ("apiextensions.k8s.io", "apiregistration.k8s.io")


def _registry_path(served: Served) -> str:
    """Where etcd has objects of the resource; a refusal names it."""
    if served.crd is not None or served.group in _STORED_BY_GROUP:
        return served.key
    return _STORED_AS.get(served.key, served.plural)


def _namespace_differs() -> Exception:
    return refusing.bad_request("the namespace of the provided object does not match the namespace sent on the request")


def check_has_version(call: Call, metadata: Object) -> None:
    """422 for what a patch left without the resourceVersion that some kinds insist on."""
    if not call.served.strategy.unconditional and metadata.get("resourceVersion") in (None, "", "0"):
        _must_have_version(call.served, call.name)


def _must_have_version(served: Served, name: str) -> None:
    message = "Invalid value: 0: must be specified for an update"
    cause = {"reason": "FieldValueInvalid", "message": message, "field": "metadata.resourceVersion"}
    details = refusing.details(name, served.group, served.plural) | {"causes": [cause]}
    shown = f"{refusing.qualified(served.group, served.plural)} {refusing.quoted(name)}"
    raise refusing.refusal(422, "Invalid", f"{shown} is invalid: metadata.resourceVersion: {message}", details)
