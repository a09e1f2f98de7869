"""Reading parsed JSON as a Go type: what is kept, what is dropped, and what is wrong, in Go's words."""

import base64
import binascii
from collections.abc import Callable
from typing import Any

from labkit.sandbox.apiserver.objects import gojson, quantities, times
from labkit.sandbox.apiserver.objects.types import Type, is_written_always

Path = tuple[Any, ...] | None
"""From the inside out: ``(parent, segment)``; a segment is a field, an index, or a map key as ``(key,)``."""

_RANGES = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1), "uint8": (0, 255)}


class Unreadable(ValueError):
    """A value that cannot be what its type asks for; the text is Go's."""


class Reader:
    """Reads one object; collects unknown fields, keeps the first wrong type, stops at a broken value."""

    of_base64 = ""
    """What stands before a complaint about base64."""

    def __init__(self) -> None:
        self.unknown: list[str] = []
        self.wrong: str = ""
        self._root = _ANYTHING

    def read(self, of: Type, value: Any) -> Any:
        """The value as Go would write it again; Unreadable for a wrong type."""
        self._root = of
        obj = self._value(of, value, None, of.name)
        if self.wrong:
            raise Unreadable(self.wrong)
        return obj

    def _value(self, of: Type, value: Any, path: Path, owner: str) -> Any:
        if value is None:
            return zero(of)
        return _READERS[of.kind](self, of, value, path, owner)

    def _struct(self, of: Type, value: Any, path: Path, owner: str) -> Any:
        if not isinstance(value, dict):
            return self._mismatch(of, value, path, owner)
        fields, owner = of.fields, of.name or owner
        fields_read: dict[str, Any] = {}
        for key, item in value.items():
            field = fields.get(key)
            if field is None:
                self.unknown.append(f'unknown field "{dotted((path, key))}"')
            elif item is not None:
                read = _READERS[field.kind](self, field, item, (path, key), owner)
                if read or not _is_left_out(field, read):
                    fields_read[key] = read
        return in_order(of, fields_read)

    def _map(self, of: Type, value: Any, path: Path, owner: str) -> Any:
        if not isinstance(value, dict):
            return self._mismatch(of, value, path, owner)
        items = of.items
        if items is None:
            return gojson.plain(value)
        return {key: self._value(items, item, (path, (key,)), owner) for key, item in value.items()} or (
            {} if of.omit_empty else None
        )

    def _list(self, of: Type, value: Any, path: Path, owner: str) -> Any:
        if not isinstance(value, list):
            return self._mismatch(of, value, path, owner)
        items = of.items
        if items is None:
            return gojson.plain(value)
        read = [self._value(items, item, (path, at), owner) for at, item in enumerate(value)]
        return read or ([] if of.omit_empty else None)

    def _string(self, of: Type, value: Any, path: Path, owner: str) -> Any:
        return value if isinstance(value, str) else self._mismatch(of, value, path, owner)

    def _boolean(self, of: Type, value: Any, path: Path, owner: str) -> Any:
        return value if isinstance(value, bool) else self._mismatch(of, value, path, owner)

    def _integer(self, of: Type, value: Any, path: Path, owner: str) -> Any:
        if type(value) is int:
            low, high = _RANGES.get(of.raw.get("format", "int64"), _RANGES["int64"])
            if low <= value <= high:
                return value
        return self._mismatch(of, value, path, owner)

    def _number(self, of: Type, value: Any, path: Path, owner: str) -> Any:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return self._mismatch(of, value, path, owner)
        return float(value) if isinstance(value, float) else value

    def _bytes(self, of: Type, value: Any, path: Path, owner: str) -> Any:
        if not isinstance(value, str):
            return self._mismatch(of, value, path, owner)
        if problem := base64_problem(value):
            self.wrong = self.wrong or self.of_base64 + problem
        return value.replace("\n", "").replace("\r", "")

    def _quantity(self, of: Type, value: Any, path: Path, owner: str) -> Any:
        text = value.text if isinstance(value, gojson.Number) else str(value).strip()
        try:
            return quantities.canonical(text)
        except ValueError as e:
            raise Unreadable(str(e)) from e

    def _int_or_string(self, of: Type, value: Any, path: Path, owner: str) -> Any:
        if isinstance(value, str) or (type(value) is int and abs(value) < 2**31):
            return value
        self._mismatch(_INT32, value, path, owner)
        raise Unreadable(self.wrong)

    def _time(self, of: Type, value: Any, path: Path, owner: str) -> Any:
        if not isinstance(value, str):
            self._mismatch(_STRING, value, path, owner)
            raise Unreadable(self.wrong)
        try:
            return times.canonical(value, micro=of.kind == "microtime")
        except ValueError as e:
            raise Unreadable(str(e)) from e

    def _any(self, of: Type, value: Any, path: Path, owner: str) -> Any:
        return gojson.plain(value)

    def _mismatch(self, of: Type, value: Any, path: Path, owner: str) -> Any:
        """Keep the first wrong type; reading goes on with the zero value, as Go's does."""
        if not self.wrong:
            seen = gojson.kind_of(value)
            if seen == "number" and of.kind in ("integer", "number"):
                seen += f" {value.text if isinstance(value, gojson.Number) else value}"
            where = f"struct field {owner}.{stacked(self._root, path)}" if path else "value"
            asked = "[]uint8" if of.kind == "bytes" else of.go
            self.wrong = f"json: cannot unmarshal {seen} into Go {where} of type {asked}"
        return zero(of)


