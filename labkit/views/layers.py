"""Places for the boxes of a graph: callers to the left of those they call, and no box moves without a reason. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Pairs = Iterable[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Box:
    """What a box needs to be placed."""

    name: str
    group: str
    """Boxes of one group stand together, one below the other: the versions of a service."""

    column: int | None = None
    """Where it stands while nobody calls anybody; None where nothing is known."""


def columns(boxes: Sequence[Box], pairs: Pairs, previous: Mapping[str, int]) -> dict[str, int]:
    """A column for each group: behind its callers, and where it was before if that is still right."""
    group_of = {box.name: box.group for box in boxes}
    calls = {(group_of[a], group_of[b]) for a, b in pairs if a in group_of and b in group_of} - {("", "")}
    forward = _without_cycles(sorted((a, b) for a, b in calls if a != b))
    hints = {box.group: box.column for box in boxes if box.column is not None}
    depth = {group: previous.get(group, hints.get(group, 0)) for group in dict.fromkeys(group_of.values())}
    for _ in depth:
        late = {b: depth[a] + 1 for a, b in forward if depth[b] <= depth[a]}
        if not late:
            break
        depth |= late
    return depth


def _without_cycles(calls: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The calls less those that close a circle."""
    kept: list[tuple[str, str]] = []
    for caller, called in calls:
        if not _reaches(called, caller, kept):
            kept.append((caller, called))
    return kept


def _reaches(start: str, goal: str, calls: Sequence[tuple[str, str]]) -> bool:
    seen, waiting = {start}, [start]
    while waiting:
        at = waiting.pop()
        if at == goal:
            return True
        following = {called for caller, called in calls if caller == at} - seen
        seen |= following
        waiting += following
    return False


def rows(boxes: Sequence[Box], column_of: Mapping[str, int], previous: Mapping[str, int]) -> dict[str, int]:
    """A row for each box within its column: groups together, by name; a box keeps the order it had."""
    places: dict[str, int] = {}
    for column in sorted(set(column_of.values())):
        own = [box for box in boxes if column_of[box.group] == column]
        order = {box.group: min(previous.get(b.name, 10_000) for b in own if b.group == box.group) for box in own}
        own.sort(key=lambda box: (order[box.group], box.group, box.name))
        places |= {box.name: row for row, box in enumerate(own)}
    return places
