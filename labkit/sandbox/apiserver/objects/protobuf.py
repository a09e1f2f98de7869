"""Bodies in Kubernetes' protobuf envelope, as kubectl and helm send them."""

import base64
import datetime
import gzip
import json
import struct
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects import schemas

MAGIC = b"k8s\x00"
NOT_PROTOBUF = "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"

STRING, BYTES, MESSAGE, BOOL, DOUBLE, FLOAT = 9, 12, 11, 8, 1, 2
"""Types of fields as descriptors number them; all others are integers."""

Fields = Mapping[str, list[Any]]
"""Number → [JSON name, type, repeated, message, inlined]."""


def decode(body: bytes) -> Object:
    """The object in a ``k8s\\0`` envelope, as JSON; ValueError with the server's wording if it is none."""
    if not body.startswith(MAGIC):
        raise ValueError(NOT_PROTOBUF)
    envelope = dict(_wire(body[len(MAGIC) :]))
    meta = dict(_wire(envelope.get(1, b"")))
    api_version, kind = meta.get(1, b"").decode(), meta.get(2, b"").decode()
    definition = schemas.definition_of(api_version, kind)
    if definition is None:
        return {"apiVersion": api_version, "kind": kind}
    message = "k8s.io." + definition.removeprefix("io.k8s.").replace("-", "_")
    fields = _message(message, envelope.get(2, b""))
    return {"apiVersion": api_version, "kind": kind, **fields}


@cache
def _messages() -> Mapping[str, Fields]:
    file = resources.files(__package__).joinpath("data/protobuf.json.gz")
    messages: dict[str, Fields] = json.loads(gzip.decompress(file.read_bytes()))
    return messages


def _message(name: str, data: bytes) -> Any:
    special = _SPECIAL.get(name.rpartition("k8s.io.")[2])
    if special:
        return special(data)
    fields, decoded = _messages().get(name, {}), dict[str, Any]()
    for number, raw in _wire(data):
        if str(number) not in fields:
            continue
        key, of, repeated, below, inlined = fields[str(number)]
        if below.endswith("Entry"):
            entry = {"key": "", "value": _zero(_messages()[below]), **_message(below, raw)}
            decoded.setdefault(key, {})[entry["key"]] = entry["value"]
        elif inlined:
            decoded.update(_message(below, raw))
        elif repeated:
            decoded.setdefault(key, []).extend(_values(of, below, raw))
        else:
            decoded[key] = _value(of, below, raw)
    return decoded


def _values(of: int, below: str, raw: Any) -> list[Any]:
    """The items of one occurrence of a repeated field: numbers may come packed."""
    if isinstance(raw, bytes) and of not in (STRING, BYTES, MESSAGE):
        items, at = [], 0
        while at < len(raw):
            number, at = _varint(raw, at)
            items.append(_value(of, below, number))
        return items
    return [_value(of, below, raw)]


def _value(of: int, below: str, raw: Any) -> Any:
    if of == MESSAGE:
        return _message(below, raw)
    if of == STRING:
        return raw.decode("utf-8", "replace")
    if of == BYTES:
        return base64.b64encode(raw).decode()
    if of == BOOL:
        return bool(raw)
    if of in (DOUBLE, FLOAT):
        return struct.unpack("<d" if len(raw) == 8 else "<f", raw)[0]
    return raw - (1 << 64) if raw >= 1 << 63 else raw


def _zero(fields: Fields) -> Any:
    of = fields["2"][1]
    return "" if of in (STRING, BYTES) else {} if of == MESSAGE else 0


def _wire(data: bytes) -> Iterator[tuple[int, Any]]:
    """Field numbers with what they hold: an integer, or bytes."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        size, at = _varint(data, at) if wire == 2 else (8 if wire == 1 else 4, at)
        if at + size > len(data):
            raise ValueError("unexpected EOF")
        yield number, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data):
            raise ValueError("unexpected EOF")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _time(data: bytes, *, micro: bool = False) -> str | None:
    fields = dict(_wire(data))
    seconds, nanos = fields.get(1, 0), fields.get(2, 0)
    if not fields or seconds >= 1 << 63:
        # Go's zero time lies before 1970: it is no time at all.
        return None
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + (f".{nanos // 1000:06d}" if micro else "") + "Z"


def _text(data: bytes) -> str:
    text: bytes = dict(_wire(data)).get(1, b"")
    return text.decode() or "0"


def _int_or_string(data: bytes) -> int | str:
    fields = dict(_wire(data))
    if fields.get(1):
        text: bytes = fields.get(3, b"")
        return text.decode()
    number = fields.get(2, 0)
    return int(number - (1 << 64) if number >= 1 << 63 else number)


def _raw(data: bytes) -> Any:
    return json.loads(dict(_wire(data)).get(1, b"null") or b"null")


_SPECIAL: dict[str, Callable[[bytes], Any]] = {
    "apimachinery.pkg.apis.meta.v1.Time": _time,
    "apimachinery.pkg.apis.meta.v1.MicroTime": lambda data: _time(data, micro=True),
    "apimachinery.pkg.api.resource.Quantity": _text,
    "apimachinery.pkg.util.intstr.IntOrString": _int_or_string,
    "apimachinery.pkg.apis.meta.v1.FieldsV1": _raw,
    "apimachinery.pkg.runtime.RawExtension": _raw,
    "apiextensions_apiserver.pkg.apis.apiextensions.v1.JSON": _raw,
}
