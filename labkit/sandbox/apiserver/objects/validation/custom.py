"""Rules for custom resources: their schema, and the rules it holds in CEL."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from labkit.kube.resources import Object
from labkit.mesh.validation import rules
from labkit.sandbox.apiserver.objects import structural
from labkit.sandbox.apiserver.objects.schemas import Schema
from labkit.sandbox.apiserver.objects.validation import causes, lists, schema_values
from labkit.sandbox.apiserver.objects.validation.causes import Cause

_RULES = "x-kubernetes-validations"
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
    if old is None or not any(lists.problems(below, _body(old), "")):
        yield from lists.problems(below, body, "")


def broken(schema: Schema, new: Object, found: Iterable[Cause]) -> list[Cause]:
    """The rules of its definition that a custom resource breaks; ``found`` is what is wrong with it already.

    Nothing here evaluates CEL: of the kinds of the mesh, the rules are known as functions.
    """
    if any(cause.reason in _BLOCKING for cause in found):
        said = [_UNCHECKED]
    else:
        said = [Cause(c.reason, c.message, c.field) for c in rules.broken(schema.group, schema.kind, new)]
    return said if said and _has_rules(structural.schema_of(schema)) else []


def _body(obj: Object) -> Object:
    return {key: value for key, value in obj.items() if key != "metadata"}


def _has_rules(schema: Mapping[str, Any]) -> bool:
    if schema.get(_RULES):
        return True
    below = [*(schema.get("properties") or {}).values()]
    below += [part for key in ("items", "additionalProperties") if isinstance(part := schema.get(key), dict)]
    return any(_has_rules(part) for part in below)
