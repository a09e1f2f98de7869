"""Objects walked beside their types for server-side apply: owned fields, merge, comparison, removal."""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any

from labkit.sandbox.apiserver.objects import fieldsets, gojson, refusals
from labkit.sandbox.apiserver.objects.fieldsets import Path, Paths
from labkit.sandbox.apiserver.objects.types import Type

MISSING: Any = object()
"""A value that is not there, as opposed to null."""

_ANY = Type(kind="any")
_SCALARS = {"string": (str,), "bytes": (str,), "integer": (int, float), "number": (int, float), "boolean": (bool,)}


class Untypable(ValueError):
    """An object that does not fit its schema; the text names the path."""


@dataclass(kw_only=True)
class Comparison:
    """What a change did, field by field."""

    added: Paths = dataclass_field(default_factory=set)
    removed: Paths = dataclass_field(default_factory=set)
    modified: Paths = dataclass_field(default_factory=set)

    def without(self, roots: Set[Path]) -> "Comparison":
        """The comparison without what lies below ``roots``."""
        keep = fieldsets.without_below
        return Comparison(
            added=keep(self.added, roots),
            removed=keep(self.removed, roots),
            modified=keep(self.modified, roots),
        )

    @property
    def is_same(self) -> bool:
        """Whether nothing changed."""
        return not (self.added or self.removed or self.modified)


def is_leaf(of: Type, *values: Any) -> bool:
    """Whether the field has one owner as a whole, whatever it holds."""
    if of.kind in ("struct", "map"):
        return of.atomic
    if of.kind == "list":
        return of.list_type == "atomic"
    if of.kind == "any":
        return (
            of.atomic
            or not any(isinstance(v, dict) for v in values)
            or any(v is not MISSING and v is not None and not isinstance(v, dict) for v in values)
        )
    return True


def below(of: Type, key: str) -> tuple[Type, bool]:
    """The type under a key, and whether the key is a field that the schema names."""
    named = of.fields.get(key)
    return (named, True) if named is not None else (of.items or _ANY, False)


def owned(of: Type, value: Any) -> Paths:
    """The paths an applied object claims; Untypable where it does not fit."""
    paths: Paths = set()
    problems: list[str] = []
    _owned(of, value, (), paths, problems)
    if problems:
        raise Untypable(problems[0] if len(problems) == 1 else "errors:" + "".join(f"\n  {p}" for p in problems))
    return paths


def owned_loosely(of: Type, value: Any) -> Paths:
    """The paths an object holds, where a misfit does not matter."""
    paths: Paths = set()
    _owned(of, value, (), paths, [])
    return paths


def _owned(of: Type, value: Any, path: Path, paths: Paths, problems: list[str]) -> None:
    if problem := _misfit(of, value):
        problems.append(f"{fieldsets.shown(path)}: {problem}")
    elif is_leaf(of, value):
        paths.add(path)
        _check_below(of, value, path, problems)
    elif isinstance(value, dict):
        for key, item in value.items():
            field, named = below(of, key)
            here = (*path, fieldsets.field(key))
            if not named and of.kind == "struct" and not of.preserve and of.items is None:
                problems.append(f"{fieldsets.shown(here)}: field not declared in schema")
                continue
            _owned(field, item, here, paths, problems)
            if item is None or item == {} or not named:
                paths.add(here)
    elif isinstance(value, list):
        for element, item in _elements(of, value, path, problems):
            _owned(of.items or _ANY, item, (*path, element), paths, problems)
            paths.add((*path, element))


def _check_below(of: Type, value: Any, path: Path, problems: list[str]) -> None:
    """What has one owner as a whole must fit its type too."""
    if isinstance(value, list) and of.items is not None:
        for at, item in enumerate(value):
            _check(of.items, item, (*path, f"i:{at}"), problems)
    elif isinstance(value, dict) and of.kind in ("struct", "map"):
        for key, item in value.items():
            field, named = below(of, key)
            here = (*path, fieldsets.field(key))
            if not named and of.kind == "struct" and not of.preserve and of.items is None:
                problems.append(f"{fieldsets.shown(here)}: field not declared in schema")
            else:
                _check(field, item, here, problems)


def _check(of: Type, value: Any, path: Path, problems: list[str]) -> None:
    if problem := _misfit(of, value):
        problems.append(f"{fieldsets.shown(path)}: {problem}")
    else:
        _check_below(of, value, path, problems)


