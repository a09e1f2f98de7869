"""Structural schemas from a compact notation (``data/*.types``, whose first lines explain it)."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources

from labkit.kube.resources import Object

RULES = "x-kubernetes-validations"

TABLES = ("istio", "gateway-api")

_HOST = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_PROTOCOL = rf"^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?$|{_HOST}\/[A-Za-z0-9]+$"
_DURATION_RULE = {"rule": "duration(self) >= duration('1ms')", "message": "must be a valid duration greater than 1ms"}

_NO_WILDCARD = {"rule": '!self.contains("*")', "message": "wildcard not allowed in label value match"}
_NO_SELECTING_WILDCARD = {"rule": '!self.contains("*")', "message": "wildcard is not supported in selector"}
_OWN_NAMESPACE = {
    "rule": "self.size() == 0",
    "message": "cross namespace referencing is not currently supported",
}

SCALARS: Mapping[str, Object] = {
    "s": {"type": "string"},
    "s+": {"type": "string", "minLength": 1},
    "i": {"type": "integer", "format": "int32"},
    "u": {"type": "integer", "minimum": 0, "maximum": 4294967295},
    "w": {"type": "integer", "format": "int32", "minimum": 0},
    "W": {"type": "integer", "format": "int32", "minimum": 0, "maximum": 1000000},
    "P": {"type": "integer", "format": "int32", "minimum": 1, "maximum": 65535},
    "Q": {"type": "integer", "format": "int32", "minimum": 0, "maximum": 100},
    "U": {"type": "integer", "minimum": 0},
    "Z": {"type": "integer"},
    "n": {"type": "number", "format": "double"},
    "B": {"type": "string", "format": "byte"},
    "b": {"type": "boolean"},
    "d": {"type": "string", "x-kubernetes-validations": [_DURATION_RULE]},
    "h": {"type": "string", "minLength": 1, "pattern": "^[-_A-Za-z0-9]+$"},
    "G": {"type": "string", "pattern": "^([0-9]{1,5}(h|m|s|ms)){1,4}$"},
    "H": {"type": "string", "minLength": 1, "maxLength": 253, "pattern": rf"^(\*\.)?{_HOST}$"},
    "R": {"type": "string", "minLength": 1, "maxLength": 253, "pattern": rf"^(\*\.)?{_HOST}$"},
    "N": {"type": "string", "minLength": 1, "maxLength": 253, "pattern": rf"^{_HOST}$"},
    "M": {"type": "string", "minLength": 1, "maxLength": 253},
    "T": {"type": "string", "minLength": 1, "maxLength": 256, "pattern": r"^[A-Za-z0-9!#$%&'*+\-.^_\x60|~]+$"},
    "L": {"type": "string", "minLength": 1, "maxLength": 63, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"},
    "V": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": _PROTOCOL},
    "p": {"type": "string", "pattern": "^[-_A-Za-z0-9]+$"},
    "label": {"type": "string", "maxLength": 63, "x-kubernetes-validations": [_NO_WILDCARD]},
    "wide": {"type": "string", "maxLength": 63, "x-kubernetes-validations": [_NO_SELECTING_WILDCARD]},
    "own": {"type": "string", "x-kubernetes-validations": [_OWN_NAMESPACE]},
    "group": {"type": "string", "maxLength": 253, "pattern": rf"^$|^{_HOST}$"},
    "kind": {"type": "string", "minLength": 1, "maxLength": 63, "pattern": "^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$"},
    "hash": {"type": "string", "pattern": "(^$|^[a-f0-9]{64}$)"},
    "?": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
}

_BOUNDS = {
    "string": ("minLength", "maxLength"),
    "array": ("minItems", "maxItems"),
    "object": ("minProperties", "maxProperties"),
}
_RANGE = re.compile(r"(?P<type>.+)<(?P<low>\d*)\.\.(?P<high>\d*)>")
_FIELD = re.compile(r"(?P<name>\w+) (?P<type>.+?)(?P<required>!?)(?:=(?P<default>.+))?")


@cache
def schema_of(table: str, name: str) -> Object:
    """The structural schema of a type: ``schema_of("istio", "VirtualService")``."""
    fields, *clauses = _split(_lines(table)[name], ";")
    if fields.startswith("= "):
        return _with_rules(_type(table, fields.removeprefix("= ")), clauses)
    properties: dict[str, Object] = {}
    required = []
    for text in _split(fields, ","):
        match = _FIELD.fullmatch(text)
        if match is None:
            raise ValueError(f"{table}.types, {name}: a field is a name and a type, not {text!r}")
        properties[match["name"]] = _with_default(_type(table, match["type"]), match["default"])
        required += [match["name"]] if match["required"] else []
    schema: Object = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required
    return schema | _clauses(clauses)


def _with_rules(schema: Object, clauses: list[str]) -> Object:
    added = _clauses(clauses)
    both = [*schema.get(RULES, ()), *added.get(RULES, ())]
    return {**schema, **added, RULES: both}


def _type(table: str, text: str) -> Object:
    if text in SCALARS:
        return dict(SCALARS[text])
    if text.endswith("?"):
        return _type(table, text[:-1]) | {"nullable": True}
    if match := _RANGE.fullmatch(text):
        return _ranged(_type(table, match["type"]), match["low"], match["high"])
    if text.startswith("["):
        item, _, key = text[1:-1].partition(" @")
        keyed = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]} if key else {}
        return {"type": "array", "items": _type(table, item), **keyed}
    if text.startswith("{"):
        return {"type": "object", "additionalProperties": _type(table, text[1:-1])}
    if "|" in text:
        words: list[str | int] = [int(w) if w.isdigit() else w for w in text.split("|")]
        return {"type": "integer" if isinstance(words[0], int) else "string", "enum": words}
    return schema_of(table, text)


def _ranged(schema: Object, low: str, high: str) -> Object:
    """The bounds of a number, or of a length."""
    least, most = _BOUNDS.get(schema["type"], ("minimum", "maximum"))
    bounds = {word: int(bound) for word, bound in ((least, low), (most, high)) if bound}
    return {**schema, **bounds}


def _with_default(schema: Object, default: str | None) -> Object:
    if default is None:
        return schema
    if schema.get("type") == "string":
        return schema | {"default": "" if default == '""' else default}
    return schema | {"default": json.loads(default)}


def _clauses(clauses: list[str]) -> Object:
    """``one a b`` is at most one of them; two such clauses must both hold."""
    groups = [words.split()[1:] for words in clauses if words.startswith("one ")]
    rules = [words.removeprefix("rule ") for words in clauses if words.startswith("rule ")]
    schema: Object = {}
    if len(groups) == 1:
        schema["oneOf"] = _at_most_one(groups[0])
    elif groups:
        schema["allOf"] = [{"oneOf": _at_most_one(names)} for names in groups]
    if rules:
        pairs = [rule.rpartition(" : ") for rule in rules]
        schema[RULES] = [{"rule": rule, "message": message} for rule, _, message in pairs]
    return schema


def _at_most_one(names: list[str]) -> list[Object]:
    each: list[Object] = [{"required": [name]} for name in names]
    return [{"not": {"anyOf": each}}, *each]


@cache
def _lines(table: str) -> Mapping[str, str]:
    """Type → what is said of it."""
    text = resources.files(__package__).joinpath(f"data/{table}.types").read_text()
    lines = re.sub(r"\n  +", " ", re.sub(r"^#.*$", "", text, flags=re.MULTILINE)).splitlines()
    return {name: text.strip() for name, _, text in (line.partition(":") for line in lines if line.strip())}


def _split(text: str, mark: str) -> list[str]:
    """The parts between marks that stand in no bracket."""
    return [part.strip() for part in _parts(text, mark)]


def _parts(text: str, mark: str) -> Iterator[str]:
    depth, start = 0, 0
    for at, character in enumerate(text):
        depth += (character in "[{(") - (character in "]})")
        if character == mark and not depth:
            yield text[start:at]
            start = at + 1
    yield text[start:]
