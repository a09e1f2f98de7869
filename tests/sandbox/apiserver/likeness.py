"""Whether a reply is the recorded one: everything alike, but for values that no two servers share.

Those are placeholders. ``<uid:1>`` is any uid, the same one wherever ``<uid:1>`` stands in a case, and another one than
``<uid:2>``. Versions are numbered by size, so ``<rv:2>`` must be larger than ``<rv:1>``.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

UID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
SECOND = r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}"

SHAPES = {
    "uid": UID,
    "token": r"[\w-]+(?:\.[\w-]+){2}",
    "continue": r"[\w=-]+",
    "time": f"{SECOND}Z",
    "micro": rf"{SECOND}\.\d{{6}}Z",
    "rv": r"[1-9]\d*",
    "gen": "[a-z0-9]{5}",
    "hash": "[a-z0-9]{5,10}",
    "port": r"3[0-2]\d{3}",
    "ip": r"\d+(?:\.\d+){3}|[0-9a-f:]*:[0-9a-f:]*",
    "age": r"(?:\d+[ydhms])+|<unknown>|<invalid>",
    "any": r"(?s:.*)",
}
"""Kind of placeholder → what may stand in its place."""

PLACEHOLDER = re.compile(rf"<({'|'.join(SHAPES)})(?::(\d+))?>")
ABSENT = object()
LONGEST = 300
"""Characters of a value in a line of difference."""


@dataclass
class Values:
    """What the numbered placeholders of a case stand for, as far as it has been read."""

    by_kind: dict[str, dict[int, str]] = field(default_factory=dict)

    def copy(self) -> "Values":
        """The same values, to try something out."""
        return Values({kind: dict(values) for kind, values in self.by_kind.items()})

    def take(self, kind: str, number: int, value: str) -> bool:
        """Bind a placeholder; False where that contradicts what others stand for."""
        values = self.by_kind.setdefault(kind, {})
        for other, bound in values.items():
            if (other == number) != (bound == value):
                return False
            if kind == "rv" and (other < number) != (int(bound) < int(value)):
                return False
        values[number] = value
        return True


def is_like(text: str, seen: Any, values: Values) -> bool:
    """Whether a value has the form of a text with placeholders."""
    if type(seen) is int and PLACEHOLDER.fullmatch(text):
        seen = str(seen)
    if not isinstance(seen, str):
        return False
    places = list(PLACEHOLDER.finditer(text))
    starts, ends = [0, *(p.end() for p in places)], [*(p.start() for p in places), len(text)]
    between = [re.escape(text[a:b]) for a, b in zip(starts, ends, strict=True)]
    pattern = between[0] + "".join(f"({SHAPES[p[1]]}){rest}" for p, rest in zip(places, between[1:], strict=True))
    match = re.fullmatch(pattern, seen)
    if match is None:
        return False
    numbered = [(p, value) for p, value in zip(places, match.groups(), strict=True) if p[2]]
    return all(values.take(p[1], int(p[2]), value) for p, value in numbered)


def differences(recorded: Any, seen: Any, values: Values, *, sets: Sequence[str] = (), path: str = "") -> Iterator[str]:
    """One line a difference. ``sets``: pointers of lists whose order means nothing (``*``: any key)."""
    if isinstance(recorded, dict) and isinstance(seen, dict):
        for key in sorted(recorded.keys() | seen.keys()):
            one, other = recorded.get(key, ABSENT), seen.get(key, ABSENT)
            yield from differences(one, other, values, sets=sets, path=f"{path}/{key.replace('/', '~1')}")
    elif isinstance(recorded, list) and isinstance(seen, list):
        yield from _of_lists(recorded, seen, values, sets=sets, path=path)
    elif isinstance(recorded, str) and PLACEHOLDER.search(recorded):
        if not is_like(recorded, seen, values):
            yield _line(path, recorded, seen)
    elif type(recorded) is not type(seen) or recorded != seen:
        yield _line(path, recorded, seen)


def _of_lists(recorded: list[Any], seen: list[Any], values: Values, *, sets: Sequence[str], path: str) -> Iterator[str]:
    if len(recorded) != len(seen):
        yield f"{path}: {len(recorded)} items recorded, {len(seen)} seen"
    if not any(re.fullmatch(pointer.replace("*", "[^/]+"), path or "/") for pointer in sets):
        for number, (one, other) in enumerate(zip(recorded, seen, strict=False)):
            yield from differences(one, other, values, sets=sets, path=f"{path}/{number}")
        return
    left = list(seen)
    for item in recorded:
        fitting = next((n for n, other in enumerate(left) if _fits(item, other, values, sets, path)), None)
        if fitting is None:
            yield _line(path, item, left)
        else:
            del left[fitting]


def _fits(item: Any, other: Any, values: Values, sets: Sequence[str], path: str) -> bool:
    trial = values.copy()
    if any(differences(item, other, trial, sets=sets, path=f"{path}/*")):
        return False
    values.by_kind = trial.by_kind
    return True


def _line(path: str, recorded: Any, seen: Any) -> str:
    one, other = ("nothing" if v is ABSENT else json.dumps(v)[:LONGEST] for v in (recorded, seen))
    return f"{path}: recorded {one}, seen {other}"
