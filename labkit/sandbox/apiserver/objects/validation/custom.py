"""Rules for custom resources: their schema, and the rules it holds in CEL."""

from collections.abc import Iterator, Mapping
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects import structural
from labkit.sandbox.apiserver.objects.schemas import Schema
from labkit.sandbox.apiserver.objects.validation import causes, schema_values
from labkit.sandbox.apiserver.objects.validation.causes import Cause

_RULES = "x-kubernetes-validations"
_UNCHECKED = (
    "some validation rules were not checked because the object was invalid;"
    " correct the existing errors to complete validation"
)


def problems(schema: Schema, new: Object, old: Object | None) -> Iterator[Cause]:
    """What is wrong with a custom resource beyond its metadata."""
    rules = structural.schema_of(schema)
    properties = {k: v for k, v in (rules.get("properties") or {}).items() if k not in structural.ROOT}
    found = list(
        schema_values.problems({**rules, "properties": properties}, _body(new), "", _body(old) if old else None)
    )
    yield from found
    if found and _has_rules(rules):
        yield causes.wrong("<nil>", None, _UNCHECKED)


def _body(obj: Object) -> Object:
    return {key: value for key, value in obj.items() if key != "metadata"}


def _has_rules(schema: Mapping[str, Any]) -> bool:
    if schema.get(_RULES):
        return True
    below = [*(schema.get("properties") or {}).values()]
    below += [part for key in ("items", "additionalProperties") if isinstance(part := schema.get(key), dict)]
    return any(_has_rules(part) for part in below)
