"""Values against the OpenAPI schema of a custom resource, worded as the server's validator words it.

What it checks, in which order, and where it stops, is that of ``pkg/validation/validate`` in k8s.io/kube-openapi as
Kubernetes 1.36 has it. It counts the checks that a value passes: of several alternatives that all fail, the
complaints of the one that got furthest are repeated.
"""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from labkit.sandbox.apiserver.objects import refusals
from labkit.sandbox.apiserver.objects.validation import causes, formats, lists, schema_types
from labkit.sandbox.apiserver.objects.validation.causes import Cause

Schema = Mapping[str, Any]
Causes = Generator[Cause, None, int]
"""What is wrong, and in the end the number of checks that were passed."""

_CHECKS = {"string": 5, "integer": 6, "number": 6, "array": 6, "object": 5, "boolean": 4}
"""Kind of a value → how many checks it passes whatever it is: those that apply to its kind count as such."""


def problems(schema: Schema, value: Any, path: str, old: Any = None) -> Causes:
    """What is wrong; what ``old`` said already may stay."""
    if old is not None and old == value:
        return 0
    seen = schema_types.kind_of(value)
    mistyped = schema_types.problem(schema, value, seen, path)
    if mistyped:
        yield mistyped
    if seen == "null":
        yield from _listed(schema, value, path)
        return 0 if mistyped else 1
    passed = _CHECKS[seen] + (2 - bool(mistyped) if schema_types.are_asked(schema) else 0)
    for word, combine in _COMBINATIONS.items():
        # ``not: {}`` is a schema that everything fits; an empty list of them says nothing.
        if (options := schema.get(word)) not in (None, []):
            passed += yield from combine(options, value, path)
    if seen in _KINDS:
        passed += yield from _KINDS[seen](schema, value, path, old)
    yield from _listed(schema, value, path)
    if seen == "object":
        passed += yield from _object(schema, value, path, old)
    return passed


def _listed(schema: Schema, value: Any, path: str) -> Iterable[Cause]:
    # In Python, True is 1; in JSON it is not.
    if (words := schema.get("enum")) and (value not in words or isinstance(value, bool)):
        yield causes.unsupported(path, value, [w if isinstance(w, str) else causes.shown(w) for w in words])


def _string(schema: Schema, value: str, path: str, old: Any) -> Causes:
    longest, shortest, pattern = schema.get("maxLength"), schema.get("minLength"), schema.get("pattern")
    if longest is not None and len(value) > longest:
        yield causes.too_long(path, longest)
    elif shortest is not None and len(value) < shortest:
        yield causes.wrong(path, value, f"{path} in body should be at least {shortest} chars long")
    elif pattern and not formats.matches(pattern, value):
        yield causes.wrong(path, value, f"{path} in body should match '{pattern}'")
    form = formats.effective(schema)
    if form and not formats.fits(form, value):
        yield causes.mistyped(path, value, form)
    return 1 if form else 0


def _number(schema: Schema, value: float, path: str, old: Any) -> Causes:
    if schema_types.types(schema) == ("integer",):
        form = formats.effective(schema)
        limit = 2**31 if form == "int32" else 2**63
        if value % 1 or not -limit <= value < limit:
            suffix = f"with format {form}" if form else "(default format)"
            yield causes.unplaced(f"Checked value must be of type integer {suffix} in {path}")
    step, low, high = schema.get("multipleOf"), schema.get("minimum"), schema.get("maximum")
    if step and value % step:
        yield causes.wrong(path, value, f"{path} in body should be a multiple of {_limit(step, value)}")
    if low is not None and (value < low or (schema.get("exclusiveMinimum") and value == low)):
        word = "greater than" if schema.get("exclusiveMinimum") else "greater than or equal to"
        yield causes.wrong(path, value, f"{path} in body should be {word} {_limit(low, value)}")
    if high is not None and (value > high or (schema.get("exclusiveMaximum") and value == high)):
        word = "less than" if schema.get("exclusiveMaximum") else "less than or equal to"
        yield causes.wrong(path, value, f"{path} in body should be {word} {_limit(high, value)}")
    return 0


