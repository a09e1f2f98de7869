"""From the bytes of a request to an object of its kind."""

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects import gojson, goyaml, protobuf, reading, refusals, schemas, structural
from labkit.sandbox.apiserver.objects.schemas import Schema

STRICT, WARN, IGNORE = "Strict", "Warn", "Ignore"

JSON, YAML = "application/json", "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
SUMMARY_BYTES = 30


@dataclass(frozen=True, kw_only=True)
class Document:
    """A body as parsed."""

    value: Any
    """What it says, as JSON; of a key given twice, the last value."""

    duplicates: tuple[str, ...] = ()
    """Problems that only strict reading minds, as worded: ``duplicate field "data"``."""

    strict_text: str = ""
    """The duplicates in the one sentence of a strict refusal, where that differs."""

    body: bytes = b""
    """The bytes it was parsed from."""


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """An object as a Go server would hold it after reading."""

    object: Object
    """Known fields only, empty ones dropped as Go's encoder drops them."""

    warnings: tuple[str, ...] = ()
    """Texts of Warning headers."""


def read(schema: Schema, body: bytes, content_type: str = JSON, *, level: str = WARN) -> Decoded:
    """Parse and decode a body; every refusal worded as a real server words it."""
    try:
        document = parse(body, content_type)
    except ValueError as e:
        raise _unrecognised(schema, str(e), body) from e
    return decode(schema, document, level=level)


def parse(body: bytes, content_type: str = JSON) -> Document:
    """A JSON, YAML or protobuf body; ValueError with the server's wording, 415 for other types."""
    kind = content_type.partition(";")[0].strip().lower() or JSON
    if kind == PROTOBUF:
        return Document(value=protobuf.decode(body), body=body)
    if kind == YAML:
        return _parse_yaml(body)
    if kind != JSON:
        raise refusals.unsupported_media_type(JSON, YAML, PROTOBUF)
    try:
        value = gojson.loads(body)
    except ValueError as e:
        raise ValueError(f"couldn't get version/kind; json parse error: {e}") from e
    check_named(value)
    duplicates: list[str] = []
    value = _merged(value, None, duplicates)
    return Document(value=_object(value), duplicates=tuple(duplicates), body=body)


def check_named(value: Any) -> None:
    """ValueError unless a body is an object, or null, whose version and kind are texts."""
    problem = ""
    if value is not None and not isinstance(value, dict):
        tags = (r'APIVersion string "json:\"apiVersion,omitempty\""', r'Kind string "json:\"kind,omitempty\""')
        problem = f"value of type struct {{ {'; '.join(tags)} }}"
        seen = gojson.kind_of(value)
    for key, item in (value or {}).items() if not problem else ():
        if key in ("apiVersion", "kind") and not problem and item is not None and not isinstance(item, str):
            problem, seen = f"struct field .{key} of type string", gojson.kind_of(item)
    if problem:
        mismatch = f"json: cannot unmarshal {seen} into Go {problem}"
        raise ValueError(f"couldn't get version/kind; json parse error: {mismatch}")


def _object(value: Any) -> Any:
    """What Go reads where a body says null: an object that says nothing."""
    return {} if value is None else value


def _parse_yaml(body: bytes) -> Document:
    # JSON is YAML, and most bodies sent as YAML are JSON: that way is shorter.
    if body[:1] == b"{" and not goyaml.differs(body):
        try:
            return parse(body)
        except ValueError:
            pass
    value, duplicates = goyaml.loads(body)
    check_named(value)
    value = _object(value)
    lines = "".join(f"\n  {line}" for line in duplicates)
    return Document(value=value, duplicates=tuple(duplicates), strict_text=f"yaml: unmarshal errors:{lines}", body=body)


def parse_apply(body: bytes) -> Object:
    """The object of an apply patch, sent as YAML or JSON; StatusError 400 with the server's wording."""
    try:
        value = _plain_yaml(body)
    except ValueError as e:
        raise refusals.bad_request(f"error decoding YAML: error converting YAML to JSON: {e}") from e
    value = _object(value)
    if not isinstance(value, dict):
        seen = gojson.kind_of(value)
        problem = f"while decoding JSON: json: cannot unmarshal {seen} into Go value of type map[string]interface {{}}"
        raise refusals.bad_request(f"error decoding YAML: error unmarshaling JSON: {problem}")
    return value


def _plain_yaml(body: bytes) -> Any:
    if body[:1] == b"{" and not goyaml.differs(body):
        with contextlib.suppress(ValueError):
            value = gojson.loads(body)
            if not gojson.overflow(value):
                return gojson.plain(value)
    return gojson.plain(goyaml.loads(body)[0])


def decode(schema: Schema, document: Document | Mapping[str, Any], *, level: str = WARN) -> Decoded:
    """Read a parsed body as an object of the schema's kind.

    Strict refuses unknown and duplicate fields (400), Warn warns, Ignore drops them silently;
    wrong JSON types are always 400.
    """
    if not isinstance(document, Document):
        document = Document(value=document)
    value = document.value
    api_version, kind = _names(schema, value)
    if (api_version, kind) != (schema.api_version, schema.kind):
        _check_kind(schema, api_version, kind, document)
    prefix = f'{kind} in version "{schema.version}" cannot be handled as a {schema.kind}: '
    try:
        obj, unknown = convert(schema, value)
    except reading.Unreadable as e:
        raise refusals.bad_request(prefix + str(e)) from e
    if level == IGNORE or not (unknown or document.duplicates):
        return Decoded(object=obj)
    if level == STRICT:
        texts = [document.strict_text] if document.strict_text and document.duplicates else document.duplicates
        problems = ", ".join([*texts, *unknown])
        raise refusals.bad_request(f"{prefix}strict decoding error: {problems}")
    return Decoded(object=obj, warnings=(*document.duplicates, *unknown))


