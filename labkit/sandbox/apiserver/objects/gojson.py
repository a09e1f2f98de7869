"""JSON as Go reads it: what it makes of odd input, and its words for broken input."""

import json
import math
import re
from typing import Any

from labkit.sandbox.apiserver.objects import refusals

MAX_DEPTH = 10_000
"""How deep objects and lists may nest."""


class Number(float):
    """A number with a fraction or an exponent; its text matters to quantities and to error messages."""

    __slots__ = ("text",)

    def __new__(cls, text: str) -> "Number":
        number = super().__new__(cls, text)
        number.text = text
        return number

    text: str


class Repeated(dict[str, Any]):
    """An object with a key more than once; the last one counts."""

    pairs: list[tuple[str, Any]]


def loads(body: bytes) -> Any:
    """Parsed JSON with ``Number`` and ``Repeated`` where they matter; ValueError with Go's wording."""
    try:
        value = _DECODER.decode(body.decode("utf-8", "replace"))
    except RecursionError:
        raise ValueError(f"invalid character {_innermost(body)!r} exceeded max depth") from None
    except ValueError:
        # Go looks at bytes: what is no ASCII is shown as the first byte of its character.
        raise ValueError(problem(body.decode("latin-1"))) from None
    return valid(value) if b"\\u" in body else value


def overflow(value: Any) -> str:
    """The text of a number in parsed JSON that no float holds, or nothing."""
    if isinstance(value, dict):
        return next(filter(None, map(overflow, value.values())), "")
    if isinstance(value, list):
        return next(filter(None, map(overflow, value)), "")
    return value.text if isinstance(value, Number) and math.isinf(value) else ""


def dumps(value: Any) -> str:
    """Compact JSON in the order given, as Go writes it."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    # Go's encoder escapes what could break out of HTML.
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def plain(value: Any) -> Any:
    """The value with ordinary floats and dicts only; an integer that no int64 holds is a float, as in Go."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, Number) or (type(value) is int and not -(2**63) <= value < 2**63):
        return float(value)
    return value


def kind_of(value: Any) -> str:
    """Go's word for a JSON value: ``object``, ``array``, ``string``, ``number``, ``bool``, ``null``."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, dict):
        return "object"
    return "array" if isinstance(value, list) else "null"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    repeated = Repeated(members)
    repeated.pairs = pairs
    return repeated


def _refuse(text: str) -> None:
    raise ValueError(text)


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=Number, parse_constant=_refuse)


def valid(value: Any) -> Any:
    """The value with U+FFFD for what is no character: half of a surrogate pair, a byte of a header in no UTF-8."""
    if isinstance(value, str):
        return re.sub("[\ud800-\udfff]", "\ufffd", value)
    if isinstance(value, list):
        return [valid(v) for v in value]
    if isinstance(value, Repeated):
        return _object([(valid(k), valid(v)) for k, v in value.pairs])
    if isinstance(value, dict):
        return {valid(k): valid(v) for k, v in value.items()}
    return value


def _innermost(body: bytes) -> str:
    """The first bracket of JSON that opens deeper than a server reads; the deepest one where Python gave up before."""
    depth = deepest = 0
    bracket = "{"
    for token in re.finditer(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', body):
        if token[0] in (b"{", b"["):
            depth += 1
            if depth > deepest:
                deepest, bracket = depth, token[0].decode()
            if depth > MAX_DEPTH:
                break
        elif token[0] in (b"}", b"]"):
            depth -= 1
    return bracket


_END = "unexpected end of JSON input"
_LITERALS = ("true", "false", "null")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")


def problem(text: str) -> str:
    """What Go says about broken JSON: ``invalid character 'n' looking for beginning of value``."""
    try:
        end = _value(text, _skip(text, 0), 0)
        rest = _skip(text, end)
        if rest < len(text):
            _wrong(text, rest, "after top-level value")
    except ValueError as e:
        return str(e)
    except RecursionError:
        return f"invalid character {_innermost(text.encode('latin-1', 'replace'))!r} exceeded max depth"
    return _END


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _wrong(text: str, at: int, where: str) -> None:
    if at >= len(text):
        raise ValueError(_END)
    character = {"'": r"'\''", '"': "'\"'"}.get(text[at]) or f"'{refusals.quoted(text[at])[1:-1]}'"
    raise ValueError(f"invalid character {character} {where}")


def _value(text: str, at: int, depth: int) -> int:
    if at >= len(text):
        raise ValueError(_END)
    first = text[at]
    if first in "{[" and depth >= MAX_DEPTH:
        _wrong(text, at, "exceeded max depth")
    if first == "{":
        return _members(text, at, depth)
    if first == "[":
        return _elements(text, at, depth)
    if first == '"':
        return _string(text, at)
    if first == "-" or first.isdigit():
        number = _NUMBER.match(text, at)
        if not number:
            _wrong(text, at + 1, "in numeric literal")
        return number.end() if number else at
    for literal in _LITERALS:
        if first == literal[0]:
            for offset, expected in enumerate(literal):
                if text[at + offset : at + offset + 1] != expected:
                    _wrong(text, at + offset, f"in literal {literal} (expecting {expected!r})")
            return at + len(literal)
    _wrong(text, at, "looking for beginning of value")
    return at


def _string(text: str, at: int) -> int:
    at += 1
    while at < len(text):
        if text[at] == '"':
            return at + 1
        if text[at] < " ":
            _wrong(text, at, "in string literal")
        if text[at] == "\\":
            at += 1
            if at < len(text) and text[at] not in '"\\/bfnrtu':
                _wrong(text, at, "in string escape code")
        at += 1
    raise ValueError(_END)


def _members(text: str, at: int, depth: int) -> int:
    at = _skip(text, at + 1)
    if text[at : at + 1] == "}":
        return at + 1
    while True:
        if text[at : at + 1] != '"':
            _wrong(text, at, "looking for beginning of object key string")
        at = _skip(text, _string(text, at))
        if text[at : at + 1] != ":":
            _wrong(text, at, "after object key")
        at = _skip(text, _value(text, _skip(text, at + 1), depth + 1))
        if text[at : at + 1] == "}":
            return at + 1
        if text[at : at + 1] != ",":
            _wrong(text, at, "after object key:value pair")
        at = _skip(text, at + 1)


def _elements(text: str, at: int, depth: int) -> int:
    at = _skip(text, at + 1)
    if text[at : at + 1] == "]":
        return at + 1
    while True:
        at = _skip(text, _value(text, at, depth + 1))
        if text[at : at + 1] == "]":
            return at + 1
        if text[at : at + 1] != ",":
            _wrong(text, at, "after array element")
        at = _skip(text, at + 1)
