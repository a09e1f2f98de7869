"""Patches on a list whose order matters: filters of every kind, and routes."""

from collections.abc import Callable, Sequence

from labkit.mesh.model import Resource
from labkit.mesh.patches.envoyfilters import Patch


def edited(
    items: Sequence[Resource], patch: Patch, is_match: Callable[[Resource], bool], *, names_one: bool
) -> Sequence[Resource]:
    """The list after an ADD, INSERT, REPLACE or REMOVE; ``names_one``: whether the patch names an item of the list.

    An insert that names none goes to the end or the beginning; one whose item is not there does nothing.
    """
    operation, value = patch.operation, patch.value
    if operation == "ADD" or (operation == "INSERT_AFTER" and not names_one):
        return [*items, value]
    if operation == "INSERT_FIRST" or (operation == "INSERT_BEFORE" and not names_one):
        return [value, *items]
    if operation == "REMOVE" and names_one:
        return [item for item in items if not is_match(item)]
    at = next((number for number, item in enumerate(items) if is_match(item)), None)
    if at is None or not names_one:
        return items
    if operation == "INSERT_BEFORE":
        return [*items[:at], value, *items[at:]]
    if operation == "INSERT_AFTER":
        return [*items[: at + 1], value, *items[at + 1 :]]
    if operation == "REPLACE":
        return [*items[:at], value, *items[at + 1 :]]
    return items