def _limit(limit: float, value: float) -> str:
    """A limit is compared, and shown, as a number of the kind that the value is."""
    return refusals.printed(int(limit) if isinstance(value, int) else float(limit))


def _array(schema: Schema, value: list[Any], path: str, old: Any) -> Causes:
    passed, before = 0, lists.by_identity(schema, old)
    if isinstance(items := schema.get("items"), dict):
        for at, item in enumerate(value):
            counterpart = before.get(lists.identity(schema, item)) if before else None
            passed += yield from problems(items, item, f"{path}[{at}]", counterpart)
    if (limit := schema.get("minItems")) is not None and len(value) < limit:
        yield causes.wrong(path, len(value), f"{path} in body should have at least {limit} items")
    if (limit := schema.get("maxItems")) is not None and len(value) > limit:
        yield causes.too_many(path, len(value), limit)
    return passed


def _object(schema: Schema, value: dict[str, Any], path: str, old: Any) -> Causes:
    if (limit := schema.get("minProperties")) is not None and len(value) < limit:
        yield causes.wrong(path, len(value), f"{path} in body should have at least {limit} properties")
    if (limit := schema.get("maxProperties")) is not None and len(value) > limit:
        yield causes.too_many(path, len(value), limit)
    passed, prefix, before = 0, f"{path}." if path else "", old if isinstance(old, dict) else {}
    properties, values = schema.get("properties") or {}, schema.get("additionalProperties")
    for name in sorted(value):
        below = properties.get(name, values)
        if isinstance(below, dict):
            passed += yield from problems(below, value[name], prefix + name, before.get(name))
    for name in schema.get("required") or ():
        if name not in value:
            yield causes.required(prefix + name)
    return passed


class _Tried(NamedTuple):
    """An alternative, and how a value did against it."""

    causes: list[Cause]
    passed: int


def _tried(option: Schema, value: Any, path: str) -> _Tried:
    complaints, walk = list[Cause](), problems(option, value, path)
    while True:
        try:
            complaints.append(next(walk))
        except StopIteration as end:
            return _Tried(complaints, end.value)


def _furthest(tried: Sequence[_Tried]) -> Causes:
    best = max(tried, key=lambda one: one.passed)
    yield from best.causes
    return best.passed


def _any_of(options: Sequence[Schema], value: Any, path: str) -> Causes:
    tried = []
    for option in options:
        tried.append(_tried(option, value, path))
        if not tried[-1].causes:
            return tried[-1].passed
    yield causes.unplaced(f"{refusals.quoted(path)} must validate at least one schema (anyOf)")
    return (yield from _furthest(tried))


def _one_of(options: Sequence[Schema], value: Any, path: str) -> Causes:
    tried = [_tried(option, value, path) for option in options]
    fitting = [one for one in tried if not one.causes]
    if len(fitting) == 1:
        return fitting[0].passed
    count = f"Found {len(fitting)} valid alternatives" if fitting else "Found none valid"
    yield causes.unplaced(f"{refusals.quoted(path)} must validate one and only one schema (oneOf). {count}")
    return 0 if fitting else (yield from _furthest(tried))


def _all_of(options: Sequence[Schema], value: Any, path: str) -> Causes:
    tried = [_tried(option, value, path) for option in options]
    for one in tried:
        yield from one.causes
    if any(one.causes for one in tried):
        none = ". None validated" if all(one.causes for one in tried) else ""
        yield causes.unplaced(f"{refusals.quoted(path)} must validate all the schemas (allOf){none}")
    return sum(one.passed for one in tried)


def _not(option: Schema, value: Any, path: str) -> Causes:
    if not _tried(option, value, path).causes:
        yield causes.unplaced(f"{refusals.quoted(path)} must not validate the schema (not)")
    return 0


_COMBINATIONS: Mapping[str, Callable[[Any, Any, str], Causes]] = {
    "anyOf": _any_of,
    "oneOf": _one_of,
    "allOf": _all_of,
    "not": _not,
}

_KINDS: Mapping[str, Callable[[Schema, Any, str, Any], Causes]] = {
    "string": _string,
    "integer": _number,
    "number": _number,
    "array": _array,
}
"""Kinds of values → what is checked of them before the enum; the fields of an object come after it."""
