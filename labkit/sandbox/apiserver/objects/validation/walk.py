"""The walk over a built-in object beside its type: checks of fields, and rules of whole structs."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects.schemas import Schema
from labkit.sandbox.apiserver.objects.types import Type
from labkit.sandbox.apiserver.objects.validation import (
    accounts,
    admission,
    autoscaling,
    configuration,
    definitions,
    extensions,
    jobs,
    networks,
    pods,
    policies,
    services,
    storage,
    workloads,
)
from labkit.sandbox.apiserver.objects.validation.causes import Cause
from labkit.sandbox.apiserver.objects.validation.checks import Check

Rule = Callable[[Any, str], Iterator[Cause]]
"""Given a struct and its path, what is wrong with it as a whole."""

_PARTS = (
    accounts,
    autoscaling,
    configuration,
    extensions,
    jobs,
    networks,
    pods,
    policies,
    services,
    storage,
    workloads,
)

FIELDS: Mapping[str, Mapping[str, tuple[Check, ...]]] = {
    struct: fields for part in _PARTS for struct, fields in part.FIELDS.items()
}
"""Go struct → field → its checks."""

STRUCTS: Mapping[str, Rule] = {struct: rule for part in _PARTS for struct, rule in part.STRUCTS.items()}
"""Go struct → the rule of the whole, which comes before its fields."""

LAST: Mapping[str, Rule] = {struct: rule for part in (jobs, workloads) for struct, rule in part.LAST.items()}
"""Go struct → a rule of the whole that comes after its fields."""

KINDS: Mapping[str, Callable[[Object], Iterator[Cause]]] = {
    kind: rule for part in (*_PARTS, admission, definitions) for kind, rule in part.KINDS.items()
}
"""``GROUP/KIND`` → the rule of the whole object."""

VIEWS: Mapping[str, Callable[[Object], Object]] = workloads.VIEWS
"""Struct → the form in which its fields are checked, where that is not the one in which it stands."""

_SKIPPED = ("metadata", "status")


def problems(schema: Schema, obj: Object) -> Iterator[Cause]:
    """What is wrong with an object, its metadata and status aside."""
    if rule := KINDS.get(f"{schema.group}/{schema.kind}"):
        yield from rule(obj)
    yield from _struct(schema.type, obj, "", root=True)


def _value(of: Type, value: Any, path: str) -> Iterator[Cause]:
    if value is None or not _has_rules(of):
        return
    if of.kind == "struct":
        yield from _struct(of, value, path)
    elif of.kind == "list" and of.items:
        for at, item in enumerate(value):
            yield from _value(of.items, item, f"{path}[{at}]")
    elif of.kind == "map" and of.items:
        for key, item in value.items():
            yield from _value(of.items, item, f"{path}[{key}]")


def _struct(of: Type, value: Object, path: str, *, root: bool = False) -> Iterator[Cause]:
    prefix = f"{path}." if path else ""
    if rule := STRUCTS.get(of.name):
        yield from rule(value, path)
    if view := VIEWS.get(of.name):
        value = view(value)
    fields = FIELDS.get(of.name, {})
    for name, field in of.fields.items():
        if root and name in _SKIPPED:
            continue
        item = value.get(name)
        for check in fields.get(name, ()):
            yield from check(item, prefix + name)
        if item is not None and field.kind in ("struct", "list", "map"):
            yield from _value(field, item, prefix + name)
    if rule := LAST.get(of.name):
        yield from rule(value, path)


@cache
def _has_rules(of: Type) -> bool:
    """Whether anything below a type is checked."""
    return of.holds(lambda at: at.name in FIELDS or at.name in STRUCTS)
