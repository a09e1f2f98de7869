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


def rows(
    boxes: Sequence[Box], column_of: Mapping[str, int], previous: Mapping[str, int], pairs: Pairs = ()
) -> dict[str, int]:
    """A row for each box within its column: groups together, by name; a box keeps the order it had.

    Boxes go beside their callers instead where fewer lines cross then.
    """
    places: dict[str, int] = {}
    heights: dict[str, float] = {}
    calls = sorted(set(pairs))
    for column in sorted(set(column_of.values())):
        own = [box for box in boxes if column_of[box.group] == column]
        names = {box.name for box in own}
        coming = [(heights[a], b) for a, b in calls if b in names and a in heights]
        kept = _ordered(own, {box.name: float(previous.get(box.name, 10_000)) for box in own}, least=True)
        near = _ordered(kept, _means(coming))
        order = near if _crossings(coming, near) < _crossings(coming, kept) else kept
        places |= {box.name: row for row, box in enumerate(order)}
        heights |= {box.name: row - (len(order) - 1) / 2 for row, box in enumerate(order)}
    return places


def _ordered(boxes: Sequence[Box], wish: Mapping[str, float], *, least: bool = False) -> list[Box]:
    """Groups by the least or the mean wish of their boxes; within a group by name."""
    of_group: dict[str, list[float]] = {}
    for box in boxes:
        of_group.setdefault(box.group, []).extend([wish[box.name]] if box.name in wish else [])
    place = {group: (min(own) if least else sum(own) / len(own)) if own else 0.0 for group, own in of_group.items()}
    if least:
        return sorted(boxes, key=lambda box: (place[box.group], box.group, box.name))
    return sorted(boxes, key=lambda box: place[box.group])


def _means(coming: Sequence[tuple[float, str]]) -> dict[str, float]:
    """The mean height of each box's callers."""
    of_box: dict[str, list[float]] = {}
    for height, name in coming:
        of_box.setdefault(name, []).append(height)
    return {name: sum(heights) / len(heights) for name, heights in of_box.items()}


def _crossings(coming: Sequence[tuple[float, str]], order: Sequence[Box]) -> int:
    at = {box.name: row for row, box in enumerate(order)}
    lines = [(height, at[name]) for height, name in coming]
    return sum((a - c) * (b - d) < 0 for n, (a, b) in enumerate(lines) for c, d in lines[:n])
