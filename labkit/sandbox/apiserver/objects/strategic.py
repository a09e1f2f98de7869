"""Strategic merge patch: lists merged by key or by value, and the directives that steer it.

Directives: ``$patch`` (replace, delete) in an object or a list's item, ``$setElementOrder/LIST``,
``$deleteFromPrimitiveList/LIST``, ``$retainKeys``.
"""

from collections.abc import Callable, Mapping
from typing import Any

from labkit.sandbox.apiserver.objects import gojson, refusals
from labkit.sandbox.apiserver.objects.types import Type

DIRECTIVE, RETAIN = "$patch", "$retainKeys"
ORDER, DELETE = "$setElementOrder/", "$deleteFromPrimitiveList/"

_GO = {int: "int64", float: "float64"}
_ANY = Type(kind="any")

Items = list[Any]


def merged(live: Mapping[str, Any], patch: Mapping[str, Any], of: Type) -> dict[str, Any]:
    """A new object: ``live`` changed as the patch says; StatusError for a patch that contradicts itself."""
    return _object(dict(live), gojson.plain(dict(patch)), of)


def _object(live: dict[str, Any], patch: dict[str, Any], of: Type) -> dict[str, Any]:
    if DIRECTIVE in patch:
        shown = _shown(patch)
        directive = patch.pop(DIRECTIVE)
        if directive == "replace":
            return patch
        if directive == "delete":
            return {}
        if not isinstance(directive, str):
            directive = f"%!s({_GO.get(type(directive), type(directive).__name__)}={directive})"
        raise refusals.internal(f"unknown patch type: {directive} in map: {shown}")
    live = _retained(live, patch)
    for key in [key for key in patch if key.startswith(ORDER)]:
        _put_in_order(live, patch, key.removeprefix(ORDER), patch.pop(key), of)
    for key, value in patch.items():
        if key.startswith(DELETE):
            name = key.removeprefix(DELETE)
            if isinstance(live.get(name), list) and isinstance(value, list):
                live[name] = [item for item in live[name] if item not in value]
        elif value is None:
            live.pop(key, None)
        elif isinstance(value, dict) and isinstance(live.get(key), dict):
            below = _field(of, key)
            replaced = "replace" in below.strategy
            live[key] = value if replaced else _object(dict(live[key]), value, below)
        elif isinstance(value, list) and isinstance(live.get(key), list):
            live[key] = _list(live[key], value, _field(of, key))
        else:
            live[key] = _alone(value)
    return live