class Converter(Reader):
    """Reads what a strategic merge made, in the words of the server's converter of unstructured objects."""

    of_base64 = "error decoding from json: "

    def _mismatch(self, of: Type, value: Any, path: Path, owner: str) -> Any:
        seen = _REFLECTED[gojson.kind_of(value)]
        if seen == "int64" and isinstance(value, float):
            seen = "float64"
        asked = of.raw.get("format") or of.go
        if of.kind == "integer" and seen in ("int64", "float64"):
            if value % 1:
                raise Unreadable(f"cannot convert {seen} to {asked}")
            return _wrapped(value, _RANGES.get(asked, _RANGES["int64"]))
        if of in (_STRING, _INT32):
            raise Unreadable(f"json: cannot unmarshal {gojson.kind_of(value)} into Go value of type {of.go}")
        words = {"list": f"cannot restore slice from {seen}", "map": f"cannot restore map from {seen}"}
        words |= {"struct": f"cannot restore struct from: {seen}", "bytes": words["list"]}
        if of.kind == "string" and seen == "int64":
            raise Unreadable(f"cannot convert {seen} to {asked}")
        raise Unreadable(words.get(of.kind, f"unrecognized type: {asked}"))


def _wrapped(value: float, limits: tuple[int, int]) -> int:
    """A whole number as Go's conversion leaves it: one that is too large for an int64 is the smallest."""
    low, high = limits
    if not _RANGES["int64"][0] <= value <= _RANGES["int64"][1]:
        value = _RANGES["int64"][0]
    return (int(value) - low) % (high - low + 1) + low


_REFLECTED = {"object": "map", "array": "slice", "string": "string", "number": "int64", "bool": "bool"}
_ANYTHING = Type(kind="any")
_INT32, _STRING = Type(kind="integer", go="int32"), Type(kind="string", go="string")

_READERS: dict[str, Callable[[Reader, Type, Any, Path, str], Any]] = {
    "struct": Reader._struct,
    "map": Reader._map,
    "list": Reader._list,
    "string": Reader._string,
    "boolean": Reader._boolean,
    "integer": Reader._integer,
    "number": Reader._number,
    "bytes": Reader._bytes,
    "quantity": Reader._quantity,
    "int-or-string": Reader._int_or_string,
    "time": Reader._time,
    "microtime": Reader._time,
    "any": Reader._any,
}

_ZEROS: dict[str, Any] = {"string": "", "boolean": False, "integer": 0, "number": 0, "quantity": "0"}
_ZEROS |= {"int-or-string": 0, "bytes": None, "time": None, "microtime": None, "any": None}


def zero(of: Type) -> Any:
    """What Go writes for a value nobody set."""
    if of.pointer:
        return None
    return in_order(of, {}) if of.kind == "struct" else _ZEROS.get(of.kind)


