"""Sets of field paths, as managedFields keep them.

A path is a tuple of elements as ``fieldsV1`` spells them: ``("f:spec", "f:ports", 'k:{"port":80}')``.
"""

import json
from collections.abc import Iterable, Mapping, Set
from typing import Any

Path = tuple[str, ...]
Paths = set[Path]

META = ("name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation")
STRIPPED: frozenset[Path] = frozenset(
    [("f:apiVersion",), ("f:kind",), ("f:metadata",)]
    + [("f:metadata", f"f:{name}") for name in (*META, "managedFields", "resourceVersion")]
)
"""Fields that nobody owns."""

_KINDS = {"f:": object, "k:": dict, "v:": object, "i:": int}
"""How elements of a path begin, and what the rest of each is as JSON; a field's name is none."""


def field(name: str) -> str:
    """The element of a field or of a map's key."""
    return f"f:{name}"


def keyed(keys: Mapping[str, Any]) -> str:
    """The element of a list's item that is known by keys."""
    return "k:" + _compact({key: keys[key] for key in sorted(keys)})


def valued(value: Any) -> str:
    """The element of a set's item."""
    return "v:" + _compact(value)


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def parse(fields: Any) -> Paths:
    """Paths from ``fieldsV1``; ValueError for anything else."""
    paths: Paths = set()
    _parse(fields, (), paths)
    return paths


def _parse(fields: Any, prefix: Path, paths: Paths) -> None:
    if not isinstance(fields, dict):
        raise ValueError("fieldsV1 must be an object")
    for element, below in fields.items():
        if element == ".":
            paths.add(prefix)
            continue
        _check(element)
        path = (*prefix, element)
        if below:
            _parse(below, path, paths)
        else:
            paths.add(path)


def _check(element: str) -> None:
    """ValueError for what is no field name, key, value or index."""
    kind, text = element[:2], element[2:]
    if kind not in _KINDS or not (kind == "f:" or isinstance(json.loads(text), _KINDS[kind])):
        raise ValueError(f"not a path element: {element}")


def fields_v1(paths: Set[Path]) -> dict[str, Any]:
    """``fieldsV1`` for paths, sorted."""
    root: dict[str, Any] = {}
    for path in sorted(paths):
        node = root
        for depth, element in enumerate(path, 1):
            below = node.get(element)
            if below is None:
                below = node[element] = {}
            elif not below and depth < len(path) and path[:depth] in paths:
                below["."] = {}
            node = below
    return root


def without_below(paths: Iterable[Path], roots: Iterable[Path]) -> Paths:
    """The paths that are neither among ``roots`` nor below one."""
    gone = tuple(roots)
    return {path for path in paths if not any(path[: len(root)] == root for root in gone)}


def leaves(paths: Paths) -> list[Path]:
    """The paths nothing else in the set is below of; at each level those that end there come first."""
    inner = {path[:depth] for path in paths for depth in range(1, len(path))}
    return sorted((path for path in paths if path not in inner), key=_level_by_level)


def _level_by_level(path: Path) -> list[tuple[bool, str]]:
    return [(depth < len(path), element) for depth, element in enumerate(path, 1)]


def shown(path: Path) -> str:
    """``.spec.ports[port=80,protocol="TCP"].name``."""
    return "".join(map(_shown, path))


def _shown(element: str) -> str:
    kind, text = element[:1], element[2:]
    if kind == "f":
        return f".{text}"
    if kind == "k":
        return f"[{','.join(f'{key}={_compact(value)}' for key, value in json.loads(text).items())}]"
    return f"[={text}]" if kind == "v" else f"[{text}]"
