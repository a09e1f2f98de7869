"""JSON patch (RFC 6902), with the few liberties that the server's library takes."""

from collections.abc import Mapping, Sequence
from typing import Any

from labkit.kube import status
from labkit.sandbox.apiserver.objects import gojson, refusals

MAX_OPERATIONS = 10_000
"""A real server refuses longer patches."""

REJECTED = "the server rejected our request due to an error in our request"
_OPERATION = "handlers.jsonPatchOp"


def parse(body: bytes, *, checked: bool = True) -> list[dict[str, Any]]:
    """The operations; StatusError 400 for anything else, in other words where nobody asked for unknown fields."""
    try:
        operations = gojson.loads(body)
    except ValueError as e:
        raise refusals.bad_request(f"error decoding patch: {e}") from e
    if operations is None:
        return []
    if not isinstance(operations, list):
        if not checked:
            seen = gojson.kind_of(operations)
            raise refusals.bad_request(f"json: cannot unmarshal {seen} into Go value of type jsonpatch.Patch")
        raise _unreadable(f"{gojson.kind_of(operations)} into Go value of type []{_OPERATION}")
    operations = [{} if operation is None else operation for operation in operations]
    for operation in operations:
        if not isinstance(operation, dict):
            raise _unreadable(f"{gojson.kind_of(operation)} into Go value of type {_OPERATION}")
        for key in ("op", "path", "from"):
            if operation.get(key) is not None and not isinstance(operation[key], str):
                seen = gojson.kind_of(operation[key])
                raise _unreadable(f"{seen} into Go struct field {_OPERATION.rpartition('.')[2]}.{key} of type string")
    if len(operations) > MAX_OPERATIONS:
        problem = f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(operations)}"
        raise refusals.refusal(413, "RequestEntityTooLarge", f"Request entity too large: {problem}")
    return operations


def _unreadable(problem: str) -> status.StatusError:
    return refusals.bad_request(f"error decoding patch: json: cannot unmarshal {problem}")


FIELDS = ("op", "path", "from", "value")


def unknown(operations: Sequence[Mapping[str, Any]]) -> list[str]:
    """What operations say beyond their fields."""
    places = ((at, key) for at, operation in enumerate(operations) for key in operation if key not in FIELDS)
    return [f'json patch unknown field "[{at}].{key}"' for at, key in places]


def touched(body: bytes) -> dict[str, Any]:
    """The paths a patch goes through, as nested objects: ``{"metadata": {"labels": {}}}``."""
    paths: dict[str, Any] = {}
    for operation in parse(body):
        for pointer in (operation.get("path"), operation.get("from")):
            at = paths
            for word in _words(pointer or "")[:-1]:
                at = at.setdefault(word, {})
    return paths


def applied(live: Any, operations: Sequence[Mapping[str, Any]]) -> Any:
    """A new value after all operations; 422 without a cause when one cannot be carried out."""
    result = _copied(live)
    for operation in operations:
        try:
            result = _apply(result, operation)
        except (KeyError, IndexError, ValueError, TypeError, AttributeError) as e:
            raise _rejected() from e
    return result


def _rejected() -> status.StatusError:
    return refusals.refusal(422, "Invalid", REJECTED, {})


def _apply(root: Any, operation: Mapping[str, Any]) -> Any:
    name, path = operation.get("op"), _words(_text(operation, "path"))
    if name in ("add", "replace"):
        return _put(root, path, gojson.plain(operation.get("value")), insert=name == "add")
    if name == "remove":
        _removed(root, path)
    elif name == "test":
        if _at(root, path, missing=None) != gojson.plain(operation.get("value")):
            raise ValueError("test failed")
    elif name == "move":
        return _put(root, path, _removed(root, _words(_text(operation, "from"))), insert=True)
    elif name == "copy":
        return _put(root, path, _copied(_at(root, _words(_text(operation, "from")))), insert=True)
    else:
        raise ValueError(f"unexpected kind: {name}")
    return root


def _text(operation: Mapping[str, Any], key: str) -> str:
    value = operation.get(key)
    if not isinstance(value, str) or (value and not value.startswith("/")):
        raise ValueError(key)
    return value


def _words(pointer: str) -> list[str]:
    return [word.replace("~1", "/").replace("~0", "~") for word in pointer.split("/")[1:]]


_REQUIRED = object()


def _at(value: Any, path: Sequence[str], *, missing: Any = _REQUIRED) -> Any:
    for word in path:
        if isinstance(value, list):
            value = value[_index(word, len(value))]
        elif word in value:
            value = value[word]
        elif missing is _REQUIRED or word != path[-1]:
            raise KeyError(word)
        else:
            return missing
    return value


def _put(root: Any, path: Sequence[str], value: Any, *, insert: bool) -> Any:
    """Add or replace; replacing what an object lacks adds it, as the server's library does."""
    if not path:
        return value
    parent, last = _at(root, path[:-1]), path[-1]
    if isinstance(parent, list):
        if insert:
            parent.insert(len(parent) if last == "-" else _index(last, len(parent) + 1), value)
        else:
            parent[_index(last, len(parent))] = value
    elif isinstance(parent, dict):
        parent[last] = value
    else:
        raise TypeError(last)
    return root


def _removed(root: Any, path: Sequence[str]) -> Any:
    parent, last = _at(root, path[:-1]), path[-1]
    if isinstance(parent, list):
        return parent.pop(_index(last, len(parent)))
    return parent.pop(last)


def _index(word: str, size: int) -> int:
    at = int(word)
    if at < 0:
        at += size
    if not 0 <= at < size:
        raise IndexError(word)
    return at


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value
