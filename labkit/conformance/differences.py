"""Where recorded facts and ours differ, as lines."""

import json
from collections.abc import Iterator, Set
from typing import Any

from labkit.conformance.envoy import Facts


def differences(recorded: Any, ours: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(path, recorded, ours) of everything that is not the same."""
    if isinstance(recorded, dict) and isinstance(ours, dict):
        for key in sorted(recorded.keys() | ours.keys()):
            yield from differences(recorded.get(key), ours.get(key), f"{path}.{key}")
    elif isinstance(recorded, list) and isinstance(ours, list) and len(recorded) == len(ours):
        for number, (one, other) in enumerate(zip(recorded, ours, strict=True)):
            yield from differences(one, other, f"{path}[{number}]")
    elif recorded != ours:
        yield path, recorded, ours


def changed(before: Facts, after: Facts) -> set[str]:
    """The names of facts that are not what they were."""
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def lines(proxy: str, recorded: Facts, ours: Facts, names: Set[str]) -> Iterator[str]:
    """One line a difference in the named facts, with both values."""
    for name in sorted(names):
        for path, one, other in differences(recorded.get(name), ours.get(name)):
            yield f"{proxy}: {name}{path}\n    Istio {json.dumps(one)}\n    ours  {json.dumps(other)}"
