"""JSONPath as printer columns and selectable fields use it: ``.spec.list[?(@.a=="y")].b``, ``[*]``, ``[0]``."""

import json
import re
from typing import Any

_STEP = re.compile(
    r"""\.(?P<field>(?:\\.|[^.\[\]\\])+) | \['(?P<quoted>[^']*)'\] | \[(?P<index>-?\d+)\] | \[(?P<all>\*)\]
    | \[\?\(\s*@(?P<path>[^=!<>]*?)\s*(?P<op>==|!=)\s*(?P<value>"[^"]*"|'[^']*'|[^)]+?)\s*\)\]""",
    re.X,
)


def matches(path: str, value: Any) -> list[Any]:
    """Every value at a path, in order; none where it leads nowhere."""
    values, at = [value], 0
    while at < len(path):
        step = _STEP.match(path, at)
        if not step:
            return []
        values = [below for one in values for below in _step(step, one)]
        at = step.end()
    return values


def _step(step: re.Match[str], value: Any) -> list[Any]:
    name = step["field"] if step["field"] is not None else step["quoted"]
    if name is not None:
        name = re.sub(r"\\(.)", r"\1", name)
        if name == "*":
            return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
        return [value[name]] if isinstance(value, dict) and name in value else []
    if not isinstance(value, list):
        return []
    if step["index"] is not None:
        place = int(step["index"])
        return [value[place]] if -len(value) <= place < len(value) else []
    if step["all"]:
        return value
    return [one for one in value if _holds(step, one)]


def _holds(step: re.Match[str], value: Any) -> bool:
    literal: Any = step["value"].strip()
    if literal[:1] in "\"'":
        literal = literal[1:-1]
    else:
        try:
            literal = json.loads(literal)
        except ValueError:
            return False
    seen = matches(step["path"], value)
    return bool(seen) and (seen[0] == literal) == (step["op"] == "==")
