"""Names and values of headers that are matched, set, added and removed."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from labkit.mesh.names import is_authority
from labkit.mesh.validation.findings import Finding, errors
from labkit.mesh.validation.gotext import quoted

CLAIM = "@request.auth.claims"
"""A match on a header whose name begins so matches a claim of the request's token."""

_MATCHED = re.compile(r":?[-!#$%&'*+.^_`|~0-9a-zA-Z]+")
_STRICT = re.compile(r"[-_A-Za-z0-9]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_EMPTY = "header name cannot be empty"


def is_claim(name: str) -> bool:
    """Whether a header's name means a claim: ``@request.auth.claims.group``, ``@request.auth.claims[group]``."""
    return name.lower().startswith(CLAIM) and name[len(CLAIM) :][:1] in (".", "[")


def matched(name: str) -> str:
    """What is wrong with the name of a header that is matched."""
    if not name:
        return _EMPTY
    return "" if is_claim(name) or _MATCHED.fullmatch(name) else f"header name {name} is not a valid header name"


def plain(name: str) -> str:
    """What is wrong with the name of a header that a policy allows, exposes or sets."""
    if not name:
        return _EMPTY
    return "" if _STRICT.fullmatch(name) else f"header name {name} is not a valid header name"


def changes(headers: Mapping[str, Any] | None) -> Iterator[Finding]:
    """What is wrong with ``headers`` of a route or a destination."""
    for side in ("request", "response"):
        operations = (headers or {}).get(side) or {}
        for operation in ("add", "set"):
            for name, text in sorted((operations.get(operation) or {}).items()):
                yield from errors(_changed(name, may_be_host=side == "request"), value(text))
        for name in operations.get("remove") or []:
            yield from errors(_changed(name, may_be_host=False))


def _changed(name: str, *, may_be_host: bool) -> str:
    """What is wrong with the name of a header that is set, added or removed; only requests accept a new host."""
    if not name:
        return _EMPTY
    if may_be_host and is_authority(name):
        return ""
    if name.lower() == "host":
        return f"invalid header {quoted(name)}: cannot set Host header"
    return f'invalid header {quoted(name)}: header cannot have ":" prefix' if name.startswith(":") else ""


def value(text: str) -> str:
    """What is wrong with the value of a header: it may hold commands such as ``%START_TIME(%s.%3f)%``."""
    if _CONTROL.search(text):
        return f"header value configuration {text} is invalid"
    problem = _commands(text)
    return f"header value configuration: invalid header configuration. {problem}" if problem else ""


_QUOTED = re.compile(r'(?:[^\\")]|\\.)*', re.DOTALL)
"""An argument is text up to a quote or a closing parenthesis; a backslash keeps the next character."""


def _commands(text: str) -> str:
    """Envoy's grammar of custom headers: literals, ``%%``, ``%NAME%``, ``%NAME(text)%`` and ``%NAME(["a", "b"])%``."""
    at = 0
    while (start := text.find("%", at)) >= 0:
        if text[start + 1 : start + 2] == "":
            return "Un-escaped %"
        if text[start + 1] == "%":
            at = start + 2
            continue
        name = re.compile(r"[^%(]*").match(text, start + 1)
        assert name
        if text[name.end() : name.end() + 1] == "%":
            at = name.end() + 1
            continue
        at, problem = _arguments(text, name.end() + 1)
        if problem:
            return problem
        if at < 0:
            return f"Un-terminated variable expression '{text}'"
    return ""


def _arguments(text: str, at: int) -> tuple[int, str]:
    """(end of the expression whose arguments begin at ``at``, or -1; what is wrong with the arguments)."""
    at = _blanks(text, at)
    state = "array" if text[at : at + 1] == "[" else "text"
    # The first character of an argument that is no array is taken as it is.
    at += 1
    while at < len(text):
        if state == "text":
            at = _QUOTED.match(text, at).end()  # type: ignore[union-attr]
            if text[at:] == "\\":
                return -1, "Un-terminated backslash in JSON string"
            state = {")": "after", '"': "next"}.get(text[at : at + 1], "")
            at += 1
            continue
        at = _blanks(text, at)
        character = text[at : at + 1]
        if not character:
            break
        if state == "array" and character != '"':
            return -1, "Expecting '\"'"
        if state == "next" and character not in ",]":
            return -1, "Expecting ',', ']', or whitespace"
        if state == "end" and character != ")":
            return -1, "Expecting ')' or whitespace after '{}', but found '{}'"
        if state == "after" and character != "%":
            return -1, "Expecting '%' or whitespace after"
        if state == "after":
            return at + 1, ""
        state = {'"': "text", ",": "array", "]": "end", ")": "after"}[character]
        at += 1
    return -1, ""


def _blanks(text: str, at: int) -> int:
    while text[at : at + 1] == " ":
        at += 1
    return at
