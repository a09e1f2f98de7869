"""Rules for custom resources: their schema, and the rules it holds in CEL."""

from collections.abc import Iterable, Iterator
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects import structural
from labkit.sandbox.apiserver.objects.cel import rules
from labkit.sandbox.apiserver.objects.schemas import Schema
from labkit.sandbox.apiserver.objects.validation import causes, lists, schema_values
from labkit.sandbox.apiserver.objects.validation.causes import Cause

_KINDS = ("NotSupported", "Required", "TooLong", "TooMany", "TypeInvalid")
_BLOCKING = frozenset(f"FieldValue{kind}" for kind in _KINDS)
"""After one of these no rule is asked; after all others, such as a broken oneOf, rules are (``hasBlockingErr`` in
``pkg/registry/customresource`` of k8s.io/apiextensions-apiserver 0.36)."""

_UNCHECKED = causes.wrong(
    "<nil>",
    None,
    "some validation rules were not checked because the object was invalid;"
    " correct the existing errors to complete validation",
)


def problems(schema: Schema, new: Object, old: Object | None) -> Iterator[Cause]:
    """What is wrong with a custom resource by its schema, beyond its metadata."""
    root = structural.schema_of(schema)
    properties = {k: v for k, v in (root.get("properties") or {}).items() if k not in structural.ROOT}
    below, body = {**root, "properties": properties}, _body(new)
    # The same complaint of two alternatives is made once.
    yield from dict.fromkeys(schema_values.problems(below, body, "", _body(old) if old else None))
    yield from _scale(schema, new)
    if old is None or not any(lists.problems(below, _body(old), "")):
        yield from lists.problems(below, body, "")


def _scale(schema: Schema, obj: Object) -> Iterator[Cause]:
    path = ((schema.custom or {}).get("subresources") or {}).get("scale", {}).get("specReplicasPath", "")
    value: Any = obj
    for part in path.split(".")[1:]:
        value = value.get(part) if isinstance(value, dict) else None
    if path and isinstance(value, int) and value < 0:
        yield causes.wrong(path, value, "should be a non-negative integer")


def broken(schema: Schema, new: Object, old: Object | None, complaints: Iterable[Cause]) -> list[Cause]:
    """The rules of its definition that a custom resource breaks; ``complaints`` is what is wrong with it already."""
    root = structural.schema_of(schema)
    if any(cause.reason in _BLOCKING for cause in complaints):
        return [_UNCHECKED] if rules.has_rules(root) else []
    return [one.cause for one in rules.broken(root, new, old) if not one.is_kept]


def kept(schema: Schema, new: Object, old: Object | None) -> list[Cause]:
    """Rules that an object broke before and breaks still, in values that have not changed: a warning each."""
    if old is None:
        return []
    return [one.cause for one in rules.broken(structural.schema_of(schema), new, old) if one.is_kept]


def _body(obj: Object) -> Object:
    return {key: value for key, value in obj.items() if key != "metadata"}
