"""What the server fills in: constants by struct as a table, and rules where one field follows from others."""

from functools import cache
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects import reading, structural
from labkit.sandbox.apiserver.objects.defaults import rules, tables
from labkit.sandbox.apiserver.objects.schemas import Schema
from labkit.sandbox.apiserver.objects.types import Type


def with_defaults(schema: Schema, obj: Object, old: Object | None = None) -> Object:
    """The object with every default of its kind; the argument is left alone.

    What depends on more than the object itself (admission, allocation, a strategy of a resource) is not here.
    """
    if schema.custom is not None:
        custom: Object = structural.defaulted(structural.schema_of(schema), obj)
        return custom
    result: Object = _filled(schema.type, obj)
    kind_rule = rules.BY_KIND.get(f"{schema.group}/{schema.kind}")
    if kind_rule:
        kind_rule(result)
        result = reading.in_order(schema.type, result)
    return result


def _filled(of: Type, value: Any) -> Any:
    """A copy of the value with the defaults of every struct below."""
    if value is None or not _has_defaults(of):
        return _copied(value)
    if of.kind == "list":
        items = of.items
        return [_filled(items, item) for item in value] if items else value
    if of.kind == "map":
        if of.go == "v1.ResourceList":
            return rules.rounded(value)
        items = of.items
        return {key: _filled(items, item) for key, item in value.items()} if items else value
    fields = dict(value)
    for key, constant in tables.CONSTANTS.get(of.name, {}).items():
        if fields.get(key) in (None, ""):
            fields[key] = _copied(constant)
    if rule := rules.BY_STRUCT.get(of.name):
        rule(fields)
    fields = {key: _filled(of.fields[key], item) if key in of.fields else item for key, item in fields.items()}
    return reading.in_order(of, fields)


@cache
def _has_defaults(of: Type) -> bool:
    """Whether anything below a type has defaults; a type that contains itself counts once."""
    seen: set[str] = set()
    left = [of]
    while left:
        at = left.pop()
        if at.name in tables.CONSTANTS or at.name in rules.BY_STRUCT or at.go == "v1.ResourceList":
            return True
        if at.name in seen:
            continue
        if at.name:
            seen.add(at.name)
        left += [*at.fields.values(), *([at.items] if at.items else [])]
    return False


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value
