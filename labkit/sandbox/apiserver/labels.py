"""Label selectors: the text of queries, and the objects of specs."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labkit.kube import status
from labkit.sandbox.apiserver.refusing import bad_request

_TOKEN = re.compile(r"\s*(?:(==|!=|[=!(),<>])|([^\s=!(),<>]+))")
_OPERATORS = {"=": "In", "==": "In", "!=": "NotIn", "in": "In", "notin": "NotIn", ">": "Gt", "<": "Lt"}
_END = ""

_NAME = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")

_KEY_RULE = (
    "a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an"
    " alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is"
    " '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/'"
    " (e.g. 'example.com/MyName')"
)
_NAME_RULE = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an"
    " alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is"
    " '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must"
    " start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for"
    " validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """One term of a selector."""

    key: str
    operator: str
    """In, NotIn, Exists, DoesNotExist, Gt, Lt."""

    values: tuple[str, ...] = ()

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether labels meet it; a missing label meets NotIn."""
        value = labels.get(self.key)
        if self.operator == "Exists":
            return value is not None
        if self.operator == "DoesNotExist":
            return value is None
        if self.operator in ("In", "NotIn"):
            return (value in self.values) == (self.operator == "In")
        try:
            seen, limit = int(value or ""), int(self.values[0])
        except ValueError:
            return False
        return seen > limit if self.operator == "Gt" else seen < limit


def matches(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Whether labels meet a LabelSelector; an empty one takes all, None takes nothing."""
    return selector is not None and all(r.holds(labels) for r in requirements(selector))


def requirements(selector: Mapping[str, Any]) -> list[Requirement]:
    """The terms of a LabelSelector, ``{"matchLabels": …, "matchExpressions": …}``."""
    terms = [
        Requirement(key=key, operator="In", values=(value,))
        for key, value in (selector.get("matchLabels") or {}).items()
    ]
    for term in selector.get("matchExpressions") or ():
        values = tuple(term.get("values") or ())
        terms.append(Requirement(key=term["key"], operator=term["operator"], values=values))
    return terms


def text_of(selector: Mapping[str, Any] | None) -> str:
    """A LabelSelector as a query spells it: ``app=web,tier in (a,b)``."""
    if selector is None:
        return ""
    shown = []
    for r in sorted(requirements(selector), key=lambda r: r.key):
        if r.operator in ("In", "NotIn") and len(r.values) == 1 and r.key in (selector.get("matchLabels") or {}):
            shown.append(f"{r.key}={r.values[0]}")
        elif r.operator in ("In", "NotIn"):
            shown.append(f"{r.key} {r.operator.lower()} ({','.join(sorted(r.values))})")
        else:
            shown.append(("!" if r.operator == "DoesNotExist" else "") + r.key)
    return ",".join(shown)


def parse(text: str) -> list[Requirement]:
    """The terms of a query's labelSelector; 400 in a real server's words."""
    return _Parser(text).all()


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens = [m[1] or m[2] for m in _TOKEN.finditer(text)]
        self.at = 0

    def all(self) -> list[Requirement]:
        terms: list[Requirement] = []
        if not self.tokens:
            return terms
        while True:
            token = self.look()
            if token not in ("!",) and (token == _END or not _is_word(token)):
                raise bad_request(f"found '{token}', expected: !, identifier, or 'end of string'")
            terms.append(self.requirement())
            token = self.next()
            if token == _END:
                return terms
            if token != ",":
                raise bad_request(f"found '{token}', expected: ',' or 'end of string'")
            following = self.look()
            if following != "!" and not _is_word(following):
                raise bad_request(f"found '{following}', expected: identifier after ','")

    def requirement(self) -> Requirement:
        negated = self.look() == "!"
        if negated:
            self.next()
        key = self.next()
        if not _is_word(key):
            raise _unparsable(f"found '{key}', expected: identifier")
        _check_key(key)
        operator = self.look()
        if negated or operator in (_END, ","):
            return Requirement(key=key, operator="DoesNotExist" if negated else "Exists")
        self.next()
        if operator not in _OPERATORS:
            expected = "in, notin, =, ==, !=, gt, lt"
            raise _unparsable(f"found '{operator}', expected: {expected}")
        values = self.listed() if operator in ("in", "notin") else [self.exact()]
        if operator in "<>":
            _check_number(values[0])
        for at, value in enumerate(values):
            _check_value(key, at, value)
        return Requirement(key=key, operator=_OPERATORS[operator], values=tuple(values))

    def exact(self) -> str:
        token = self.look()
        if token in (_END, ","):
            return ""
        if not _is_word(token):
            raise _unparsable(f"found '{token}', expected: identifier")
        return self.next()

    def listed(self) -> list[str]:
        token = self.next()
        if token != "(":
            raise _unparsable(f"found '{token}' expected: '('")
        values: list[str] = []
        value = ""
        while True:
            token = self.next()
            if token == ")":
                return [*values, value]
            if token == ",":
                values.append(value)
                value = ""
            elif _is_word(token) and not value:
                value = token
            else:
                raise _unparsable(f"found '{token}', expected: ',' or ')'")

    def look(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else _END

    def next(self) -> str:
        token = self.look()
        self.at += 1
        return token


def _is_word(token: str) -> bool:
    return bool(token) and token[0] not in "=!(),<>"


def _unparsable(text: str) -> status.StatusError:
    return bad_request(f"unable to parse requirement: {text}")


def key_problems(key: str) -> Sequence[str]:
    """What is wrong with a label's key."""
    parts = key.split("/")
    if len(parts) > 2:
        return [_KEY_RULE]
    name, problems = parts[-1], []
    if len(parts) == 2 and not parts[0]:
        problems.append("prefix part must be non-empty")
    elif len(parts) == 2 and not _PREFIX.fullmatch(parts[0]):
        problems.append(
            "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-'"
            " or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for"
            " validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
        )
    if not name:
        problems.append("name part must be non-empty")
    elif len(name) > 63:
        problems.append("name part must be no more than 63 bytes")
    if not _NAME.fullmatch(name):
        problems.append(_NAME_RULE)
    return problems


def _check_key(key: str) -> None:
    if problems := key_problems(key):
        raise _unparsable(f'<nil>: Invalid value: "{key}": {"; ".join(problems)}')


def _check_number(value: str) -> None:
    if not re.fullmatch(r"[-+]?[0-9]+", value, re.ASCII) or not -(2**63) <= int(value) < 2**63:
        text = "for 'Gt', 'Lt' operators, the value must be an integer"
        raise _unparsable(f'values[0]: Invalid value: "{value}": {text}')


def _check_value(key: str, at: int, value: str) -> None:
    problems = ["must be no more than 63 bytes"] if len(value) > 63 else []
    if not _VALUE.fullmatch(value):
        problems.append(_VALUE_RULE)
    if problems:
        raise _unparsable(f'values[{at}][{key}]: Invalid value: "{value}": {"; ".join(problems)}')
