"""The rules of a definition, each asked of the values it stands above (``x-kubernetes-validations``).

Not as on a real server: the cost of a rule is neither estimated when a definition is written nor counted when it runs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects.cel import engine, values
from labkit.sandbox.apiserver.objects.validation import causes, lists
from labkit.sandbox.apiserver.objects.validation.causes import Cause

KEY = "x-kubernetes-validations"
LONGEST_MESSAGE = 5 * 1024
"""Bytes of a message that an expression makes."""

Schema = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Broken:
    """A rule that does not hold."""

    cause: Cause

    is_kept: bool
    """Whether the value has not changed since it was stored: then a real server warns and lets it stay."""


@dataclass(frozen=True, kw_only=True)
class _Place:
    """A value, what it was before, and where both stand."""

    path: str
    value: Any
    old: Any
    """None where there was none, or where nothing tells which of the old ones it was."""

    is_same: bool
    """Whether the value, or the nearest one around it that can be told apart, is as it was."""

    is_root: bool = False


def broken(schema: Schema, new: Object, old: Object | None) -> Iterator[Broken]:
    """Every rule of a kind that an object breaks."""
    if has_rules(schema):
        yield from _walk(schema, _Place(path="", value=new, old=old, is_same=False, is_root=True))


def has_rules(schema: Schema) -> bool:
    """Whether a rule stands anywhere in a schema."""
    if schema.get(KEY):
        return True
    below = [*(schema.get("properties") or {}).values(), *(schema.get("allOf") or ())]
    below += [part for key in ("items", "additionalProperties") if isinstance(part := schema.get(key), dict)]
    return any(has_rules(part) for part in below)


def _walk(schema: Schema, place: _Place) -> Iterator[Broken]:
    if place.value is None:
        return
    for rule in schema.get(KEY) or ():
        yield from _asked(rule, schema, place)
    for part in schema.get("allOf") or ():
        for rule in part.get(KEY) or ():
            yield from _asked(rule, schema, place)
    if isinstance(place.value, list):
        yield from _items(schema, place)
    elif isinstance(place.value, dict):
        yield from _fields(schema, place)


def _items(schema: Schema, place: _Place) -> Iterator[Broken]:
    items = schema.get("items")
    if not isinstance(items, dict) or not has_rules(items):
        return
    before = lists.by_identity(schema, place.old)
    for at, item in enumerate(place.value):
        old = before.get(lists.identity(schema, item)) if before else None
        same = place.is_same if old is None else old == item
        yield from _walk(items, _Place(path=f"{place.path}[{at}]", value=item, old=old, is_same=same))


def _fields(schema: Schema, place: _Place) -> Iterator[Broken]:
    properties, extra = schema.get("properties") or {}, schema.get("additionalProperties")
    before = place.old if isinstance(place.old, dict) and schema.get("x-kubernetes-map-type") != "atomic" else {}
    for name in sorted(place.value):
        below = properties.get(name)
        path = f"{place.path}.{name}" if place.path else name
        if below is None and isinstance(extra, dict):
            below, path = extra, f"{place.path}[{name}]"
        if below is None or (place.is_root and name == "metadata"):
            continue
        old, value = before.get(name), place.value[name]
        same = place.is_same if old is None else old == value
        yield from _walk(below, _Place(path=path, value=value, old=old, is_same=same))


def _asked(rule: Object, schema: Schema, place: _Place) -> Iterator[Broken]:
    """One rule, asked of one value."""
    expression = (rule.get("rule") or "").strip()
    uses_old, is_optional = engine.uses(expression, "oldSelf"), bool(rule.get("optionalOldSelf"))
    if not expression or (uses_old and place.old is None and not is_optional):
        return
    new, old = _seen(schema, place.value, place), _seen(schema, place.old, place)
    text = (rule.get("message") or "").strip() or expression
    try:
        if is_optional:
            holds = engine.evaluate_with_optional(expression, new, old)
        else:
            holds = engine.evaluate(expression, {"self": new, "oldSelf": old})
    except engine.EvaluationError as e:
        yield Broken(cause=_failed(str(e), text, schema, place), is_kept=False)
        return
    if holds is not True:
        cause = _refusal(rule, _message(rule, new, old) or _default(rule), schema, place)
        yield Broken(cause=cause, is_kept=place.is_same and not uses_old)


def _seen(schema: Schema, value: Any, place: _Place) -> Any:
    if value is None:
        return None
    return values.root(schema, value) if place.is_root else values.of(schema, value)


def _failed(problem: str, rule: str, schema: Schema, place: _Place) -> Cause:
    if problem.startswith("no such overload"):
        detail = "call arguments did not match a supported operator, function or macro signature for rule"
        return causes.wrong(_field(place.path), schema.get("type") or "", f"'{problem}': {detail}: {rule}")
    return causes.wrong(_field(place.path), schema.get("type") or "", f"{problem} evaluating rule: {rule}")


def _message(rule: Object, new: Any, old: Any) -> str:
    """What the rule's own expression says; empty where it cannot be used."""
    expression = (rule.get("messageExpression") or "").strip()
    if not expression:
        return ""
    try:
        text = engine.evaluate(expression, {"self": new, "oldSelf": old})
    except engine.EvaluationError:
        return ""
    text = text.strip() if isinstance(text, str) else ""
    return "" if "\n" in text or len(text.encode()) > LONGEST_MESSAGE else text


def _default(rule: Object) -> str:
    message = rule.get("message") or ""
    return message.strip() if message else f"failed rule: {(rule.get('rule') or '').strip()}"


def _refusal(rule: Object, detail: str, schema: Schema, place: _Place) -> Cause:
    path = _field(f"{place.path}{rule.get('fieldPath') or ''}".removeprefix("."))
    is_shown = schema.get("type") not in ("object", "array")
    match rule.get("reason"):
        case "FieldValueForbidden":
            return causes.forbidden(path, detail)
        case "FieldValueRequired":
            return causes.required(path, detail)
        case "FieldValueDuplicate":
            return (
                causes.duplicate(path, place.value)
                if is_shown
                else Cause("FieldValueDuplicate", "Duplicate value", path)
            )
    return causes.wrong(path, place.value, detail) if is_shown else causes.omitted(path, detail)


def _field(path: str) -> str:
    """Rules of the whole object stand at no field."""
    return path or "<nil>"
