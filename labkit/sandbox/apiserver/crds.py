"""CustomResourceDefinitions: their names accepted, then served; deleted after all their objects."""

import asyncio
from collections.abc import Iterator

from labkit.kube.resources import Object
from labkit.sandbox.apiserver import custom, deleting, refusing, users
from labkit.sandbox.apiserver.calls import Call
from labkit.sandbox.apiserver.core import Core
from labkit.sandbox.apiserver.store import DELETED, Change

TABLE = "apiextensions.k8s.io/customresourcedefinitions"
NAMES = (
    ("plural", "Plural"),
    ("singular", "Singular"),
    ("shortNames", "ShortNames"),
    ("kind", "Kind"),
    ("listKind", "ListKind"),
)
"""Names that no two definitions of a group may share, and how a conflict about each is called."""


class Definitions:
    """Keeps the registry, and the status of the definitions, in step with what is stored.

    On a real server controllers do this a moment after a write; here it is the next turn of the event loop.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._emptying: set[str] = set()
        """Tables whose definition waits for them to be empty."""

    def __repr__(self) -> str:
        return f"Definitions({self._core.registry!r})"

    def start(self) -> None:
        """Serve what is stored, and follow."""
        table = self._core.store.table(TABLE)
        for item in table.items():
            self._serve(item.object)
            self._settle_soon(item.object["metadata"]["name"])
        table.listeners.add(self._hear)

    def stop(self) -> None:
        """Follow no more."""
        self._core.store.table(TABLE).listeners.discard(self._hear)

    def _hear(self, change: Change) -> None:
        name, previous = change.item.object["metadata"]["name"], change.previous
        if change.type == DELETED:
            self._core.registry.set_custom(name, [])
            return
        if previous is None or _relevant(previous.object) != _relevant(change.item.object):
            self._serve(change.item.object)
            self._settle_soon(name)

    def _serve(self, crd: Object) -> None:
        served = custom.served_by(crd) if _condition(crd, "Established").get("status") == "True" else []
        self._core.registry.set_custom(crd["metadata"]["name"], served)

    def _settle_soon(self, name: str) -> None:
        asyncio.get_running_loop().call_soon(self._settle, name)

    def _settle(self, name: str) -> None:
        item = self._core.store.get(TABLE, "", name)
        if item is None:
            return
        crd = item.object
        if crd["metadata"].get("deletionTimestamp"):
            self._empty(crd)
            return
        others = [o.object for o in self._core.store.table(TABLE).items() if o.object["metadata"]["name"] != name]
        self._put(crd, accepted(crd, others))

    def _put(self, crd: Object, status: Object) -> None:
        served = self._core.registry.of_key(TABLE)
        if served is not None and status != crd.get("status"):
            self._core.put(served, {**crd, "metadata": {**crd["metadata"]}, "status": status})

    def _empty(self, crd: Object) -> None:
        """Delete every object of a definition that is to go; the definition follows the last one."""
        key = f"{crd['spec']['group']}/{crd['spec']['names']['plural']}"
        served, table = self._core.registry.of_key(key), self._core.store.table(key)
        for item in list(table.items()) if served is not None else []:
            metadata = item.object["metadata"]
            if served is not None and not metadata.get("deletionTimestamp"):
                place = {"namespace": metadata.get("namespace", ""), "name": metadata["name"]}
                call = Call(verb="delete", served=served, user=users.SERVER, **place)
                deleting.remove(self._core, call, item, deleting.Options())
        if next(table.items(), None) is None:
            self._core.store.remove(TABLE, "", crd["metadata"]["name"])
            return
        progress = ("InstanceDeletionInProgress", "CustomResource deletion is in progress")
        self._put(crd, deleting.with_condition(crd, "Terminating", "True", *progress))
        self._settle_when_empty(crd["metadata"]["name"], key)

    def _settle_when_empty(self, name: str, key: str) -> None:
        if key in self._emptying:
            return
        self._emptying.add(key)
        table = self._core.store.table(key)

        def hear(change: Change) -> None:
            if change.type == DELETED and next(table.items(), None) is None:
                table.listeners.discard(hear)
                self._emptying.discard(key)
                self._settle_soon(name)

        table.listeners.add(hear)


async def prepare(call: Call, new: Object, old: Object | None) -> Object | None:
    """A new definition with the status it begins with; a new storage version is noted in an old one."""
    if call.served.key == TABLE and not call.subresource:
        versions = (new.get("spec") or {}).get("versions") or []
        current = next((v.get("name") for v in versions if v.get("storage")), None)
        status = (old or {}).get("status") or {"conditions": None, "acceptedNames": {"plural": "", "kind": ""}}
        stored = list(status.get("storedVersions") or [])
        if current and current not in stored:
            stored.append(current)
        return {**new, "status": {**status, "storedVersions": stored}}
    return None


async def check(call: Call, new: Object, old: Object | None) -> Object | None:
    """403 for new objects of a definition that is to go."""
    crd = call.served.crd
    if old is None and crd is not None and crd["metadata"].get("deletionTimestamp"):
        why = "create not allowed while custom resource definition is terminating"
        raise refusing.forbidden(call.served.group, call.served.plural, call.name, why)
    return None


def accepted(crd: Object, others: list[Object]) -> Object:
    """The status of a definition among the others: names that are taken are not accepted."""
    taken = {name for other in others if other["spec"]["group"] == crd["spec"]["group"] for name in _names_of(other)}
    names, previous = dict(crd["spec"]["names"]), (crd.get("status") or {}).get("acceptedNames") or {}
    reason, message = "NoConflicts", "no conflicts found"
    for field, title in NAMES:
        asked = names.get(field) or ()
        for name in [asked] if isinstance(asked, str) else asked:
            if name in taken:
                reason, message = f"{title}Conflict", f'"{name}" is already in use'
                names[field] = previous.get(field, "" if field in ("plural", "kind") else None)
    names = {key: value for key, value in names.items() if value is not None}
    fine = reason == "NoConflicts"
    condition_status = deleting.with_condition(crd, "NamesAccepted", "True" if fine else "False", reason, message)
    condition_status = {**condition_status, "acceptedNames": names}
    if fine:
        established = ("True", "InitialNamesAccepted", "the initial names have been accepted")
    else:
        established = ("False", "NotAccepted", "not all names are accepted")
    if _condition(crd, "Established").get("status") == "True":
        return condition_status
    return deleting.with_condition({**crd, "status": condition_status}, "Established", *established)


def _names_of(crd: Object) -> Iterator[str]:
    names = (crd.get("status") or {}).get("acceptedNames") or {}
    for field, _ in NAMES:
        asked = names.get(field) or ()
        yield from [asked] if isinstance(asked, str) else asked


def _condition(crd: Object, kind: str) -> Object:
    conditions = (crd.get("status") or {}).get("conditions") or []
    return next((c for c in conditions if c["type"] == kind), {})


def _relevant(crd: Object) -> tuple[object, ...]:
    """What decides whether and how a definition is served."""
    return crd["spec"], crd["metadata"].get("deletionTimestamp"), _condition(crd, "Established").get("status")
