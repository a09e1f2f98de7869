"""JSON as Go reads it: what it makes of odd input, and its words for broken input."""

import json
import re
from typing import Any

MAX_DEPTH = 10_000
"""How deep objects and lists may nest."""


class Number(float):
    """A number with a fraction or an exponent; its text matters to quantities and to error messages."""

    __slots__ = ("text",)

    def __new__(cls, text: str) -> "Number":
        made = super().__new__(cls, text)
        made.text = text
        return made

    text: str


class Repeated(dict[str, Any]):
    """An object with a key more than once; the last one counts."""

    pairs: list[tuple[str, Any]]


def loads(body: bytes) -> Any:
    """Parsed JSON with ``Number`` and ``Repeated`` where they matter; ValueError with Go's wording."""
    try:
        text = body.decode("utf-8", "replace")
        found = _DECODER.decode(text)
    except RecursionError:
        raise ValueError(problem(body.decode("utf-8", "replace"))) from None
    except ValueError:
        raise ValueError(problem(body.decode("utf-8", "replace"))) from None
    return _without_surrogates(found) if b"\\u" in body else found


def dumps(value: Any) -> str:
    """Compact JSON in the order given, as Go writes it."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    # Go's encoder escapes what could break out of HTML.
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def plain(value: Any) -> Any:
    """The value with ordinary floats and dicts only."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, Number):
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
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    repeated = Repeated(found)
    repeated.pairs = pairs
    return repeated


def _refuse(text: str) -> None:
    raise ValueError(text)


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=Number, parse_constant=_refuse)


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return re.sub("[\ud800-\udfff]", "\ufffd", value)
    if isinstance(value, list):
        return [_without_surrogates(v) for v in value]
    if isinstance(value, dict):
        found = {_without_surrogates(k): _without_surrogates(v) for k, v in value.items()}
        if isinstance(value, Repeated):
            return _object([(_without_surrogates(k), _without_surrogates(v)) for k, v in value.pairs])
        return found
    return value


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
        return f"invalid character {text[text.rfind('{')]!r} exceeded max depth"
    return _END


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _wrong(text: str, at: int, where: str) -> None:
    if at >= len(text):
        raise ValueError(_END)
    character = {"'": r"'\''", '"': "'\"'"}.get(text[at]) or repr(text[at])
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
        found = _NUMBER.match(text, at)
        if not found:
            _wrong(text, at + 1, "in numeric literal")
        return found.end() if found else at
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
