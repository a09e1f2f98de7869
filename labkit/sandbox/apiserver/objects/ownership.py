"""Who wrote which field: managedFields, and server-side apply on top of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects import decoding, fieldsets, gojson, reading, refusals, typed
from labkit.sandbox.apiserver.objects.fieldsets import Path, Paths
from labkit.sandbox.apiserver.objects.schemas import Schema

APPLY, UPDATE = "Apply", "Update"
BEFORE_FIRST_APPLY = "before-first-apply"
ANCIENT = "ancient-changes"
MAX_UPDATERS = 10
"""How many managers of updates are told apart; older ones share one entry."""

KUBECTL = "kubectl"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@dataclass(frozen=True, kw_only=True)
class Manager:
    """One writer as managedFields tell them apart; an applier is the same in every version."""

    name: str
    operation: str
    subresource: str = ""
    api_version: str = ""

    @property
    def identity(self) -> str:
        """The order of conflicts in a message."""
        return gojson.dumps([self.name, self.operation, self.api_version, self.subresource])

    def __str__(self) -> str:
        text = refusals.quoted(self.name)
        if self.subresource:
            text += f" with subresource {refusals.quoted(self.subresource)}"
        return f"{text} using {self.api_version}" if self.operation == UPDATE else text


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What one manager owns."""

    paths: Paths = field(default_factory=set)
    api_version: str
    time: str = ""


Managed = dict[Manager, Entry]


def after_update(
    old: Object | None, new: Object, *, manager: str, subresource: str, schema: Schema, time: str
) -> list[Object]:
    """The managedFields of ``new`` after a create, update or patch by ``manager`` (any but an apply).

    ``old`` is the stored object or None; ``new`` is decoded and defaulted, but admission and the allocation
    of addresses have not seen it. ``time`` is like ``2026-11-24T10:00:00Z``; empty leaves it out.
    """
    managed = _live_or_new(old, new, subresource)
    if not managed and old is not None:
        return []
    me = Manager(name=manager, operation=UPDATE, subresource=subresource, api_version=schema.api_version)
    return entries_of(_updated(old, new, managed, me, schema, time))


def _updated(old: Object | None, new: Object, managed: Managed, me: Manager, schema: Schema, time: str) -> Managed:
    changes = typed.compared(schema.type, _bare(old, schema), _bare(new, schema))
    changes = changes.without(reset_fields(schema, me.subresource))
    taken = changes.modified | changes.added
    managed = _taken_from(managed, taken | changes.removed)
    mine = taken - fieldsets.STRIPPED
    if mine:
        before = managed[me].paths if me in managed else set()
        managed[me] = Entry(paths=mine | before, api_version=schema.api_version, time=time)
    return _capped(managed)


def is_same(old: Object, new: Object) -> bool:
    """Whether a write changed nothing but resourceVersion and the times in managedFields."""
    return _timeless(old) == _timeless(new)


def _timeless(obj: Object) -> Object:
    metadata = {k: v for k, v in obj["metadata"].items() if k != "resourceVersion"}
    entries = metadata.get("managedFields") or []
    metadata["managedFields"] = [{k: v for k, v in entry.items() if k != "time"} for entry in entries]
    return {**obj, "metadata": metadata}


def apply(
    live: Object | None,
    config: Object,
    *,
    manager: str,
    force: bool,
    schema: Schema,
    time: str,
    subresource: str = "",
) -> Object:
    """The object to store after a server-side apply, managedFields included; 409 names every conflict.

    It is read as its kind again, but not defaulted. ``config`` is the body as parsed.
    """
    _check(config, schema)
    managed = _decoded(live) if live is not None else {}
    if live is not None and not managed:
        before = Manager(name=BEFORE_FIRST_APPLY, operation=UPDATE, api_version=schema.api_version)
        managed = _updated(None, live, {}, before, schema, time)
    me = Manager(name=manager, operation=APPLY, subresource=subresource)
    outcome = _applied(live, config, managed, me, schema)
    if outcome.conflicts and not force:
        allowed = _last_applied(live, schema) if manager == KUBECTL else set()
        left = {who: paths - allowed for who, paths in outcome.conflicts.items() if paths - allowed}
        if left:
            raise _conflict(left)
    managed = outcome.managed
    for who, paths in outcome.conflicts.items():
        managed[who] = replace(managed[who], paths=managed[who].paths - paths)
    managed = _taken_from(managed, outcome.removed, but=me)
    if outcome.changed and me in managed:
        managed[me] = replace(managed[me], time=time)
    base = live if live is not None and not outcome.changed else outcome.merged
    try:
        # What an apply says may be too large for its type; the server's converter wraps it around.
        result, _ = decoding.convert(schema, base, reading.Converter())
    except reading.Unreadable as e:
        kind = _group_version_kind(schema)
        problem = f"unable to convert unstructured object to {kind}: {e}"
        sent = _who(config, schema)
        raise refusals.internal(f"failed to convert new object ({sent}) to proper version: {problem}") from e
    return _finished(result, config, managed, manager)


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    merged: Object
    managed: Managed
    conflicts: Mapping[Manager, Paths]
    removed: Paths
    changed: bool


