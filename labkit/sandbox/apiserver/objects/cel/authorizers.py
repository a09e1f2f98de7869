"""``authorizer`` in CEL: what an expression asks about rights, answered by whoever evaluates it.

https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-authorizer-library
"""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, NamedTuple

TAG = "\x01kind"


class Right(NamedTuple):
    """One question."""

    verb: str
    path: str
    """A path that is no resource; then what follows is empty."""

    group: str
    resource: str
    subresource: str
    namespace: str
    name: str
    account: str
    """``namespace/name`` of the service account whose right is meant; empty for whoever sent the request."""


class Answer(NamedTuple):
    """Whether it is given, and why."""

    is_allowed: bool
    reason: str = ""


ASKED: ContextVar[Callable[[Right], Answer]] = ContextVar("ASKED")
"""Who answers while an expression is evaluated."""

Value = Mapping[str, Any]


def authorizer(account: str = "") -> Value:
    """The value of the variable ``authorizer``."""
    return {TAG: "authorizer", "account": account}


def resource(**parts: str) -> Value:
    """The value of ``authorizer.requestResource``."""
    return {TAG: "resourcecheck", **parts}


def account_of(_: Value, namespace: str, name: str) -> Value:
    """``authorizer.serviceAccount(namespace, name)``."""
    return authorizer(f"{namespace}/{name}")


def group_of(value: Value, group: str) -> Value:
    """``authorizer.group(name)``."""
    return {**value, TAG: "groupcheck", "group": group}


def path_of(value: Value, path: str) -> Value:
    """``authorizer.path(path)``."""
    return {**value, TAG: "pathcheck", "path": path}


def resource_of(value: Value, name: str) -> Value:
    """``GROUP.resource(name)``."""
    return {**value, TAG: "resourcecheck", "resource": name}


def narrowed(key: str) -> Callable[[Value, str], Value]:
    """``RESOURCE.subresource(name)`` and its like."""
    return lambda value, text: {**value, key: text}


def check(value: Value, verb: str) -> Value:
    """``RESOURCE.check(verb)`` or ``PATH.check(verb)``."""
    right = Right(verb, *(str(value.get(key, "")) for key in Right._fields[1:]))
    answer = ASKED.get()(right)
    return {TAG: "decision", "allowed": answer.is_allowed, "reason": answer.reason}
