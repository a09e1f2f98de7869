"""Values that outlive a snapshot, for as long as what they were made of is the same."""

import operator
from collections.abc import Callable, Hashable
from typing import TypeVar

Value = TypeVar("Value")


class Memo:
    """What one snapshot made, at the service of the next: one changed object costs its own work only.

    Parts are compared by identity: followers of the API keep an object until it changes.
    """

    def __init__(self, previous: "Memo | None" = None) -> None:
        self._old = previous._new if previous is not None else {}
        self._new: dict[Hashable, tuple[tuple[object, ...], object]] = {}
        self._numbers: dict[Hashable, int] = previous._numbers if previous is not None else {}

    def get(self, key: Hashable, parts: tuple[object, ...], make: Callable[[], Value]) -> Value:
        """The value of a key, made anew only when one of its parts is another object than before."""
        found = self._new.get(key) or self._old.get(key)
        if found is None or not _same(found[0], parts):
            found = parts, make()
        self._new[key] = found
        return found[1]  # type: ignore[return-value]

    def number(self, name: Hashable) -> int:
        """A number that stands for a long name in keys, the same from one snapshot to the next."""
        return self._numbers.setdefault(name, len(self._numbers))

    def forget_older(self) -> None:
        """Let go of what the snapshot before had and this one did not ask for."""
        self._old = {}


def _same(one: tuple[object, ...], other: tuple[object, ...]) -> bool:
    # Not by all(): a generator for each object at each change is most of what a thousand objects cost.
    return len(one) == len(other) and not any(map(operator.is_not, one, other))
