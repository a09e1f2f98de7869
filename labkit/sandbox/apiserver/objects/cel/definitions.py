"""The rules of a new definition: whether each can be read, and fits the types of its schema."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects.cel import declared, engine, rules
from labkit.sandbox.apiserver.objects.validation import causes
from labkit.sandbox.apiserver.objects.validation.causes import Cause

_REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
_STEP = re.compile(r"\.([^.\[\]']+)|\['((?:[^'\\]|\\.)*)'\]")

Schema = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class _Where:
    """One part of a schema."""

    path: str
    loose: str = ""
    """The path of the nearest list or map around it whose items cannot be told apart between two versions."""


def problems(root: Schema, path: str) -> Iterator[Cause]:
    """What is wrong with the rules of a definition whose schema is right."""
    if rules.has_rules(root):
        yield from _below(root, _Where(path=path), declared.declared(root))


def _below(schema: Schema, where: _Where, types: declared.Declared) -> Iterator[Cause]:
    extra, items = schema.get("additionalProperties"), schema.get("items")
    for name, inner in sorted((schema.get("properties") or {}).items()):
        here = _inside(schema, where, f"properties[{name}]", "x-kubernetes-map-type", "granular")
        yield from _below(inner, here, types)
    if isinstance(extra, dict):
        yield from _below(extra, replace(where, path=f"{where.path}.additionalProperties"), types)
    if isinstance(items, dict):
        yield from _below(items, _inside(schema, where, "items", "x-kubernetes-list-type", "map"), types)
    own_rules = list(schema.get(rules.KEY) or ())
    broken = [cause for at, rule in enumerate(own_rules) for cause in _form(rule, schema, _at(where, at))]
    yield from broken
    if not broken:
        for at, rule in enumerate(own_rules):
            yield from _compiled(rule, schema, where, _at(where, at), types)


def _at(where: _Where, at: int) -> str:
    return f"{where.path}.{rules.KEY}[{at}]"


def _inside(schema: Schema, where: _Where, part: str, kind: str, tells_apart: str) -> _Where:
    default = "granular" if kind == "x-kubernetes-map-type" else "atomic"
    loose = where.loose or ("" if schema.get(kind, default) == tells_apart else where.path)
    return _Where(path=f"{where.path}.{part}", loose=loose)


def _form(rule: Object, schema: Schema, path: str) -> Iterator[Cause]:
    expression, message = (rule.get("rule") or "").strip(), rule.get("message") or ""
    if not expression:
        yield causes.required(f"{path}.rule", "rule is not specified")
    elif message and not message.strip():
        yield causes.wrong(f"{path}.message", message, "must be non-empty if specified")
    elif "\n" in message.strip():
        yield causes.wrong(f"{path}.message", message, "must not contain line breaks")
    elif "\n" in expression and not message.strip():
        yield causes.required(f"{path}.message", "message must be specified if rule contains line breaks")
    if rule.get("messageExpression") and not rule["messageExpression"].strip():
        yield causes.required(f"{path}.messageExpression", "messageExpression must be non-empty if specified")
    if rule.get("reason") is not None and rule["reason"] not in _REASONS:
        yield causes.unsupported(f"{path}.reason", rule["reason"], _REASONS)
    field = rule.get("fieldPath") or ""
    if field and not _leads_somewhere(field, schema):
        yield causes.wrong(f"{path}.fieldPath", field, "must be a valid path")


def _leads_somewhere(field: str, schema: Schema) -> bool:
    """Whether a path such as ``.a.b`` or ``['a']`` names a field below a schema."""
    steps = list(_STEP.finditer(field))
    if "".join(step.group() for step in steps) != field:
        return False
    for step in steps:
        name = step[1] or step[2]
        properties, extra = schema.get("properties") or {}, schema.get("additionalProperties")
        if name in properties:
            schema = properties[name]
        elif not properties and isinstance(extra, dict):
            schema = extra
        else:
            return False
    return True


def _compiled(rule: Object, schema: Schema, where: _Where, path: str, types: declared.Declared) -> Iterator[Cause]:
    expression = (rule.get("rule") or "").strip()
    kind = types.kind(schema)
    old: declared.Kind = ("optional", kind) if rule.get("optionalOldSelf") else kind
    variables = {"self": kind, "oldSelf": old}
    shown = _shown(rule)
    try:
        if engine.check(rule["rule"], variables, types) not in ("bool", "dyn"):
            yield causes.wrong(f"{path}.rule", shown, "cel expression must evaluate to a bool")
    except engine.CompileError as e:
        yield causes.wrong(f"{path}.rule", shown, str(e))
        return
    if message := rule.get("messageExpression"):
        try:
            if engine.check(message, variables, types) not in ("string", "dyn"):
                detail = "messageExpression must evaluate to a string"
                yield causes.wrong(f"{path}.messageExpression", shown, detail)
        except engine.CompileError as e:
            yield causes.wrong(f"{path}.messageExpression", shown, f"messageExpression {e}")
    if engine.uses(expression, "oldSelf"):
        if where.loose:
            detail = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {where.loose}"
            yield causes.wrong(f"{path}.rule", rule["rule"], detail)
    elif rule.get("optionalOldSelf") is not None:
        detail = "may not be set if oldSelf is not used in rule"
        yield causes.wrong(f"{path}.optionalOldSelf", rule["optionalOldSelf"], detail)


def _shown(rule: Object) -> Object:
    """A rule as the server's own struct prints it."""
    texts = {name[0].upper() + name[1:]: rule.get(name) or "" for name in ("rule", "message", "messageExpression")}
    rest = {"Reason": rule.get("reason"), "FieldPath": rule.get("fieldPath") or ""}
    return {**texts, **rest, "OptionalOldSelf": rule.get("optionalOldSelf")}