def _retained(live: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    kept = patch.pop(RETAIN, None)
    if kept is None:
        return live
    named = (key for key, value in patch.items() if value is not None and not key.startswith((ORDER, DELETE)))
    if not isinstance(kept, list) or any(key not in kept for key in named):
        raise refusals.bad_request("invalid patch format of retainKeys")
    return {key: value for key, value in live.items() if key in kept}


def _put_in_order(live: dict[str, Any], patch: dict[str, Any], key: str, order: Any, of: Type) -> None:
    """Merge the list of that name and sort it as asked; the list leaves the patch."""
    ours, theirs, below = patch.pop(key, None), live.get(key), _field(of, key)
    if not isinstance(order, list) or not isinstance(ours or [], list) or not isinstance(theirs or [], list):
        raise refusals.bad_request("invalid patch format of setElementOrder list")
    if ours is None and theirs is None:
        return
    identity = _identity(below.merge_key)
    named = {identity(item) for item in order}
    if any(identity(item) not in named for item in ours or () if not _is_directive(item)):
        raise refusals.internal(
            f"The order in patch list:\n{_shown(ours)}\n doesn't match {ORDER.rstrip('/')} list:\n{_shown(order)}\n"
        )
    if ours is None:
        result = list(theirs or ())
    else:
        result = _alone(ours) if theirs is None else _list(theirs, ours, below)
    live[key] = _ordered(result, order, theirs or [], identity)


def _list(live: Items, patch: Items, of: Type) -> Items:
    if "merge" not in of.strategy:
        return patch
    identity = _identity(of.merge_key)
    if not any(isinstance(item, dict) for item in (*live, *patch)):
        return _ordered(list(dict.fromkeys((*live, *patch))), patch, live, identity)
    live, patch, replace = _without_directives(live, patch, of.merge_key)
    if replace:
        return patch
    result = list(live)
    for item in patch:
        if of.merge_key not in item:
            raise _keyless(item, of.merge_key)
        at = next((n for n, one in enumerate(result) if identity(one) == identity(item)), None)
        if at is None:
            result.append(_alone(item))
        else:
            result[at] = _object(dict(result[at]), item, of.items or _ANY)
    return _ordered(result, patch, live, identity)


def _without_directives(live: Items, patch: Items, merge_key: str) -> tuple[Items, Items, bool]:
    """Both lists after deletions, and whether the patch's items replace all others."""
    kept, replace = [], False
    for item in patch:
        if not _is_directive(item):
            kept.append(item)
        elif item[DIRECTIVE] == "replace":
            replace = True
        elif item[DIRECTIVE] == "merge":
            raise refusals.internal("merging lists cannot yet be specified in the patch")
        elif item[DIRECTIVE] != "delete":
            raise refusals.internal(f"unknown patch type: {item[DIRECTIVE]} in map: {_shown(item)}")
        elif merge_key not in item:
            raise _keyless(item, merge_key)
        else:
            live = [one for one in live if one.get(merge_key) != item[merge_key]]
    return live, kept, replace


def _ordered(result: Items, order: Items, live: Items, identity: Callable[[Any], Any]) -> Items:
    """Items in the order asked; one that is not asked for goes before the next item that stood behind it."""
    places = {identity(item): at for at, item in reversed(list(enumerate(order)))}
    stood = {identity(item): at for at, item in reversed(list(enumerate(live)))}
    ours = sorted((i for i in result if identity(i) in places), key=lambda i: places[identity(i)])
    theirs = [item for item in result if identity(item) not in places]
    theirs.sort(key=lambda item: stood.get(identity(item), len(stood)))
    ordered: Items = []
    while ours and theirs:
        left, right = stood.get(identity(theirs[0])), stood.get(identity(ours[0]))
        before = left is not None and right is not None and left < right
        ordered.append(theirs.pop(0) if before else ours.pop(0))
    return [*ordered, *ours, *theirs]


def _alone(value: Any) -> Any:
    """A part of a patch that nothing is merged with: without directives and nulls."""
    if isinstance(value, dict):
        return {
            key: _alone(item)
            for key, item in value.items()
            if item is not None and key not in (DIRECTIVE, RETAIN) and not key.startswith((ORDER, DELETE))
            if not (_is_directive(item) and item[DIRECTIVE] == "delete")
        }
    if isinstance(value, list):
        return [_alone(item) for item in value if not _is_directive(item)]
    return value


def _identity(merge_key: str) -> Callable[[Any], Any]:
    def identity(item: Any) -> Any:
        value = item.get(merge_key) if merge_key and isinstance(item, dict) else item
        return value if isinstance(value, (str, int, float, bool)) else repr(value)

    return identity


def _is_directive(item: Any) -> bool:
    return isinstance(item, dict) and DIRECTIVE in item


def _field(of: Type, key: str) -> Type:
    return of.fields.get(key) or of.items or _ANY


def _keyless(item: Mapping[str, Any], merge_key: str) -> Exception:
    return refusals.internal(f"map: {_shown(item)} does not contain declared merge key: {merge_key}")


def _shown(item: Any) -> str:
    """A value as Go's ``%v`` prints it."""
    if isinstance(item, Mapping):
        return f"map[{' '.join(f'{key}:{_shown(item[key])}' for key in sorted(item))}]"
    if isinstance(item, list):
        return f"[{' '.join(map(_shown, item))}]"
    if isinstance(item, bool):
        return "true" if item else "false"
    return "<nil>" if item is None else str(item)