def _applied(live: Object | None, config: Object, managed: Managed, me: Manager, schema: Schema) -> _Outcome:
    """What the apply would do, conflicts or not."""
    reset = reset_fields(schema, me.subresource)
    try:
        claimed = typed.owned(schema.type, config)
    except typed.Untypable as e:
        raise refusals.internal(f"failed to create typed patch object ({_who(config, schema)}): {e}") from e
    mine = fieldsets.without_below(claimed, reset) - fieldsets.STRIPPED
    base = _bare(live, schema)
    merged = typed.merged(schema.type, base, _without_reset(config, reset))
    last = managed.get(me)
    managed = managed | {me: Entry(paths=mine, api_version=schema.api_version, time=last.time if last else "")}
    if last and last.paths:
        merged = _pruned(merged, managed, last.paths, schema)
    changes = typed.compared(schema.type, base, merged).without(reset)
    taken = changes.modified | changes.added
    conflicts = {who: shared for who, entry in managed.items() if who != me and (shared := entry.paths & taken)}
    return _Outcome(
        merged=merged,
        managed=managed,
        conflicts=conflicts,
        removed=changes.removed,
        changed=not changes.is_same,
    )


def _pruned(merged: Object, managed: Managed, last: Paths, schema: Schema) -> Object:
    """Without what the manager applied before, applies no more, and nobody else owns."""
    of = schema.type
    named = typed.with_named_fields(of, last)
    everything = typed.with_named_fields(of, typed.owned_loosely(of, merged))
    pruned = typed.without(of, merged, named)
    kept = typed.with_named_fields(of, typed.owned_loosely(of, pruned or {}))
    owned = typed.with_named_fields(of, set().union(*(entry.paths for entry in managed.values())))
    pruned = typed.without(of, merged, everything - (kept | owned))
    kept = typed.with_named_fields(of, typed.owned_loosely(of, pruned or {}))
    left: Object = typed.without(of, merged, (everything - kept) & named) or {}
    return left


def reset_fields(schema: Schema, subresource: str) -> frozenset[Path]:
    """Fields that a write to the resource, or to one of its subresources, cannot change."""
    if subresource == "status":
        return frozenset([("f:spec",), ("f:metadata",)] if schema.custom is not None else [("f:spec",)])
    if not subresource and "status" in schema.subresources:
        return frozenset([("f:status",)])
    return frozenset()


def _without_reset(config: Object, reset: frozenset[Path]) -> Object:
    names = {path[0][2:] for path in reset}
    return {key: value for key, value in config.items() if key not in names}


def _check(config: Object, schema: Schema) -> None:
    api_version, kind = _text(config.get("apiVersion")), _text(config.get("kind"))
    if (api_version, kind) != (schema.api_version, schema.kind):
        if api_version.count("/") > 1:
            api_version = kind = ""
        group, _, version = api_version.rpartition("/")
        raise refusals.bad_request(f"invalid object type: {group}/{version}, Kind={kind}")
    if isinstance(metadata_of(config).get("managedFields"), list):
        raise refusals.bad_request("metadata.managedFields must be nil")


def metadata_of(config: Object) -> Object:
    """The metadata of a configuration that nobody has checked yet."""
    metadata = config.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _who(config: Object, schema: Schema) -> str:
    metadata = metadata_of(config)
    return f"{_text(metadata.get('namespace'))}/{_text(metadata.get('name'))}; {_group_version_kind(schema)}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _group_version_kind(schema: Schema) -> str:
    return f"{schema.group}/{schema.version}, Kind={schema.kind}"


def _conflict(conflicts: Mapping[Manager, Paths]) -> Exception:
    pairs = [
        (who, fieldsets.shown(path))
        for who in sorted(conflicts, key=lambda who: who.identity)
        for path in fieldsets.leaves(conflicts[who])
    ]
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {who}", "field": path} for who, path in pairs
    ]
    if len(pairs) == 1:
        text = f"1 conflict: conflict with {pairs[0][0]}: {pairs[0][1]}"
    else:
        lines: list[str] = []
        for who in dict(pairs):
            lines += [f"conflicts with {who}:", *(f"- {path}" for one, path in pairs if one == who)]
        text = f"{len(pairs)} conflicts: " + "\n".join(lines)
    return refusals.conflict(f"Apply failed with {text}", causes)


def _last_applied(live: Object | None, schema: Schema) -> Paths:
    """What a client-side apply said: its fields may be taken over without a conflict."""
    annotations = ((live or {}).get("metadata") or {}).get("annotations") or {}
    try:
        return typed.owned_loosely(schema.type, gojson.loads(annotations.get(LAST_APPLIED, "{}").encode()))
    except ValueError:
        return set()