def in_order(of: Type, struct: dict[str, Any]) -> dict[str, Any]:
    """The fields of a struct in Go's order, with those that Go always writes."""
    if of.always is None:
        of.always = tuple((name, field) for name, field in of.fields.items() if is_written_always(field))
        of.order = {name: at for at, name in enumerate(of.fields)}
    for name, field in of.always:
        if name not in struct:
            struct[name] = zero(field)
    return {name: struct[name] for name in sorted(struct, key=of.order.__getitem__)}


def _is_left_out(field: Type, value: Any) -> bool:
    """Whether Go leaves an empty value out of what it writes."""
    if field.pointer or not field.omit_empty:
        return False
    return field.kind not in ("struct", "int-or-string", "quantity") or field.omit_zero


def dotted(path: Path) -> str:
    """``spec.containers[0].image``."""
    parts: list[str] = []
    while path:
        path, segment = path
        if isinstance(segment, int):
            parts.append(f"[{segment}]")
        else:
            parts.append("." + (segment[0] if isinstance(segment, tuple) else segment))
    return "".join(reversed(parts)).removeprefix(".")


def stacked(root: Type, path: Path) -> str:
    """``spec.containers.image``: Go's stack of fields, which knows no indices and no keys.

    Structs without a name of their own in JSON stand there too: ``spec.volumes.VolumeSource.emptyDir``.
    """
    segments: list[Any] = []
    while path:
        path, segment = path
        segments.append(segment)
    parts: list[str] = []
    of: Type | None = root
    for segment in reversed(segments):
        if isinstance(segment, str):
            parts += [*(_inlined(of.name, segment) if of else ()), segment]
            of = of.fields.get(segment) if of else None
        else:
            of = of.items if of else None
    return ".".join(parts)


def _inlined(struct: str, field: str) -> tuple[str, ...]:
    """The Go structs inside of another one that a field belongs to."""
    own, *within = _INLINED.get(struct, ("",))
    return () if not within or field in own.split() else tuple(within)


_NAMED_REFERENCES = {"ConfigMapKeySelector": "key optional", "SecretKeySelector": "key optional"}
_NAMED_REFERENCES |= {"ConfigMapEnvSource": "optional", "SecretEnvSource": "optional"}
_NAMED_REFERENCES |= {"ConfigMapProjection": "items optional", "SecretProjection": "items optional"}
_NAMED_REFERENCES |= {"ConfigMapVolumeSource": "items optional defaultMode"}
_INLINED: dict[str, tuple[str, ...]] = {
    "Volume": ("name", "VolumeSource"),
    "Probe": (
        "initialDelaySeconds timeoutSeconds periodSeconds successThreshold failureThreshold"
        " terminationGracePeriodSeconds",
        "ProbeHandler",
    ),
    "EphemeralContainer": ("targetContainerName", "EphemeralContainerCommon"),
    "PersistentVolumeSpec": (
        "capacity accessModes claimRef persistentVolumeReclaimPolicy storageClassName mountOptions volumeMode"
        " nodeAffinity volumeAttributesClassName",
        "PersistentVolumeSource",
    ),
    "IngressRule": ("host", "IngressRuleValue"),
    "RuleWithOperations": ("operations", "Rule"),
    **{name: (own, "LocalObjectReference") for name, own in _NAMED_REFERENCES.items()},
}
"""Struct → its own fields, and the struct inlined in it that has all others."""


def base64_problem(text: str) -> str:
    """Go's complaint about a text that is no base64, or nothing."""
    try:
        base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError):
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        at = next((n for n, c in enumerate(text) if c not in alphabet), len(text) - len(text) % 4)
        if text[at : at + 1] == "=":
            at = _after_padding(text, at)
        return f"illegal base64 data at input byte {at}"
    return ""


def _after_padding(text: str, at: int) -> int:
    """Where Go finds fault with a text whose padding begins at ``at``."""
    if at % 4 < 2:
        return at
    needed = 4 - at % 4
    if at + needed > len(text):
        return len(text)
    return at + needed if text[at : at + needed] == "=" * needed else at
