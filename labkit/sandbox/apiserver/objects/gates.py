"""Fields behind feature gates that are off: a server knows them, takes them, and drops them before it looks.

The list is that of Kubernetes 1.36, whose answers the sandbox follows.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects.types import Type

DROPPED: Mapping[str, tuple[str, ...]] = {
    "CSIDriverSpec": ("preventPodSchedulingIfMissing",),
    # Written by endpoints' v1beta1 alone.
    "Endpoint": ("deprecatedTopology",),
    "LeaseSpec": ("preferredHolder", "strategy"),
    "Lifecycle": ("stopSignal",),
}
"""Go struct → fields."""

_GO_WITH_THEM = ("Lifecycle",)
"""Structs that go when nothing else is in them."""


def without_disabled(of: Type, value: Any) -> Any:
    """The value without fields whose gate is off; the value itself where it has none."""
    if value is None or not _is_concerned(of):
        return value
    if of.kind == "list" and of.items is not None:
        items = of.items
        return [without_disabled(items, item) for item in value]
    if of.kind == "map" and of.items is not None:
        items = of.items
        return {key: without_disabled(items, item) for key, item in value.items()}
    if of.kind == "struct":
        return _struct(of, value)
    return value


def _struct(of: Type, value: Object) -> Object:
    kept = {key: item for key, item in value.items() if key not in DROPPED.get(of.name, ())}
    for key, field in of.fields.items():
        if key not in kept:
            continue
        kept[key] = without_disabled(field, kept[key])
        if field.name in _GO_WITH_THEM and not kept[key] and value[key]:
            del kept[key]
    return value if kept == value else kept


@cache
def _is_concerned(of: Type) -> bool:
    """Whether something below a type may be dropped."""
    return of.holds(lambda at: at.name in DROPPED)
