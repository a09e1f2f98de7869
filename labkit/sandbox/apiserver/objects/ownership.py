"""Who wrote which field: managedFields, and server-side apply on top of them."""

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects import patches
from labkit.sandbox.apiserver.objects.schemas import Schema


def after_update(
    old: Object | None, new: Object, *, manager: str, subresource: str, schema: Schema, time: str
) -> list[Object]:
    """The managedFields of ``new`` after a create, update or patch by ``manager`` (any but an apply).

    ``old`` is the stored object or None, ``new`` what is about to be stored;
    ``time`` is like ``2026-11-24T10:00:00Z``.
    """
    return new.get("metadata", {}).get("managedFields") or []


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
    """The object to store after a server-side apply, managedFields included; 409 names every conflict."""
    result: Object = patches.merged(live or {}, config)
    return result
