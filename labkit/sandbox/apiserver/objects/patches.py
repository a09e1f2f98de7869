"""The patches that say what to change: JSON patch, JSON merge patch, strategic merge patch."""

from collections.abc import Callable, Sequence
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects import decoding, gojson, jsonpatch, reading, refusals, strategic
from labkit.sandbox.apiserver.objects.decoding import Decoded
from labkit.sandbox.apiserver.objects.schemas import Schema

JSON = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
CONTENT_TYPES = (JSON, MERGE, STRATEGIC, APPLY)


def patched(content_type: str, live: Object, body: bytes, schema: Schema, *, level: str = decoding.WARN) -> Decoded:
    """``live`` changed as the body says and read as its kind again; StatusError 400/422 as a real server.

    The result is not defaulted or validated yet: pass it through ``with_defaults`` and ``validate``.
    """
    if content_type == STRATEGIC:
        return _strategic(live, body, schema, level)
    unread: list[str] = []
    if content_type == JSON:
        operations = jsonpatch.parse(body, checked=level != decoding.IGNORE)
        unread = jsonpatch.unknown(operations)
        result = jsonpatch.applied(live, operations)

        def shown() -> str:
            again = jsonpatch.applied(_ordered(schema, live), operations)
            return gojson.dumps(_sorted_where(again, jsonpatch.touched(body)))
    else:
        patch = _merge_patch(body)
        result = merged(live, patch)

        def shown() -> str:
            return gojson.dumps(_sorted_where(merged(_ordered(schema, live), _sorted_below(patch)), patch))

    return _read(result, schema, level, shown, unread=unread)


def merged(live: Any, patch: Any) -> Any:
    """JSON merge patch (RFC 7386): null removes, objects merge, all else replaces."""
    if not isinstance(patch, dict):
        return gojson.plain(patch)
    result = dict(live) if isinstance(live, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def _merge_patch(body: bytes) -> dict[str, Any]:
    try:
        patch = gojson.loads(body)
    except ValueError as e:
        raise refusals.bad_request(f"error decoding patch: {e}") from e
    if patch is None:
        raise refusals.bad_request("Invalid JSON Patch")
    if text := gojson.overflow(patch):
        raise refusals.bad_request(f"error decoding patch: {_overflows(text)}")
    if not isinstance(patch, dict):
        seen = gojson.kind_of(patch)
        problem = f"json: cannot unmarshal {seen} into Go value of type map[string]interface {{}}"
        raise refusals.bad_request(f"error decoding patch: {problem}")
    return patch


def _strategic(live: Object, body: bytes, schema: Schema, level: str) -> Decoded:
    if schema.custom is not None:
        raise refusals.unsupported_media_type(JSON, MERGE, APPLY)
    try:
        patch = gojson.loads(body)
    except ValueError as e:
        raise refusals.bad_request(str(e)) from e
    patch = {} if patch is None else patch
    if text := gojson.overflow(patch):
        raise refusals.bad_request(_overflows(text))
    if not isinstance(patch, dict):
        seen = gojson.kind_of(patch)
        raise refusals.bad_request(f"json: cannot unmarshal {seen} into Go value of type map[string]interface {{}}")
    result = strategic.merged(live, patch, schema.type)
    for key in ("kind", "apiVersion"):
        if patch.get(key) is not None and not isinstance(patch[key], str):
            problem = "cannot convert int64 to string" if type(patch[key]) is int else "unrecognized type: string"
            raise refusals.invalid_patch(printed(patch), problem)
    return _read(result, schema, level, lambda: printed(patch), reading.Converter())


def _overflows(number: str) -> str:
    return f"json: cannot unmarshal number {number} into Go value of type float64"


def _read(
    result: Any,
    schema: Schema,
    level: str,
    shown: Callable[[], str],
    reader: reading.Reader | None = None,
    *,
    unread: Sequence[str] = (),
) -> Decoded:
    """The patched object as its kind; what does not fit is 422 and quotes what was patched.

    ``unread``: what the patch itself says and nobody reads.
    With a reader of its own, that of a strategic merge, the result keeps its kind whatever the patch says.
    """
    if not isinstance(result, dict):
        raise refusals.refusal(422, "Invalid", jsonpatch.REJECTED, {})
    if reader is None:
        try:
            decoding.check_named(result)
        except ValueError as e:
            raise refusals.invalid_patch(shown(), str(e)) from e
        api_version, kind = result.get("apiVersion") or schema.api_version, result.get("kind") or schema.kind
        if (api_version, kind) != (schema.api_version, schema.kind):
            if schema.custom is not None:
                raise _renamed(schema, result, api_version, kind)
            raise refusals.invalid_patch(shown(), decoding.misnamed(schema, api_version, kind))
        if schema.custom is None and not result.get("apiVersion"):
            # A real server then reads it as its internal kind, whose metadata has another name.
            result = {key: value for key, value in result.items() if key != "metadata"}
    try:
        obj, unknown = decoding.convert(schema, result, reader)
    except reading.Unreadable as e:
        raise refusals.invalid_patch(shown(), str(e)) from e
    unknown = [*unread, *(unknown if reader is None else sorted(unknown))]
    if unknown and level == decoding.STRICT:
        raise refusals.invalid_patch(shown(), f"strict decoding error: {', '.join(unknown)}")
    return Decoded(object=obj, warnings=tuple(unknown) if level == decoding.WARN else ())


def _renamed(schema: Schema, result: Object, api_version: str, kind: str) -> Exception:
    """A custom resource is read whatever it says it is, and judged then."""
    pairs = [("apiVersion", api_version, schema.api_version), ("kind", kind, schema.kind)]
    wrong = [
        {"reason": "FieldValueInvalid", "message": f"Invalid value: {refusals.quoted(seen)}: must be {own}", "field": f}
        for f, seen, own in pairs
        if seen != own
    ]
    name = str((result.get("metadata") or {}).get("name", ""))
    group = api_version.rpartition("/")[0]
    texts = [f"{one['field']}: {one['message']}" for one in wrong]
    text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    shown = f"{kind}.{group}" if group else kind
    details = {"name": name, "group": group, "kind": kind}
    return refusals.refusal(
        422,
        "Invalid",
        f"{shown} {refusals.quoted(name)} is invalid: {text}",
        {key: value for key, value in details.items() if value} | {"causes": wrong},
    )


# A real server keeps the order of fields in parts that a patch did not touch and sorts the others; that
# shows in the messages that quote the object.


def _ordered(schema: Schema, live: Object) -> Object:
    return live if schema.custom is not None else decoding.convert(schema, live)[0]


def _sorted_where(value: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return value
    if isinstance(value, list):
        return [_sorted_where(item, patch.get(str(at))) for at, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    return {key: _sorted_where(value[key], patch.get(key)) for key in sorted(value)}


def _sorted_below(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted_below(value[key]) for key in sorted(value)}
    return [_sorted_below(item) for item in value] if isinstance(value, list) else value


def printed(value: Any) -> str:
    """A value as Go's ``%+v`` prints it: ``map[spec:map[replicas:1]]``."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{printed(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(printed(item) for item in value)}]"
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