def _finished(result: Object, config: Object, managed: Managed, manager: str) -> Object:
    metadata = dict(result.get("metadata") or {})
    metadata.pop("managedFields", None)
    annotations = metadata.get("annotations") or {}
    if manager == KUBECTL and LAST_APPLIED in annotations:
        metadata["annotations"] = annotations | {LAST_APPLIED: _as_last_applied(config)}
    if entries := entries_of(managed):
        metadata["managedFields"] = entries
    return {**result, "metadata": metadata}


def _as_last_applied(config: Object) -> str:
    applied = gojson.plain(config)
    (applied.get("metadata", {}).get("annotations") or {}).pop(LAST_APPLIED, None)
    return gojson.dumps(_sorted(applied)) + "\n"


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def _bare(obj: Object | None, schema: Schema) -> Object:
    """The object without managedFields; for None, what Go writes for an object nobody filled in."""
    if obj is None:
        empty = {"apiVersion": schema.api_version, "kind": schema.kind}
        return empty if schema.custom is not None else reading.zero(schema.type) | empty
    if "managedFields" not in obj.get("metadata", {}):
        return obj
    return {**obj, "metadata": {k: v for k, v in obj["metadata"].items() if k != "managedFields"}}


def _taken_from(managed: Managed, paths: Paths, *, but: Manager | None = None) -> Managed:
    """Managers without ``paths``; who owns nothing goes."""
    left = {
        who: entry if who == but or not (entry.paths & paths) else replace(entry, paths=entry.paths - paths)
        for who, entry in managed.items()
    }
    return {who: entry for who, entry in left.items() if entry.paths}


def _capped(managed: Managed) -> Managed:
    updaters = sorted(
        (who for who in managed if who.operation == UPDATE), key=lambda who: (managed[who].time, who.identity)
    )
    surplus, kept, first = len(updaters) - MAX_UPDATERS, dict(managed), dict[str, Manager]()
    for who in updaters:
        if surplus <= 0:
            break
        version = managed[who].api_version
        bucket = Manager(name=ANCIENT, operation=UPDATE, api_version=version)
        if version in first and who != bucket:
            if bucket not in kept:
                kept[bucket] = kept.pop(first[version])
            entry = kept.pop(who)
            kept[bucket] = replace(kept[bucket], paths=kept[bucket].paths | entry.paths, time=entry.time)
            surplus -= 1
        first.setdefault(version, who)
    return kept


def _live_or_new(old: Object | None, new: Object, subresource: str) -> Managed:
    """The managers to go on from: a write may set managedFields itself, or reset them by an empty entry."""
    sent = (new.get("metadata") or {}).get("managedFields")
    if not subresource and sent:
        if sent[0] == {} or not any(sent[0].values()):
            return {}
        try:
            return _managed(sent)
        except (ValueError, TypeError, AttributeError):
            pass
    return _decoded(old) if old is not None else {}


def _decoded(obj: Object) -> Managed:
    return managed_of((obj.get("metadata") or {}).get("managedFields") or [])


def managed_of(entries: list[Object]) -> Managed:
    """Entries of managedFields as read; none where one of them is none."""
    try:
        return _managed(entries)
    except (ValueError, TypeError, AttributeError):
        return {}


def _managed(entries: list[Object]) -> Managed:
    managed: Managed = {}
    for entry in entries:
        operation, version = entry.get("operation"), entry.get("apiVersion")
        if operation not in (APPLY, UPDATE) or not version or entry.get("fieldsType") != "FieldsV1":
            raise ValueError(f"not an entry of managedFields: {entry}")
        who = Manager(
            name=entry.get("manager", ""),
            operation=operation,
            subresource=entry.get("subresource", ""),
            api_version=version if operation == UPDATE else "",
        )
        managed[who] = Entry(
            paths=fieldsets.parse(entry.get("fieldsV1") or {}),
            api_version=version,
            time=entry.get("time") or "",
        )
    return managed


def entries_of(managed: Managed) -> list[Object]:
    """What each manager owns as managedFields, in a real server's order."""
    order = sorted(
        managed.items(),
        key=lambda item: (
            item[0].operation,
            item[1].time,
            item[0].name,
            item[1].api_version,
            item[0].subresource,
        ),
    )
    return [_entry(who, entry) for who, entry in order if entry.paths]


def _entry(who: Manager, entry: Entry) -> Object:
    written: Object = {"manager": who.name} if who.name else {}
    written |= {"operation": who.operation, "apiVersion": entry.api_version}
    if entry.time:
        written["time"] = entry.time
    written |= {"fieldsType": "FieldsV1", "fieldsV1": fieldsets.fields_v1(entry.paths)}
    return written | ({"subresource": who.subresource} if who.subresource else {})