def _elements(of: Type, value: Sequence[Any], path: Path, problems: list[str]) -> Iterator[tuple[str, Any]]:
    seen: set[str] = set()
    for at, item in enumerate(value):
        element = element_of(of, item)
        if element is None:
            where = f"{fieldsets.shown(path)}: element {at}: associative list with keys"
            if isinstance(item, dict):
                key = next(k for k in of.keys if k not in item)
                omitted = f'omits key field "{key}" (and doesn\'t have default value)'
                problems.append(f"{where} has an element that {omitted}")
            else:
                problems.append(f"{where} may not have non-map elements")
        elif element in seen:
            problems.append(f"{fieldsets.shown(path)}: duplicate entries for key {fieldsets.shown((element,))}")
        else:
            seen.add(element)
            yield element, item


def _misfit(of: Type, value: Any) -> str:
    if value is None or of.kind == "any":
        return ""
    if of.kind in ("struct", "map"):
        return "" if isinstance(value, dict) else f"expected map, got &{{{_go(value)}}}"
    if of.kind == "list":
        return "" if isinstance(value, list) else f"expected list, got &{{{_go(value)}}}"
    expected = _SCALARS.get(of.kind)
    is_bool = isinstance(value, bool)
    if expected is None:
        return "" if not isinstance(value, (dict, list)) else f"expected any scalar, got &{{{_go(value)}}}"
    if isinstance(value, expected) and is_bool == (of.kind == "boolean"):
        return ""
    if of.kind in ("integer", "number"):
        return f"expected numeric (int or float), got {_GO_TYPES[gojson.kind_of(value)]}"
    if of.kind in ("string", "bytes"):
        return f"expected string, got &value.valueUnstructured{{Value:{_go_syntax(value)}}}"
    return f"expected boolean, got &{{{_go(value)}}}"


_GO_TYPES = {
    "string": "string",
    "bool": "bool",
    "number": "int64",
    "object": "map[string]interface {}",
    "array": "[]interface {}",
}


def _go(value: Any) -> str:
    if isinstance(value, dict):
        return f"map[{' '.join(f'{k}:{_go(value[k])}' for k in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(_go, value))}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "<nil>" if value is None else str(value)


def _go_syntax(value: Any) -> str:
    """A value as Go's ``%#v`` prints it."""
    if isinstance(value, dict):
        pairs = ", ".join(f"{refusals.quoted(key)}:{_go_syntax(value[key])}" for key in sorted(value))
        return f"map[string]interface {{}}{{{pairs}}}"
    if isinstance(value, list):
        return f"[]interface {{}}{{{', '.join(map(_go_syntax, value))}}}"
    return (
        refusals.quoted(value) if isinstance(value, str) else _go(value) if value is not None else "interface {}(nil)"
    )


def element_of(of: Type, item: Any) -> str | None:
    """The path element of a list's item; None where a key is missing."""
    if of.list_type == "set":
        return fieldsets.valued(item)
    fields = of.items.fields if of.items else {}
    keys = {}
    for key in of.keys:
        if isinstance(item, dict) and key in item:
            keys[key] = item[key]
        elif key in fields and "default" in fields[key].raw:
            keys[key] = fields[key].raw["default"]
        elif key in fields and fields[key].kind == "string" and not fields[key].omit_empty:
            # OpenAPI gives every field that Go always writes its zero as a default.
            keys[key] = ""
        else:
            return None
    return fieldsets.keyed(keys)


def compared(of: Type, old: Any, new: Any) -> Comparison:
    """What ``new`` changed of ``old``."""
    comparison = Comparison()
    _compare(of, old, new, (), comparison)
    return comparison


def _compare(of: Type, old: Any, new: Any, path: Path, comparison: Comparison) -> None:
    if old is not MISSING and new is not MISSING and type(old) is type(new) and old == new:
        return
    # Two empty values of different emptiness are one leaf: null, {} and nothing are told apart.
    if is_leaf(of, old, new) or (_is_empty(old) and _is_empty(new)):
        if old is MISSING:
            comparison.added.add(path)
        elif new is MISSING:
            comparison.removed.add(path)
        else:
            comparison.modified.add(path)
        return
    if of.kind == "list":
        _compare_lists(of, old, new, path, comparison)
    else:
        before, after = _as_map(old), _as_map(new)
        for key in [*before, *(key for key in after if key not in before)]:
            here = (*path, f"f:{key}")
            _compare(below(of, key)[0], before.get(key, MISSING), after.get(key, MISSING), here, comparison)
    if path and old is MISSING:
        comparison.added.add(path)
    if path and new is MISSING:
        comparison.removed.add(path)


