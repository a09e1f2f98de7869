"""YAML as the server reads it: turned into JSON, with Go's words for what is broken or repeated."""

import re
from typing import Any, ClassVar

import yaml

_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_BASE):  # type: ignore[misc]
    """Resolves plain scalars as Go's library does: no dates, no base 60, exponents without a dot."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}


_PLAIN = [
    ("tag:yaml.org,2002:null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    (
        "tag:yaml.org,2002:bool",
        r"^(?:y|Y|yes|Yes|YES|n|N|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$",
        list("yYnNtTfFoO"),
    ),
    (
        "tag:yaml.org,2002:int",
        r"^[-+]?(?:0b[0-1_]+|0o?[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+)$",
        list("-+0123456789"),
    ),
    (
        "tag:yaml.org,2002:float",
        r"^[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9]+|[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?$",
        list("-+.0123456789"),
    ),
]
for _tag, _pattern, _first in _PLAIN:
    _Loader.add_implicit_resolver(_tag, re.compile(_pattern), _first)


def loads(text: str) -> tuple[Any, list[str]]:
    """The first document as JSON, and repeated keys as ``line 2: key "a" already set in map``."""
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as e:
        raise ValueError(_problem(e)) from e
    except yaml.YAMLError as e:
        raise ValueError(f"yaml: {e}") from e
    repeated: list[str] = []
    return (None if node is None else _json(node, repeated)), repeated


def _problem(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    line = mark.line if mark else 0
    if line and isinstance(error, yaml.scanner.ScannerError):
        line += 1
    return f"yaml: {f'line {line}: ' if line else ''}{error.problem or error.context}"


def _json(node: yaml.Node, repeated: list[str]) -> Any:
    if isinstance(node, yaml.SequenceNode):
        return [_json(item, repeated) for item in node.value]
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else str(key_node.value)
            if key in found:
                repeated.append(f'line {key_node.start_mark.line + 1}: key "{key}" already set in map')
            found[key] = _json(value_node, repeated)
        return found
    return _scalar(node.tag.rpartition(":")[2], str(node.value))


def _scalar(tag: str, text: str) -> Any:
    if tag == "null":
        return None
    if tag == "bool":
        return text.lower() in ("y", "yes", "true", "on")
    bare = text.replace("_", "")
    if tag == "int":
        octal = re.match(r"^([-+]?)0o?([0-7]+)$", bare)
        return int(octal[1] + octal[2], 8) if octal else int(bare, 0)
    if tag == "float":
        number = float(bare)
        return int(number) if number.is_integer() and abs(number) < 1e15 else number
    return text
