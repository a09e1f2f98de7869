"""JSON as Go's ``encoding/json`` reads it: what it complains of, in its words."""

import json
from typing import Any

from labkit.mesh.validation.gotext import quoted

_LITERALS = {"t": "true", "f": "false", "n": "null"}
_BLANK = " \t\r\n"
_NUMBER = "0123456789+-.eE"


def problem(text: str) -> str:
    """Why a text is no JSON; empty when it is."""
    try:
        _, end = json.JSONDecoder().raw_decode(text, _skip(text, 0))
    except json.JSONDecodeError as e:
        return _complaint(text, e)
    except RecursionError:
        return "exceeded max depth"
    rest = _skip(text, end)
    return "" if rest == len(text) else f"invalid character {_shown(text[rest])} after top-level value"


def kind(value: Any) -> str:
    """What Go calls a value: ``string``, ``number``, ``bool``, ``array``, ``object``."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    names = {str: "string", list: "array", dict: "object"}
    return next((name for type_, name in names.items() if isinstance(value, type_)), "null")


def mismatch(value: Any, expected: str) -> str:
    """The complaint on a value of another type than ``wanted``, a type of Go."""
    shown = f"{kind(value)} {value}" if kind(value) == "number" and expected != "string" else kind(value)
    shown = kind(value) if expected.startswith(("map", "[]")) else shown
    return f"json: cannot unmarshal {shown} into Go value of type {expected}"


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _BLANK:
        at += 1
    return at


def _shown(character: str) -> str:
    if character in "'\"":
        return {"'": r"'\''", '"': "'\"'"}[character]
    return f"'{quoted(character)[1:-1]}'"


def _complaint(text: str, error: json.JSONDecodeError) -> str:
    at = _skip(text, error.pos)
    rest = text[at:]
    if not rest:
        return "unexpected end of JSON input"
    literal = _LITERALS.get(rest[0], "") if error.msg == "Expecting value" else ""
    for seen, expected in zip(rest, literal, strict=False):
        if seen != expected:
            return f"invalid character {_shown(seen)} in literal {literal} (expecting {_shown(expected)})"
    if literal and len(rest) < len(literal):
        return "unexpected end of JSON input"
    return f"invalid character {_shown(rest[0])} {_place(error.msg, rest)}"


def _place(message: str, rest: str) -> str:
    if message.startswith("Expecting property name"):
        return "looking for beginning of object key string"
    if message.startswith("Expecting ':'"):
        return "after object key"
    if message.startswith("Expecting ','"):
        return "after object key:value pair" if "}" in rest else "after array element"
    return "looking for beginning of value"
