"""The rules that definitions hold in CEL, by the path of what they look at: where they are broken, and the words."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from labkit.kube.resources import Object
from labkit.mesh.validation import durations
from labkit.mesh.validation.findings import Cause

Check = Callable[[Any], str]
"""The message for a value, empty when it is fine."""

Rule = tuple[str, Check]
"""``http[].timeout`` below ``spec``, and its check; ``{}`` is every value of a map."""

DURATION = "must be a valid duration greater than 1ms"
_STEP = re.compile(r"\w+|\[\]|\{\}")


def broken(rules: Sequence[Rule], obj: Object) -> Iterator[Cause]:
    """Every rule that the object breaks."""
    for path, check in rules:
        for field, value in _places(obj.get("spec"), "spec", _STEP.findall(path)):
            if message := check(value):
                yield Cause(f"Invalid value: {_shown(value, message)}", field)


def _places(value: Any, field: str, steps: list[str]) -> Iterator[tuple[str, Any]]:
    if not steps:
        yield field, value
        return
    step, rest = steps[0], steps[1:]
    if step == "[]" and isinstance(value, list):
        for at, item in enumerate(value):
            yield from _places(item, f"{field}[{at}]", rest)
    elif step == "{}" and isinstance(value, dict):
        for key in sorted(value):
            yield from _places(value[key], f"{field}[{key}]", rest)
    elif isinstance(value, dict) and value.get(step) is not None:
        yield from _places(value[step], f"{field}.{step}", rest)


def _shown(value: Any, message: str) -> str:
    """Scalars are shown, the rest is not; what CEL cannot read is shown by its type."""
    if message == DURATION and durations.seconds(value) is None:
        conversion = "type conversion error from 'string' to 'google.protobuf.Duration' evaluating rule"
        return f'"string": {conversion}: {message}'
    if isinstance(value, dict | list):
        return message
    return f"{json.dumps(value, ensure_ascii=False)}: {message}"
