"""Values that outlive a snapshot, for as long as what they were made of is the same.

A thousand objects of which one changed should cost what that one costs. So nothing here asks a thousand questions in
Python: parts are compared as whole tuples, and lists by ``each``, which makes anew only what is new in them.
"""

import operator
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import compress, count
from typing import Any, TypeVar

Value = TypeVar("Value")


@dataclass(frozen=True)
class _Row:
    """Values of a list, and what they were made of: ``columns`` are as long as ``values``."""

    columns: tuple[Sequence[Any], ...]
    values: list[Any]


class Memo:
    """What one snapshot made, at the service of the next.

    Parts are compared by identity: followers of the API keep an object until it changes.
    """

    def __init__(self, previous: "Memo | None" = None, parts: tuple[object, ...] = ()) -> None:
        self._old = previous._new if previous is not None else {}
        self._new: dict[Hashable, tuple[tuple[object, ...], Any]] = {}
        self._numbers: dict[Hashable, int] = previous._numbers if previous is not None else {}
        self.parts = parts
        """What all in it depends on; see ``within``."""

    def get(self, key: Hashable, parts: tuple[object, ...], make: Callable[[], Value]) -> Value:
        """The value of a key, made anew only when one of its parts is another object than before."""
        entry = self._new.get(key) or self._old.get(key)
        if entry is None or not _same(entry[0], parts):
            entry = parts, make()
        self._new[key] = entry
        return entry[1]

    def alike(self, key: Hashable, content: object, make: Callable[[], Value]) -> Value:
        """The value of a key, made anew only when what it is made of says something else than before."""
        entry = self._new.get(key) or self._old.get(key)
        if entry is None or entry[0] != (content,):
            entry = (content,), make()
        self._new[key] = entry
        return entry[1]

    def settled(self, key: Hashable, items: Sequence[Value]) -> Sequence[Value]:
        """The list of before where it has the very same items: what depends on a list is spared a look at each."""
        entry = self._new.get(("settled", key)) or self._old.get(("settled", key))
        before = entry[1] if entry is not None else None
        if before is not items and (before is None or not _same(before, items)):
            before = items
        self._new["settled", key] = (), before
        return before

    def within(self, key: Hashable, parts: tuple[object, ...]) -> "Memo":
        """A memo for what depends on these parts: the same one while they are the same, else one that follows it."""
        entry = self._new.get(key) or self._old.get(key)
        if entry is None or not _same(entry[0], parts):
            entry = parts, Memo(entry[1] if entry else None, parts)
        self._new[key] = entry
        return entry[1]

    def stage(self, key: Hashable, parts: tuple[object, ...], make: "Callable[[Memo], Value]") -> Value:
        """Like ``get``, for a value of many steps: they are remembered for as long as the value is."""
        inner = self.within(key, parts)
        return inner.get("value", (inner.parts,), lambda: make(inner))

    def each(
        self,
        key: Hashable,
        columns: tuple[Sequence[Any], ...],
        make: Callable[..., Value],
        shared: tuple[object, ...] = (),
    ) -> list[Value]:
        """A value for every item of a list, or of several of the same length; none of them may be changed afterwards.

        ``make(memo, item, ...)`` is asked for items that are new, or for all when one of ``shared`` is; the memo is
        ``within`` those. An item that only moved keeps its value.
        """
        inner = self.within(key, shared)
        before = inner._new.get("row")
        row: _Row | None = before[1] if before is not None else None
        values = _patched(row, columns, lambda *items: make(inner, *items))
        inner._new["row"] = (inner.parts, _Row(columns, values))
        return values

    def number(self, name: Hashable) -> int:
        """A number that stands for a long name in keys, the same from one snapshot to the next."""
        return self._numbers.setdefault(name, len(self._numbers))

    def forget_older(self) -> None:
        """Let go of what the snapshot before had and this one did not ask for."""
        self._old = {}


def _same(one: Sequence[object], other: Sequence[object]) -> bool:
    # Not by all(): a generator for each object at each change is most of what a thousand objects cost.
    return len(one) == len(other) and not any(map(operator.is_not, one, other))


def _patched(before: _Row | None, columns: tuple[Sequence[Any], ...], make: Callable[..., Any]) -> list[Any]:
    if before is None:
        return list(map(make, *columns))
    if len(columns[0]) != len(before.values):
        return _moved(before, columns, make)
    changed: set[int] = set()
    for one, other in zip(before.columns, columns, strict=True):
        if one is not other:
            changed.update(compress(count(), map(operator.is_not, one, other)))
    if len(changed) > 1:
        return _moved(before, columns, make)
    values = list(before.values) if changed else before.values
    for at in changed:
        values[at] = make(*(column[at] for column in columns))
    return values


def _moved(before: _Row, columns: tuple[Sequence[Any], ...], make: Callable[..., Any]) -> list[Any]:
    # The row holds its items, so that no other object can have the identity of one of them.
    by_identity = dict(zip(_identities(before.columns), before.values, strict=True))
    nothing = object()
    values = [by_identity.get(key, nothing) for key in _identities(columns)]
    return [make(*(column[at] for column in columns)) if value is nothing else value for at, value in enumerate(values)]


def _identities(columns: tuple[Sequence[Any], ...]) -> list[tuple[int, ...]]:
    return list(zip(*(map(id, column) for column in columns), strict=True))
