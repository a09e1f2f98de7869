"""One object held against the table."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from labkit.kube.resources import Object, Resource
from labkit.sandbox.apiserver.objects import schemas
from labkit.sandbox.apiserver.objects.types import Type
from labkit.sandbox.support import kinds, marks, pods, scheduling, services, sidecars, storage, workloads
from labkit.sandbox.support.entries import Entry, Except, Fields, Unless

PREFIX = "not in this sandbox: "
"""How a warning starts of something that a real cluster carries out."""

INJECTED = "sidecar.istio.io/status"
"""The annotation in which Istio's injector lists the containers it added."""

STRUCTS: Mapping[str, Fields] = {
    **pods.STRUCTS,
    **services.STRUCTS,
    **workloads.STRUCTS,
    **scheduling.STRUCTS,
    **storage.STRUCTS,
    "Volume": pods.VOLUMES,
}
"""Go struct → its fields; a struct that is missing here is carried out whole, or not at all."""

MOST_PLACES = 3
"""How many places of an object one sentence names."""


def findings(obj: Object) -> list[str]:
    """One sentence per reason: ``spec.hostNetwork has no effect: …``; nothing for kinds that are not built in."""
    api_version, kind = str(obj.get("apiVersion", "")), str(obj.get("kind", ""))
    schema = schemas.builtin(api_version, kind)
    if schema is None:
        return []
    name = f"{schema.group}/{kind}"
    if name in kinds.WITHOUT_EFFECT:
        return [f"{kind} has no effect: {kinds.WITHOUT_EFFECT[name]}"]
    places: dict[str, list[str]] = {}
    for path, reason in [*_marks(name, obj), *sidecars.findings(obj), *_fields(name, obj, schema.type)]:
        places.setdefault(reason, []).append(path)
    return [f"{_listed(paths)} no effect: {reason}" for reason, paths in places.items()]


def resources() -> list[Resource]:
    """The kinds whose objects can have findings, each in one version."""
    told = {*kinds.STRUCTS, *kinds.WITHOUT_EFFECT}
    one_each = {f"{kind.group}/{kind.kind}": kind for kind in schemas.served()}
    return [
        Resource(api_version=f"{k.group}/{k.version}".strip("/"), kind=k.kind, plural=k.plural, namespaced=k.namespaced)
        for name, k in one_each.items()
        if name in told
    ]


ENDPOINTS_CONTROLLER = "endpoints.kubernetes.io/managed-by"
"""The label of Endpoints that a controller made from a Service."""


def is_told_by_owner(obj: Object) -> bool:
    """Whether a controller made the object from another one, on which the same can be read."""
    metadata = obj.get("metadata") or {}
    if ENDPOINTS_CONTROLLER in (metadata.get("labels") or {}):
        return True
    return any(owner.get("controller") for owner in metadata.get("ownerReferences") or ())


def _listed(paths: list[str]) -> str:
    """``a, b and 2 more have``."""
    if len(paths) == 1:
        return f"{paths[0]} has"
    shown, rest = paths[:MOST_PLACES], len(paths) - MOST_PLACES
    last = f"{rest} more" if rest > 0 else shown.pop()
    return f"{', '.join(shown)} and {last} have"


def _marks(name: str, obj: Object) -> Iterator[tuple[str, str]]:
    metadata = obj.get("metadata") or {}
    for key in metadata.get("annotations") or ():
        for mark, reason in marks.ANNOTATIONS.items():
            if key == mark or (mark.endswith("/") and key.startswith(mark)):
                yield f"metadata.annotations[{key}]", reason
    for key in metadata.get("labels") or ():
        if key in marks.LABELS.get(name, {}):
            yield f"metadata.labels[{key}]", marks.LABELS[name][key]


def _fields(name: str, obj: Object, of: Type) -> Iterator[tuple[str, str]]:
    injected = _injected(obj)
    for part in kinds.STRUCTS.get(name, ()):
        yield from _value(of.fields[part], obj.get(part), part, injected)


def _injected(obj: Object) -> set[str]:
    """Names of the containers and volumes that Istio added to a pod: nobody wrote them."""
    try:
        status = json.loads(((obj.get("metadata") or {}).get("annotations") or {}).get(INJECTED) or "{}")
    except ValueError:
        return set()
    keys = ("initContainers", "containers", "volumes")
    return {str(name) for key in keys for name in status.get(key) or ()} if isinstance(status, dict) else set()


def _value(of: Type, value: Any, path: str, injected: set[str]) -> Iterator[tuple[str, str]]:
    if of.kind == "struct" and isinstance(value, dict):
        yield from _struct(of, value, path, injected)
    elif of.kind == "list" and of.items is not None and isinstance(value, list):
        for at, item in enumerate(value):
            yield from _value(of.items, item, f"{path}[{at}]", injected)


def _struct(of: Type, value: Object, path: str, injected: set[str]) -> Iterator[tuple[str, str]]:
    fields = STRUCTS.get(of.name)
    if fields is None or (of.name in ("Container", "Volume") and value.get("name") in injected):
        return
    carried = fields.carried_out.split()
    for name, item in value.items():
        if item is None or item in ("", [], {}, 0):
            continue
        place = f"{path}.{name}"
        if reason := _reason(fields.without_effect.get(name, ""), item):
            yield place, reason
        elif name in carried and name in of.fields:
            yield from _value(of.fields[name], item, place, injected)


def _reason(entry: Entry, value: Any) -> str:
    """Why a value has no effect; empty when it has, or when there is nothing to say."""
    if isinstance(entry, Unless):
        return "" if value in entry.values else entry.reason
    if isinstance(entry, Except):
        return "" if set(value) <= set(entry.keys) else entry.reason
    return entry