def _compare_lists(of: Type, old: Any, new: Any, path: Path, comparison: Comparison) -> None:
    before, after = _indexed(of, old), _indexed(of, new)
    for element in [*before, *(element for element in after if element not in before)]:
        left, right = before.get(element, [MISSING]), after.get(element, [MISSING])
        if len(left) == len(right) == 1:
            _compare(of.items or _ANY, left[0], right[0], (*path, element), comparison)
        elif left != right:
            # Items that share a key have one owner together.
            changes = (
                comparison.added
                if left[0] is MISSING
                else comparison.removed
                if right[0] is MISSING
                else comparison.modified
            )
            changes.add((*path, element))


def _indexed(of: Type, value: Any) -> dict[str, list[Any]]:
    items: dict[str, list[Any]] = {}
    for at, item in enumerate(value if isinstance(value, list) else ()):
        items.setdefault(element_of(of, item) or f"i:{at}", []).append(item)
    return items


def _as_map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_empty(value: Any) -> bool:
    return value is MISSING or value is None or value == {} or value == []


def merged(of: Type, live: Any, config: Any) -> Any:
    """``live`` with what ``config`` says on top; MISSING when neither says anything."""
    if config is MISSING:
        return live
    if live is MISSING or is_leaf(of, live, config) or (_is_empty(live) and _is_empty(config)):
        return config
    if of.kind == "list":
        if not isinstance(config, list) or not isinstance(live, list):
            return config if isinstance(config, list) else live
        return _merged_lists(of, live, config)
    before, after = _as_map(live), _as_map(config)
    fields = {}
    for key in [*before, *(key for key in after if key not in before)]:
        fields[key] = merged(below(of, key)[0], before.get(key, MISSING), after.get(key, MISSING))
    return fields


def _merged_lists(of: Type, live: list[Any], config: list[Any]) -> list[Any]:
    """Items of both: those of ``config`` keep their order, the others stay where they were between them."""
    items = of.items or _ANY
    left = [element_of(of, item) or f"i:{at}" for at, item in enumerate(live)]
    right = [element_of(of, item) or f"i:{at}" for at, item in enumerate(config)]
    mine, theirs = dict(zip(left, live, strict=True)), dict(zip(right, config, strict=True))
    shared = [element for element in right if element in mine]
    done: set[str] = set()
    result: list[Any] = []
    at_left = at_right = 0
    while at_left < len(left) or at_right < len(right):
        element = left[at_left] if at_left < len(left) else None
        if element is not None and at_right < len(right):
            if element == right[at_right]:
                result.append(merged(items, mine[element], theirs[element]))
                done.add(element)
                shared = [one for one in shared if one != element]
                at_left, at_right = at_left + 1, at_right + 1
                continue
            if element in theirs and shared and shared[0] != element:
                at_left += 1
                continue
        if element is not None:
            if element not in theirs:
                result.append(live[at_left])
                at_left += 1
                continue
            if element in done:
                at_left += 1
        if at_right < len(right):
            element = right[at_right]
            result.append(merged(items, mine.get(element, MISSING), theirs[element]))
            done.add(element)
            shared = [one for one in shared if one != element]
            at_right += 1
    return result


def without(of: Type, value: Any, paths: Set[Path]) -> Any:
    """The value less the fields and items at ``paths``; what has nothing left becomes null."""
    by_first: dict[str, set[Path]] = {}
    for path in paths:
        by_first.setdefault(path[0], set()).add(path[1:])
    if not by_first or is_leaf(of, value):
        return value
    if isinstance(value, dict):
        kept = {}
        for key, item in value.items():
            gone = by_first.get(f"f:{key}")
            if gone is None:
                kept[key] = item
            elif () not in gone:
                kept[key] = without(below(of, key)[0], item, gone)
        return kept or None
    if isinstance(value, list):
        items = []
        for at, item in enumerate(value):
            gone = by_first.get(element_of(of, item) or f"i:{at}")
            if gone is None:
                items.append(item)
            elif () not in gone:
                items.append(without(of.items or _ANY, item, gone))
        return items or None
    return value


def with_named_fields(of: Type, paths: Paths) -> Paths:
    """The paths, and every field that the schema names on the way to one."""
    extended = set(paths)
    for path in paths:
        at: Type = of
        for depth, element in enumerate(path, 1):
            if element[0] == "f":
                at, named = below(at, element[2:])
                if named:
                    extended.add(path[:depth])
            else:
                at = at.items or _ANY
    return extended
