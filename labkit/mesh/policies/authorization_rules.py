"""One rule of an AuthorizationPolicy: what it asks of callers and of what they do.

Istio asks in one order: what ``from`` and ``to`` say in the order of its table, then ``when`` as written.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labkit.mesh import ir
from labkit.mesh.ir import access
from labkit.mesh.policies import texts, trust_domains

Part = Mapping[str, Any]

HTTP_ONLY = frozenset({access.HOST, access.METHOD, access.PATH, access.HEADER, access.SUBJECT, access.CLAIM})
"""What cannot be asked of a connection that is not HTTP."""

SPIFFE = "spiffe://"


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What a rule's words depend on beside the rule."""

    namespace: str
    """Of its policy: a service account without a namespace is one of it."""

    domains: tuple[str, ...]
    """The mesh's trust domain, then its aliases."""


Reading = Callable[[Sequence[str], Origin], ir.Test]
"""Values of a field → the question; whether it is negated is set by the field."""


def rule(name: str, spec: Part, origin: Origin) -> ir.Rule:
    """A rule as it is asked of requests."""
    of_caller, of_operation = list[ir.Test](), list[ir.Test]()
    for condition in spec.get("when") or ():
        tests = of_operation if _is_of_operation(str(condition.get("key", ""))) else of_caller
        tests += _condition(condition, origin)
    sources = [(entry or {}).get("source") or {} for entry in spec.get("from") or ()]
    operations = [(entry or {}).get("operation") or {} for entry in spec.get("to") or ()]
    return ir.Rule(
        name=name,
        callers=_alternatives(sources, SOURCES, of_caller, origin),
        operations=_alternatives(operations, OPERATIONS, of_operation, origin),
    )


def of_connections(rule: ir.Rule, action: str) -> ir.Rule | None:
    """The rule as it is asked of connections that are not HTTP.

    An ALLOW rule that asks for more than a connection tells applies to none; other rules lose those questions.
    """
    every = [test for tests in (*rule.callers, *rule.operations) for test in tests]
    if not any(test.asks in HTTP_ONLY for test in every):
        return rule
    if action == access.ALLOW:
        return None

    def kept(alternatives: tuple[access.Tests, ...]) -> tuple[access.Tests, ...]:
        return tuple(tuple(t for t in tests if t.asks not in HTTP_ONLY) for tests in alternatives)

    return ir.Rule(name=rule.name, callers=kept(rule.callers), operations=kept(rule.operations))


def _alternatives(
    parts: Sequence[Part], fields: Sequence[tuple[str, Reading]], when: Sequence[ir.Test], origin: Origin
) -> tuple[access.Tests, ...]:
    if not parts:
        return (tuple(when),)
    return tuple(
        (*(test for field, read in fields for test in _field(part, field, read, origin)), *when) for part in parts
    )


def _field(part: Part, field: str, read: Reading, origin: Origin) -> Iterator[ir.Test]:
    yield from _both(part.get(field), part.get(f"not{field[0].upper()}{field[1:]}"), read, origin)


def _both(values: Any, not_values: Any, read: Reading, origin: Origin) -> Iterator[ir.Test]:
    for given, is_negated in ((values, False), (not_values, True)):
        if given:
            test = read([str(value) for value in given], origin)
            yield _negated(test) if is_negated else test


def _negated(test: ir.Test) -> ir.Test:
    return ir.Test(**{**vars(test), "is_negated": True})


def _principals(values: Sequence[str], origin: Origin) -> ir.Test:
    every = trust_domains.with_aliases(values, origin.domains)
    return ir.Test(asks=access.PRINCIPAL, texts=tuple(texts.text(value, SPIFFE) for value in every))


def _namespaces(values: Sequence[str], origin: Origin) -> ir.Test:
    patterns = (f".*/ns/{value.replace('*', '.*')}/.*" for value in values)
    return ir.Test(asks=access.PRINCIPAL, texts=tuple(ir.Text(kind="regex", value=p) for p in patterns))


def _accounts(values: Sequence[str], origin: Origin) -> ir.Test:
    named = (value.split("/", 1) if "/" in value else (origin.namespace, value) for value in values)
    patterns = (
        f"spiffe://.+/ns/{texts.quoted(namespace)}/(.+/|)sa/{texts.quoted(account)}(/.+)?"
        for namespace, account in named
    )
    return ir.Test(asks=access.PRINCIPAL, texts=tuple(ir.Text(kind="regex", value=p) for p in patterns))


