"""Label and field selectors of queries and of objects."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from labkit.kube.resources import Object
from labkit.sandbox.apiserver import labels
from labkit.sandbox.apiserver.refusing import bad_request
from labkit.sandbox.apiserver.registry import Served
from labkit.sandbox.apiserver.strategies import NAME_AND_NAMESPACE

Matcher = Callable[[Object], bool]

Terms = list[tuple[str, str, str]]
"""``[("metadata.name", "=", "web")]``; the operator is ``=`` or ``!=``."""


def everything(_: Object) -> bool:
    """The selector that takes all."""
    return True


class Selection(NamedTuple):
    """What a query selects, as parsed."""

    requirements: list[labels.Requirement]
    terms: Terms


def parse(query: Mapping[str, str]) -> Selection:
    """Both selectors of a query; 400 where one cannot be read."""
    label_selector, field_selector = query.get("labelSelector", ""), query.get("fieldSelector", "")
    requirements = labels.parse(label_selector) if label_selector else []
    return Selection(requirements, parse_fields(field_selector) if field_selector else [])


def matcher(served: Served, selection: Selection) -> Matcher:
    """A test of objects; 400 for fields by which the resource cannot be selected."""
    requirements, terms = selection
    for path, _, _ in terms:
        check_field(served, path)
    if not requirements and not terms:
        return everything
    tests = [_field_test(served, *term) for term in terms]

    def matches(obj: Object) -> bool:
        own = obj["metadata"].get("labels") or {}
        return all(r.holds(own) for r in requirements) and all(test(obj) for test in tests)

    return matches


def parse_fields(text: str) -> Terms:
    """``metadata.name=a,spec.x!=b`` as terms."""
    terms: Terms = []
    for part in _split(text):
        if not part:
            continue
        for operator in ("!=", "==", "="):
            left, mark, right = part.partition(operator)
            if mark:
                terms.append((left, "!=" if operator == "!=" else "=", _value(right)))
                break
        else:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
    return terms


def named(field_selector: str) -> str:
    """The one name that a field selector asks for, or nothing."""
    terms = parse_fields(field_selector) if field_selector else []
    return next((value for path, operator, value in terms if path == "metadata.name" and operator == "="), "")


def check_field(served: Served, path: str) -> None:
    """400 unless objects of the resource can be selected by the field."""
    if path in NAME_AND_NAMESPACE[: 2 if served.namespaced or served.crd is None else 1]:
        return
    strategy = served.strategy
    selectable = [renamed(served, name) for name in (*strategy.fields, *_selectable(served))]
    if path in selectable:
        return
    if strategy.strict_fields:
        raise bad_request(strategy.strict_fields % path)
    names = ", ".join(f'"{name}"' for name in NAME_AND_NAMESPACE)
    raise bad_request(f'"{path}" is not a known field selector: only {names}')


_REGARDING = {"involvedObject": "regarding", "source": "reportingController"}


def renamed(served: Served, path: str) -> str:
    """A stored field as this version of the resource calls it."""
    if served.group != "events.k8s.io":
        return path
    head, dot, rest = path.partition(".")
    return {"reportingComponent": "reportingController"}.get(path, _REGARDING.get(head, head) + dot + rest)


def at(obj: Mapping[str, Any], path: str) -> str:
    """The text at a path, as field selectors compare it: a missing one is empty, a boolean a word."""
    value: Any = obj
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None or isinstance(value, (dict, list)) else str(value)


_EMPTY = {"spec.unschedulable": "false", "spec.hostNetwork": "false", "status.replicas": "0"}
_EMPTY["status.succeeded"] = "0"


def _field_test(served: Served, path: str, operator: str, value: str) -> Matcher:
    strategy = served.strategy
    stored = next((name for name in strategy.fields if renamed(served, name) == path), path)
    target = strategy.aliases.get(stored, stored)

    def test(obj: Object) -> bool:
        if target == "status.podIPs":
            texts = [str(ip.get("ip")) for ip in (obj.get("status") or {}).get("podIPs") or []]
            return (value in texts) == (operator == "=")
        seen = at(obj, target) or _EMPTY.get(target, "")
        return (seen == value) == (operator == "=")

    return test


def _selectable(served: Served) -> tuple[str, ...]:
    if served.crd is None:
        return ()
    version = next(v for v in served.crd["spec"]["versions"] if v["name"] == served.version)
    return tuple(f["jsonPath"].removeprefix(".") for f in version.get("selectableFields") or ())


def _value(text: str) -> str:
    """A value without its backslashes; 400 where one stands before anything but a backslash, a comma or ``=``."""
    value, characters = "", iter(text)
    for c in characters:
        if c == "\\":
            escaped = next(characters, "")
            if escaped not in ("\\", ",", "=") or not escaped:
                raise bad_request(f"invalid field selector: invalid escape sequence: \\{escaped}")
            value += escaped
        elif c in ",=":
            raise bad_request(f"invalid field selector: unescaped character in value: {ord(c)}")
        else:
            value += c
    return value


def _split(text: str) -> list[str]:
    parts, current, escaped = [], "", False
    for c in text:
        if escaped:
            current, escaped = current + c, False
        elif c == "\\":
            current, escaped = current + c, True
        elif c == ",":
            parts.append(current)
            current = ""
        else:
            current += c
    return [*parts, current]
