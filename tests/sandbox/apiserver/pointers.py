"""JSON pointers, with ``[name=x]`` for the list item that has a field, and ``*`` and ``**`` to remove with."""

from typing import Any

ABSENT = object()


def parts(pointer: str) -> list[str]:
    """``/a~1b/c`` → ``["a/b", "c"]``."""
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def value_at(document: Any, pointer: str) -> Any:
    """The value that a pointer names, or ABSENT."""
    for part in parts(pointer):
        document = _child(document, part)
    return document


def _child(value: Any, part: str) -> Any:
    if isinstance(value, dict):
        return value.get(part, ABSENT)
    if not isinstance(value, list):
        return ABSENT
    if part.startswith("["):
        field, _, text = part[1:-1].partition("=")
        return next((item for item in value if value_at(item, f"/{field.replace('.', '/')}") == text), ABSENT)
    return value[int(part)] if part.isdigit() and int(part) < len(value) else ABSENT


def remove(document: Any, path: list[str]) -> None:
    """Take out what a path names: ``*`` is every key or item, ``**`` any depth."""
    head, rest = path[0], path[1:]
    children = _children(document)
    if head == "**":
        remove(document, rest)
        for child in children.values():
            remove(child, path)
        return
    for key in [key for key in children if head in ("*", str(key))]:
        if rest:
            remove(children[key], rest)
        elif isinstance(document, dict):
            del document[key]


def _children(document: Any) -> dict[Any, Any]:
    if isinstance(document, dict):
        return dict(document)
    return dict(enumerate(document)) if isinstance(document, list) else {}


def contains(whole: Any, part: Any) -> bool:
    """Whether every key and item of ``part`` is in ``whole``; ``None`` is an absent key, ``{"#": n}`` a list of n."""
    if isinstance(part, dict) and isinstance(whole, list):
        return part.get("#") == len(whole)
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(
            key not in whole if value is None else key in whole and contains(whole[key], value)
            for key, value in part.items()
        )
    if isinstance(part, list):
        return isinstance(whole, list) and all(any(contains(other, item) for other in whole) for item in part)
    return bool(part == whole)
