"""YAML as the server reads it, with Go's words for what is broken or repeated, and as it writes it."""

import binascii
import re
from typing import Any, ClassVar

import yaml

from labkit.sandbox.apiserver.objects import gojson, refusals

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
_PLAIN += [
    ("tag:yaml.org,2002:float", r"^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$", list("-+.")),
    ("tag:yaml.org,2002:merge", r"^<<$", ["<"]),
]
for _tag, _pattern, _first in _PLAIN:
    _Loader.add_implicit_resolver(_tag, re.compile(_pattern), _first)


_BAD_BYTES = {
    "invalid start byte": "invalid leading UTF-8 octet",
    "invalid continuation byte": "invalid trailing UTF-8 octet",
    "unexpected end of data": "incomplete UTF-8 octet sequence",
}
_PROBLEMS = (
    ("exceeded maximum nesting depth", "exceeded max depth of 10000"),
    ("control characters are not allowed", "control characters are not allowed"),
)


def differs(body: bytes) -> bool:
    """Whether JSON says another thing when it is read as YAML: escaped halves of surrogates, bytes in no UTF-8."""
    if re.search(rb"\\u[dD][89a-fA-F]", body):
        return True
    try:
        body.decode()
    except UnicodeDecodeError:
        return True
    return False


def loads(body: bytes) -> tuple[Any, list[str]]:
    """The first document as JSON, and repeated keys as ``line 2: key "a" already set in map``."""
    try:
        node = next(iter(yaml.compose_all(body.decode(), Loader=_Loader)), None)
    except UnicodeDecodeError as e:
        raise ValueError(f"yaml: {_BAD_BYTES.get(e.reason, e.reason)}") from e
    except yaml.MarkedYAMLError as e:
        raise ValueError(_problem(e)) from e
    except RecursionError as e:
        raise ValueError("yaml: exceeded max depth of 10000") from e
    except (yaml.YAMLError, ValueError) as e:
        raise ValueError(f"yaml: {_shorter(str(e))}") from e
    if node is None:
        return None, []
    reader = _Reader()
    try:
        return reader.read(node), reader.repeated
    except RecursionError as e:
        raise ValueError("yaml: exceeded max depth of 10000") from e


def _problem(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    line = mark.line if mark else 0
    if line and isinstance(error, yaml.scanner.ScannerError):
        line += 1
    return f"yaml: {f'line {line}: ' if line else ''}{_shorter(str(error.problem or error.context))}"


def _shorter(problem: str) -> str:
    """A problem in the words of Go's library."""
    return next((words for part, words in _PROBLEMS if part in problem), problem)


class _Reader:
    """Turns one document into JSON; a document that is mostly aliases is refused, as Go's library refuses it."""

    def __init__(self) -> None:
        self.repeated: list[str] = []
        self._seen: set[int] = set()
        self._nodes = self._aliased = self._depth = 0

    def read(self, node: yaml.Node) -> Any:
        again = id(node) in self._seen and not isinstance(node, yaml.ScalarNode)
        self._seen.add(id(node))
        self._depth += again
        self._nodes += 1
        self._aliased += self._depth > 0
        # gopkg.in/yaml.v2 decode.go: of many nodes only a part may stand behind aliases.
        if self._aliased > 100 and self._nodes > 1000 and self._aliased / self._nodes > _allowed(self._nodes):
            raise ValueError("yaml: document contains excessive aliasing")
        try:
            if isinstance(node, yaml.SequenceNode):
                return [self.read(item) for item in node.value]
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node)
            return _scalar(node.tag.rpartition(":")[2], str(node.value))
        finally:
            self._depth -= again

    def _mapping(self, node: yaml.MappingNode) -> dict[str, Any]:
        members: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag.endswith(":merge"):
                members |= self._merged(value_node)
                continue
            key, value = self.read(key_node), self.read(value_node)
            name = _name(key, value)
            if name in members:
                self.repeated.append(f'line {key_node.start_mark.line + 1}: key "{name}" already set in map')
            members[name] = value
        return members

    def _merged(self, node: yaml.Node) -> dict[str, Any]:
        """What ``<<`` adds: a mapping, or several of which the first counts most."""
        merged: dict[str, Any] = {}
        several = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for one in reversed(several):
            value = self.read(one)
            if not isinstance(value, dict):
                raise ValueError("yaml: map merge requires map or sequence of maps as the value")
            merged |= value
        return merged


def _allowed(nodes: int) -> float:
    if nodes <= 400_000:
        return 0.99
    return 0.10 if nodes >= 4_000_000 else 0.99 - 0.89 * (nodes - 400_000) / 3_600_000


def _name(key: Any, value: Any) -> str:
    """The key of a mapping as JSON has it; ValueError for what cannot be one."""
    if isinstance(key, str):
        return key
    if isinstance(key, (bool, int, float)):
        return gojson.dumps(key)
    if key is None:
        shown = refusals.quoted(value) if isinstance(value, str) else value
        raise ValueError(f"unsupported map key of type: %!s(<nil>), key: <nil>, value: {shown}")
    if isinstance(key, dict):
        members = ", ".join(f"{gojson.dumps(k)}:{gojson.dumps(v)}" for k, v in key.items())
        raise ValueError(f"yaml: invalid map key: map[interface {{}}]interface {{}}{{{members}}}")
    items = ", ".join(gojson.dumps(item) for item in key)
    raise ValueError(f"yaml: invalid map key: []interface {{}}{{{items}}}")


def _scalar(tag: str, text: str) -> Any:
    if tag == "null":
        return None
    if tag == "bool":
        return text.lower() in ("y", "yes", "true", "on")
    bare = text.replace("_", "")
    if tag == "int" and (number := _integer(bare)) is not None:
        return number
    if tag in ("int", "float"):
        return _float(bare.lower().replace(".inf", "inf").replace(".nan", "nan"), text)
    return _binary(text) if tag == "binary" else text


def _integer(bare: str) -> int | None:
    octal = re.match(r"^([-+]?)0o?([0-7]+)$", bare)
    try:
        return int(octal[1] + octal[2], 8) if octal else int(bare, 0)
    except ValueError:
        return None


def _float(bare: str, text: str) -> Any:
    try:
        number = float(bare)
    except ValueError:
        return text
    if number in (float("inf"), float("-inf")) or number != number:
        if not bare.strip("+-").isalpha():
            # A number that is too large stays a text.
            return text
        raise ValueError(f"json: unsupported value: {'NaN' if number != number else '+Inf' if number > 0 else '-Inf'}")
    return int(number) if number.is_integer() and abs(number) < 1e15 else number


def _binary(text: str) -> str:
    try:
        return binascii.a2b_base64(re.sub(r"\s", "", text), strict_mode=True).decode("utf-8", "replace")
    except ValueError as e:
        raise ValueError("yaml: !!binary value contains invalid base64 data") from e


_WRITER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_WRITER):  # type: ignore[misc]
    """Writes as Go's library does: what would be read as no text is in double quotes, lines stay lines."""

    yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers

    def ignore_aliases(self, data: Any) -> bool:
        """The same list twice is written twice."""
        return True


def _text(dumper: Any, value: str) -> Any:
    is_other = dumper.resolve(yaml.ScalarNode, value, (True, False)) != "tag:yaml.org,2002:str"
    style = "|" if "\n" in value else '"' if is_other else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def dumps(value: Any) -> str:
    """A JSON value as YAML, keys in order."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=True, default_flow_style=False, allow_unicode=True)
    return text
