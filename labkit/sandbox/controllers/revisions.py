"""ControllerRevisions: the templates that a StatefulSet or a DaemonSet has had, for updates and roll-backs."""

from collections.abc import Sequence

from labkit.kube import api, resources, status
from labkit.kube.resources import Object
from labkit.sandbox.apiserver import labels
from labkit.sandbox.apiserver.objects import gojson
from labkit.sandbox.controllers import adoption
from labkit.sandbox.controllers.deployment_plan import LETTERS, owner_reference
from labkit.sandbox.controllers.podcontrol import MANAGER

HASH = "controller.kubernetes.io/hash"


def data_of(owner: Object) -> Object:
    """The patch that brings an owner's template back."""
    return {"spec": {"template": {**owner["spec"]["template"], "$patch": "replace"}}}


def hash_of(data: Object, collisions: int = 0) -> str:
    """FNV-1 over the patch as Go writes it, in letters that no word is made of (``rand.SafeEncodeString``)."""
    value = 2166136261
    for byte in f"{gojson.dumps(_sorted(data))}{collisions}".encode():
        value = (value * 16777619 & 0xFFFFFFFF) ^ byte
    return "".join(LETTERS[ord(digit) % len(LETTERS)] for digit in str(value))


def _sorted(value: object) -> object:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def in_order(revisions: Sequence[Object]) -> list[Object]:
    """Oldest first."""
    return sorted(
        revisions, key=lambda r: (r["revision"], r["metadata"].get("creationTimestamp", ""), resources.name_of(r))
    )


def superfluous(revisions: Sequence[Object], live: set[str], limit: int) -> list[Object]:
    """Revisions beyond the history limit that nothing uses; ``live`` are the names of those in use."""
    history = [r for r in in_order(revisions) if resources.name_of(r) not in live]
    return history[: max(0, len(history) - limit)]


async def claimed(client: api.Api, owner: Object, candidates: Sequence[Object]) -> list[Object]:
    """The owner's revisions, oldest first; strays that its selector fits become its own."""
    selector, uid, own = adoption.selector_of(owner), resources.uid_of(owner), []
    for revision in candidates:
        holder = resources.owner_of(revision)
        if holder is not None and holder["uid"] == uid:
            own.append(revision)
        elif holder is None and labels.matches(selector, resources.labels_of(revision)):
            body = {"metadata": {"ownerReferences": [owner_reference(owner)]}}
            name, namespace = resources.name_of(revision), resources.namespace_of(revision)
            own.append(await client.patch(resources.CONTROLLER_REVISIONS, name, namespace, body, manager=MANAGER))
    return in_order(own)


async def current(
    client: api.Api, owner: Object, revisions: Sequence[Object], *, label: str = HASH, annotations: bool = True
) -> tuple[Object, int]:
    """(revision of the owner's present template, collisions): an older one of the same template moves to the end."""
    data, collisions = data_of(owner), (owner.get("status") or {}).get("collisionCount") or 0
    number = max((r["revision"] for r in revisions), default=0) + 1
    same = [r for r in revisions if r["data"] == data]
    if same and same[-1] is revisions[-1]:
        return same[-1], collisions
    if same:
        name, namespace = resources.name_of(same[-1]), resources.namespace_of(owner)
        body = {"revision": number}
        return await client.patch(resources.CONTROLLER_REVISIONS, name, namespace, body, manager=MANAGER), collisions
    while True:
        revision = _revision(owner, data, number, collisions, label=label, annotations=annotations)
        try:
            return await client.create(resources.CONTROLLER_REVISIONS, revision, manager=MANAGER), collisions
        except status.AlreadyExists:
            name, namespace = resources.name_of(revision), resources.namespace_of(owner)
            there = await client.get(resources.CONTROLLER_REVISIONS, name, namespace)
            if there["data"] == data and (resources.owner_of(there) or {}).get("uid") == resources.uid_of(owner):
                return there, collisions
            collisions += 1


def _revision(owner: Object, data: Object, number: int, collisions: int, *, label: str, annotations: bool) -> Object:
    mark = hash_of(data, collisions)
    template_labels = (owner["spec"]["template"].get("metadata") or {}).get("labels") or {}
    notes = resources.annotations_of(owner) if annotations else {}
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": f"{resources.name_of(owner)}-{mark}",
            "namespace": resources.namespace_of(owner),
            "labels": {**template_labels, label: mark},
            **({"annotations": notes} if notes else {}),
            "ownerReferences": [owner_reference(owner)],
        },
        "data": data,
        "revision": number,
    }