def options(schema: Schema, body: bytes, content_type: str) -> Object:
    """DeleteOptions, which every group and version knows; refusals say nothing of an object."""
    try:
        value = parse(body, content_type).value
    except ValueError as e:
        raise refusals.bad_request(str(e)) from e
    api_version, kind = _names(schema, value)
    if api_version.count("/") > 1:
        raise refusals.bad_request(f"unexpected GroupVersion string: {api_version}")
    if kind != schema.kind:
        raise refusals.bad_request(unregistered(api_version, kind))
    try:
        return convert(schema, {**value, "apiVersion": schema.api_version})[0]
    except reading.Unreadable as e:
        raise refusals.bad_request(str(e)) from e


def _names(schema: Schema, value: Mapping[str, Any]) -> tuple[str, str]:
    """The apiVersion and kind of a body; left out, or a slash alone, they are the schema's."""
    api_version = value.get("apiVersion")
    return schema.api_version if api_version in (None, "", "/") else api_version, value.get("kind") or schema.kind


def convert(schema: Schema, value: Mapping[str, Any], reader: reading.Reader | None = None) -> tuple[Object, list[str]]:
    """The object in its canonical form and the unknown fields; Unreadable for a wrong type."""
    value = {**value, "kind": schema.kind, "apiVersion": schema.api_version}
    if schema.custom is not None:
        return structural.convert(schema, value)
    reader = reader or reading.Reader()
    obj: Object = reader.read(schema.type, value)
    return obj, reader.unknown


def is_registered(schema: Schema, api_version: str, kind: str) -> bool:
    """Whether a server that serves the schema's kind knows that other kind at all."""
    group, _, version = api_version.rpartition("/")
    older = bool(re.fullmatch(r"v\d+(alpha|beta)\d+", version))
    if group == schema.group and kind == schema.kind and (schema.custom is not None or (group and older)):
        return True
    return schemas.builtin(api_version, kind) is not None or (api_version, kind) == ("v1", "List")


def unregistered(api_version: str, kind: str) -> str:
    """What a server says of a kind that it never heard of."""
    registered = f"no kind {refusals.quoted(kind)} is registered for version {refusals.quoted(api_version)}"
    return f'{registered} in scheme "pkg/runtime/scheme.go:111"'


def misnamed(schema: Schema, api_version: str, kind: str) -> str:
    """Why an object of another kind cannot be read as the schema's."""
    if not is_registered(schema, api_version, kind):
        return unregistered(api_version, kind)
    package = api_version.rpartition("/")[2]
    target = schema.group.partition(".")[0] or "core"
    return f"converting ({package}.{kind}) to ({target}.{schema.kind}): unknown conversion"


def _check_kind(schema: Schema, api_version: str, kind: str, document: Document) -> None:
    if api_version.count("/") > 1:
        raise _unrecognised(schema, f"unexpected GroupVersion string: {api_version}", document.body)
    group, _, version = api_version.rpartition("/")
    if kind == schema.kind and group == schema.group and is_registered(schema, api_version, kind):
        raise refusals.bad_request(
            f"the API version in the data ({api_version}) does not match the expected API version"
            f" ({schema.api_version})"
        )
    problem = misnamed(schema, api_version, kind)
    if other := schemas.builtin(api_version, kind):
        # It is read as what it says it is, before that is turned into what was asked for.
        try:
            convert(other, document.value)
        except reading.Unreadable as e:
            problem = str(e)
    raise refusals.bad_request(
        f"{kind} in version {refusals.quoted(version)} cannot be handled as a {schema.kind}: {problem}"
    )


def _unrecognised(schema: Schema, problem: str, body: bytes) -> Exception:
    start = body[:SUMMARY_BYTES]
    text = start.decode("utf-8", "replace") if body[:1] == b"{" else start.hex()
    summary = text + (" ..." if len(body) > SUMMARY_BYTES else "") if body else "<empty>"
    return refusals.bad_request(
        f"the object provided is unrecognized (must be of type {schema.kind}): {problem} ({summary})"
    )


def _merged(value: Any, path: reading.Path, duplicates: list[str]) -> Any:
    """The value with repeated keys merged as Go merges them; each repetition is noted."""
    if isinstance(value, dict):
        members: dict[str, Any] = {}
        for key, item in _pairs(value):
            read = _merged(item, (path, key), duplicates)
            if key in members:
                duplicates.append(f'duplicate field "{reading.dotted((path, key))}"')
                if isinstance(members[key], dict) and isinstance(read, dict):
                    read = members[key] | read
            members[key] = read
        return members
    if isinstance(value, list):
        return [_merged(item, (path, at), duplicates) for at, item in enumerate(value)]
    return value


def _pairs(value: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from value.pairs if isinstance(value, gojson.Repeated) else value.items()