def _trust_domains(values: Sequence[str], origin: Origin) -> ir.Test:
    patterns = (f"{SPIFFE}{'.*'.join(map(texts.quoted, value.split('*')))}/.*" for value in values)
    return ir.Test(asks=access.PRINCIPAL, texts=tuple(ir.Text(kind="regex", value=p) for p in patterns))


def _request_principals(values: Sequence[str], origin: Origin) -> ir.Test:
    pairs = [_issuer_and_subject(value) for value in values]
    return ir.Test(asks=access.SUBJECT, issuers=tuple(p[0] for p in pairs), texts=tuple(p[1] for p in pairs))


def _issuer_and_subject(value: str) -> tuple[ir.Text, ir.Text]:
    """``issuer/subject``; a pattern without a slash speaks of the end or the beginning of both together."""
    issuer, slash, subject = value.rpartition("/")
    if slash:
        return texts.text(issuer), texts.text(subject) if subject else ir.Text(kind="exact")
    if value.startswith("*"):
        return texts.SOMETHING, texts.text(value)
    return texts.text(value), texts.SOMETHING if value.endswith("*") else ir.Text(kind="exact")


def _of(asks: str, read: Callable[[str], ir.Text], **more: Any) -> Reading:
    return lambda values, _: ir.Test(asks=asks, texts=tuple(map(read, values)), **more)


def _range(value: str) -> ir.Text:
    return ir.Text(kind="range", value=value)


def _exact(value: str) -> ir.Text:
    return ir.Text(kind="exact", value=value)


def _path(value: str) -> ir.Text:
    if "{*}" in value or "{**}" in value:
        return ir.Text(kind="template", value=value.replace("{**}", "**").replace("{*}", "*"))
    return texts.text(value)


SOURCES: tuple[tuple[str, Reading], ...] = (
    ("principals", _principals),
    ("requestPrincipals", _request_principals),
    ("serviceAccounts", _accounts),
    ("namespaces", _namespaces),
    ("trustDomains", _trust_domains),
    ("remoteIpBlocks", _of(access.CLIENT_ADDRESS, _range)),
    ("ipBlocks", _of(access.PEER_ADDRESS, _range)),
)
OPERATIONS: tuple[tuple[str, Reading], ...] = (
    ("hosts", _of(access.HOST, texts.header)),
    ("methods", _of(access.METHOD, texts.header)),
    ("paths", _of(access.PATH, _path)),
    ("ports", _of(access.PORT, _exact)),
)

KEYS: Mapping[str, Reading] = {
    "source.ip": _of(access.PEER_ADDRESS, _range),
    "remote.ip": _of(access.CLIENT_ADDRESS, _range),
    "source.namespace": _namespaces,
    "source.serviceAccount": _accounts,
    "source.principal": _principals,
    "source.trustDomain": _trust_domains,
    "request.auth.principal": _request_principals,
    "request.auth.audiences": _of(access.CLAIM, texts.text, keys=("aud",)),
    "request.auth.presenter": _of(access.CLAIM, texts.text, keys=("azp",)),
    "destination.ip": _of(access.OWN_ADDRESS, _range),
    "destination.port": _of(access.PORT, _exact),
    "connection.sni": _of(access.SERVER_NAME, texts.text),
}
"""Keys of ``when`` that have no part of their own."""

HEADERS, CLAIMS, FILTERS = "request.headers[", "request.auth.claims[", "experimental.envoy.filters."


def _is_of_operation(key: str) -> bool:
    return key in ("destination.ip", "destination.port", "connection.sni") or key.startswith(FILTERS)


def _condition(condition: Part, origin: Origin) -> Iterator[ir.Test]:
    key, values, not_values = str(condition.get("key", "")), condition.get("values"), condition.get("notValues")
    read = KEYS.get(key)
    if read is None and key.startswith(HEADERS):
        read = _of(access.HEADER, texts.header, keys=(key[len(HEADERS) : -1],))
    elif read is None and key.startswith(CLAIMS):
        read = _of(access.CLAIM, texts.text, keys=tuple(key[len(CLAIMS) : -1].split("][")))
    elif read is None and key.startswith(FILTERS):
        read = _metadata(*key.removeprefix("experimental.").removesuffix("]").split("[", 1))
    if read is not None:
        yield from _both(values, not_values, read, origin)


def _metadata(name: str, key: str) -> Reading:
    """What another filter noted about a request; ``[value]`` is one element of a list."""

    def read(values: Sequence[str], origin: Origin) -> ir.Test:
        is_list = all(value.startswith("[") and value.endswith("]") for value in values)
        plain = [value.strip("[]") if is_list else value for value in values]
        return ir.Test(asks=access.METADATA, texts=tuple(map(texts.text, plain)), keys=(name, key), is_list=is_list)

    return read
