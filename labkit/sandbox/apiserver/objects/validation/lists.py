"""Lists that are sets, or maps by some keys of their items: nothing is in them twice."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from labkit.sandbox.apiserver.objects.validation import causes
from labkit.sandbox.apiserver.objects.validation.causes import Cause

Schema = Mapping[str, Any]


def problems(schema: Schema, value: Any, path: str) -> Iterator[Cause]:
    """What is there again; of something that is there many times, only the second place is named."""
    if isinstance(value, list):
        kind = schema.get("x-kubernetes-list-type")
        if kind in _KINDS:
            yield from _KINDS[kind](schema, value, path)
        if isinstance(items := schema.get("items"), dict):
            for at, item in enumerate(value):
                yield from problems(items, item, f"{path}[{at}]")
    elif isinstance(value, dict):
        properties, values = schema.get("properties") or {}, schema.get("additionalProperties")
        for name in sorted(value):
            if below := properties.get(name):
                yield from problems(below, value[name], f"{path}.{name}" if path else name)
            elif isinstance(values, dict):
                yield from problems(values, value[name], f"{path}[{name}]")


def by_identity(schema: Schema, value: Any) -> Mapping[str, Any]:
    """The items of a map by what tells them apart; empty for other lists, whose items have no identity."""
    is_map = schema.get("x-kubernetes-list-type") == "map" and isinstance(value, list)
    return {name: item for item in value if (name := identity(schema, item))} if is_map else {}


def identity(schema: Schema, item: Any) -> str:
    """What tells an item of a map from the others, ``{"name": "http"}``; empty when a key is missing."""
    keys = _keyed(schema, item)
    return _text(keys) if len(keys) == len(_keys(schema)) else ""


def _keys(schema: Schema) -> list[str]:
    return sorted(schema.get("x-kubernetes-list-map-keys") or ())


def _keyed(schema: Schema, item: Any) -> dict[str, Any]:
    return {name: item[name] for name in _keys(schema) if name in item} if isinstance(item, dict) else {}


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _map(schema: Schema, value: list[Any], path: str) -> Iterator[Cause]:
    for at, item in enumerate(value):
        if item is not None and not isinstance(item, dict):
            yield causes.wrong(f"{path}[{at}]", item, "must be an object for an array of list-type map")
            return
    yield from _set(schema, [_keyed(schema, item) for item in value], path)


def _set(schema: Schema, value: list[Any], path: str) -> Iterator[Cause]:
    seen = Counter[str]()
    for at, item in enumerate(value):
        text = _text(item)
        seen[text] += 1
        if seen[text] == 2:
            yield causes.duplicate(f"{path}[{at}]", json.loads(text))


_KINDS = {"map": _map, "set": _set}
