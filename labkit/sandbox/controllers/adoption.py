"""Which objects a controller's object owns: those it made, and strays that fit its selector."""

import contextlib
from collections.abc import Callable, Iterable, Iterator

from labkit.kube import api, informer, resources, status
from labkit.kube.resources import Object
from labkit.sandbox.apiserver import labels
from labkit.sandbox.controllers.deployment_plan import owner_reference

MANAGER = "kube-controller-manager"


def concerned(
    owners: informer.Informer,
    old: Object | None,
    new: Object | None,
    *,
    fits: Callable[[Object, Object], bool] = lambda owner, stray: True,
) -> Iterator[informer.Key]:
    """The owners that a changed object concerns: those it names, and of a stray all that it ``fits``."""
    for obj in filter(None, (old, new)):
        holder, namespace = resources.owner_of(obj), resources.namespace_of(obj)
        if holder is not None and holder["kind"] == owners.resource.kind:
            yield namespace, holder["name"]
        elif holder is None and obj is new:
            yield from (informer.key_of(owner) for owner in owners.all(namespace) if fits(owner, obj))


async def claimed(
    client: api.Api, kind: resources.Resource, owner: Object, candidates: Iterable[Object]
) -> list[Object]:
    """Those that are the owner's from now on; one whose labels no longer fit is let go."""
    owned = []
    uid, selector = resources.uid_of(owner), selector_of(owner)
    for obj in candidates:
        holder, fits = resources.owner_of(obj), labels.matches(selector, resources.labels_of(obj))
        if holder is None and fits and not obj["metadata"].get("deletionTimestamp"):
            if taken := await _referring(client, kind, obj, [*_references(obj), owner_reference(owner)]):
                owned.append(taken)
        elif holder is not None and holder["uid"] == uid:
            if fits:
                owned.append(obj)
            else:
                await _referring(client, kind, obj, [r for r in _references(obj) if r["uid"] != uid])
    return owned


def _references(obj: Object) -> list[Object]:
    return obj["metadata"].get("ownerReferences") or []


async def _referring(client: api.Api, kind: resources.Resource, obj: Object, references: list[Object]) -> Object | None:
    body = {"metadata": {"uid": resources.uid_of(obj), "ownerReferences": references or None}}
    with contextlib.suppress(status.NotFound, status.Conflict):
        return await client.patch(kind, resources.name_of(obj), resources.namespace_of(obj), body, manager=MANAGER)
    return None


def selector_of(owner: Object) -> Object:
    """The label selector of an owner; a ReplicationController writes plain labels."""
    selector: Object = owner["spec"].get("selector") or {}
    return {"matchLabels": selector} if owner["kind"] == "ReplicationController" else selector
