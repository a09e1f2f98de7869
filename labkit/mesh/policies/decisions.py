"""Whether a request or a connection may pass a guard, and which policy decided: a model of what Envoy does."""

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from labkit.mesh import ir
from labkit.mesh.ir import access


@dataclass(frozen=True, kw_only=True)
class Caller:
    """The caller, as the proxy sees it."""

    principal: str = ""
    """``spiffe://cluster.local/ns/default/sa/curl``; empty without mutual TLS."""

    address: str = "127.0.0.1"
    client_address: str = ""
    """The client address from X-Forwarded-For behind trusted proxies; empty if it is ``address``."""

    server_name: str = ""
    claims: Mapping[str, Any] = field(default_factory=dict)
    """Claims of the token that the proxy verified; empty without a token."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """The request; for a connection that is not HTTP only the port counts."""

    port: int
    address: str = "127.0.0.1"
    method: str = "GET"
    host: str = ""
    path: str = "/"
    """Normalised, without its query."""

    headers: Mapping[str, str] = field(default_factory=dict)
    """By lower-case name."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The verdict on a request or connection."""

    is_allowed: bool
    rule: str = ""
    """The name of the rule that decided: ``ns[default]-policy[viewer]-rule[0]``; empty where none applies."""

    action: str = ""
    """The step that decided: ``ALLOW``, ``DENY``, or ``CUSTOM`` where an authorizer has the last word."""

    asks: tuple[str, ...] = ()
    """Authorizers that the proxy asks first."""

    asked_by: tuple[str, ...] = ()
    """For each authorizer, the name of the rule that involves it."""


def of_request(guard: ir.Guard, caller: Caller, request: Request) -> Decision:
    """A request whose token, if it has one, was checked."""
    return _decided(guard.access.requests, caller, request)


def _decided(steps: Sequence[ir.Step], caller: Caller, request: Request) -> Decision:
    asks, asked_by = list[str](), list[str]()
    decision = Decision(is_allowed=True)
    for step in steps:
        if isinstance(step, ir.Asking):
            if asking := applying(step.rules, caller, request):
                asks.append(step.authorizer.name)
                asked_by.append(asking.name)
            continue
        if step.enforced is None or step.action == access.LOG:
            continue
        rule = applying(step.enforced, caller, request)
        if (rule is None) == (step.action == access.ALLOW):
            decision = Decision(is_allowed=False, rule=rule.name if rule else "", action=step.action)
            break
        if rule is not None:
            decision = Decision(is_allowed=True, rule=rule.name, action=step.action)
    return replace(decision, asks=tuple(asks), asked_by=tuple(asked_by))


def applying(rules: Iterable[ir.Rule], caller: Caller, request: Request) -> ir.Rule | None:
    """The first rule by name that applies: Envoy keeps policies in that order."""
    return next((r for r in sorted(rules, key=lambda r: r.name) if applies(r, caller, request)), None)


def applies(rule: ir.Rule, caller: Caller, request: Request) -> bool:
    """Whether a rule applies to the request."""

    def one_passes(alternatives: tuple[access.Tests, ...]) -> bool:
        return any(all(passes(test, caller, request) for test in tests) for tests in alternatives)

    return not rule.is_never and one_passes(rule.operations) and one_passes(rule.callers)


def passes(test: ir.Test, caller: Caller, request: Request) -> bool:
    """Whether a request passes one test of a rule."""
    return _fits_any(test, caller, request) != test.is_negated


def _fits_any(test: ir.Test, caller: Caller, request: Request) -> bool:
    match test.asks:
        case access.PORT:
            return any(int(text.value) == request.port for text in test.texts)
        case access.CLAIM:
            return any(fits(text, value) for text in test.texts for value in _claim(caller.claims, test.keys))
        case access.SUBJECT:
            issuer, subject = (_text(caller.claims.get(name)) for name in ("iss", "sub"))
            pairs = zip(test.issuers, test.texts, strict=True)
            return any(_fits_claim(i, issuer) and _fits_claim(s, subject) for i, s in pairs)
        case access.METADATA:
            return False
    value = VALUES[test.asks](caller, request, test.keys)
    return value is not None and any(fits(text, value, test.asks) for text in test.texts)


def values(test: ir.Test, caller: Caller, request: Request) -> list[str]:
    """The values of the request that a test compares."""
    match test.asks:
        case access.PORT:
            return [str(request.port)]
        case access.CLAIM:
            return _claim(caller.claims, test.keys)
        case access.SUBJECT:
            named = [_text(caller.claims.get(name)) for name in ("iss", "sub")]
            return ["/".join(filter(None, named))] if any(named) else []
        case access.METADATA:
            return []
    value = VALUES[test.asks](caller, request, test.keys)
    return [value] if value else []


def _fits_claim(text: ir.Text, value: str | None) -> bool:
    return value is not None and fits(text, value)


VALUES: Mapping[str, Callable[[Caller, Request, tuple[str, ...]], str | None]] = {
    access.PRINCIPAL: lambda caller, _, __: caller.principal or None,
    access.PEER_ADDRESS: lambda caller, _, __: caller.address,
    access.CLIENT_ADDRESS: lambda caller, _, __: caller.client_address or caller.address,
    access.OWN_ADDRESS: lambda _, request, __: request.address,
    access.SERVER_NAME: lambda caller, _, __: caller.server_name,
    access.HOST: lambda _, request, __: request.host,
    access.METHOD: lambda _, request, __: request.method,
    access.PATH: lambda _, request, __: request.path,
    access.HEADER: lambda _, request, keys: request.headers.get(keys[0].lower()),
}
"""Subject of a test → the value that counts; None for a missing value, which matches nothing."""


def fits(text: ir.Text, value: str, asks: str = "") -> bool:
    """Whether a value matches one text."""
    expected = text.value
    if asks == access.HOST:
        value, expected = value.lower(), expected.lower()
    match text.kind:
        case "present":
            return True
        case "prefix":
            return value.startswith(expected)
        case "suffix":
            return value.endswith(expected)
        case "regex":
            return re.fullmatch(expected, value) is not None
        case "template":
            return re.fullmatch(_template(expected), value) is not None
        case "range":
            return ipaddress.ip_address(value) in ipaddress.ip_network(expected, strict=False)
    return value == expected


def _template(path: str) -> str:
    """``/t/*/x`` and ``/t/**`` as regular expressions; ``*`` is one part of a path, ``**`` any number of them."""
    parts = re.split(r"(\*\*|\*)", path)
    # The characters that a part may have: pchar of RFC 3986 (Envoy, uri_template_internal.cc).
    pchar = r"[a-zA-Z0-9\-._~%!$&'()+,;:@=]"
    return "".join({"*": f"{pchar}+", "**": rf"(?:{pchar}|/)*"}.get(part, re.escape(part)) for part in parts)


def _claim(claims: Mapping[str, Any], keys: tuple[str, ...]) -> list[str]:
    value: Any = claims
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    if isinstance(value, str):
        # Claims that are lists with spaces between are split before anybody asks.
        return value.split(" ") if keys[-1] in ("scope", "permission") and len(keys) == 1 else [value]
    return [element for element in value if isinstance(element, str)] if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
