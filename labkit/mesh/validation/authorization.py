"""AuthorizationPolicy."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh.validation import addresses, conditions, selectors
from labkit.mesh.validation.findings import Finding, each, error, errors, listed, warning
from labkit.mesh.validation.gotext import quoted

Part = Mapping[str, Any]

_NEVER = "action without `rules` is meaningless as it will never be triggered"
_ADD_A_RULE = "add an empty rule `{}` if you want it be triggered for every request"
_DENIES_TCP = (
    "configured AuthorizationPolicy will deny all traffic to TCP ports under its scope due to the use of only HTTP "
    "attributes in a DENY rule; it is recommended to explicitly specify the port"
)
_BLOCKS = ("ipBlocks", "notIpBlocks", "remoteIpBlocks", "notRemoteIpBlocks")
_ACCOUNTS = ("serviceAccounts", "notServiceAccounts")
_HTTP_SOURCES = ("requestPrincipals", "notRequestPrincipals")
_IDENTITIES = ("namespaces", "notNamespaces", "principals", "notPrincipals", *_HTTP_SOURCES, *_ACCOUNTS)
_SOURCES = (
    "principals", "requestPrincipals", "namespaces", "serviceAccounts", "ipBlocks", "remoteIpBlocks", "notPrincipals",
    "notRequestPrincipals", "notNamespaces", "notServiceAccounts", "notIpBlocks", "notRemoteIpBlocks",
)  # fmt: skip
_OPERATIONS = ("ports", "methods", "paths", "hosts", "notPorts", "notMethods", "notPaths", "notHosts")
_ANY, _ANY_DEPTH = "{*}", "{**}"


def findings(obj: Object) -> Iterator[Finding]:
    """What Istio says of one."""
    title = f"invalid policy {resources.name_of(obj)}.{resources.namespace_of(obj)}: "
    for finding in _policy(obj.get("spec") or {}):
        yield finding._replace(text=title + finding.text) if finding.is_error else finding


def _policy(spec: Part) -> Iterator[Finding]:
    action, rules = spec.get("action", "ALLOW"), each(spec.get("rules"))
    yield from selectors.of_policy(spec)
    if action == "CUSTOM":
        yield from _custom(spec, rules)
    elif spec.get("provider") is not None:
        yield error(f"`provider` must not be with non CUSTOM action, found {action}")
    if action == "DENY" and not rules:
        yield error(f"DENY {_NEVER}, {_ADD_A_RULE}")
    for number, rule in enumerate(rules):
        for entry in rule.get("from") or []:
            yield from _source((entry or {}).get("source"), number)
        for entry in rule.get("to") or []:
            yield from _operation((entry or {}).get("operation"), number)
        for condition in each(rule.get("when")):
            yield from conditions.findings(condition)
        if action == "DENY" and _denies_tcp(rule):
            yield warning(_DENIES_TCP)


def _custom(spec: Part, rules: list[Any]) -> Iterator[Finding]:
    """What the provider of a CUSTOM action cannot be asked about."""
    if not rules:
        yield error(f"CUSTOM {_NEVER}, {_ADD_A_RULE}")
    elif not (spec.get("provider") or {}).get("name"):
        yield error("`provider.name` must not be empty")
    for rule in rules:
        sources = [(entry or {}).get("source") or {} for entry in rule.get("from") or []]
        keys = [condition.get("key", "") for condition in each(rule.get("when"))]
        identities = [f"From.{_title(field)}" for source in sources for field in _IDENTITIES if source.get(field)]
        for name in [*identities, *filter(conditions.is_of_identity, keys)]:
            yield error(f"{name} is currently not supported with CUSTOM action")


def _source(source: Part | None, number: int) -> Iterator[Finding]:
    if source is None:
        yield error(f"`from.source` must not be nil, found at rule {number}")
        return
    if not any(source.values()):
        yield error(f"`from.source` must not be empty, found at rule {number}")
    for field in _BLOCKS:
        yield from map(listed, filter(None, map(addresses.block, source.get(field) or [])))
    yield from errors(*(_empty_value(field, source.get(field)) for field in _in_order(_SOURCES, source)))
    yield from errors(*(_service_account(field, source.get(field)) for field in _ACCOUNTS))


def _operation(operation: Part | None, number: int) -> Iterator[Finding]:
    if operation is None:
        yield error(f"`to.operation` must not be nil, found at rule {number}")
        return
    if not any(operation.values()):
        yield error(f"`to.operation` must not be empty, found at rule {number}")
    for field in ("ports", "notPorts"):
        yield from map(listed, filter(None, map(conditions.port, operation.get(field) or [])))
    yield from errors(*(_empty_value(field, operation.get(field)) for field in _in_order(_OPERATIONS, operation)))
    yield from errors(*(_path_template(field, operation.get(field)) for field in ("paths", "notPaths")))


def _in_order(fields: tuple[str, ...], part: Part) -> list[str]:
    """Istio's order, then the fields it may not know."""
    return [*fields, *(field for field in part if field not in fields)]


def _title(field: str) -> str:
    return field[0].upper() + field[1:]


def _empty_value(field: str, values: Any) -> str:
    is_empty = isinstance(values, list) and "" in values
    return f"empty value not allowed, found in {_title(field)}" if is_empty else ""


def _service_account(field: str, accounts: list[str] | None) -> str:
    for account in accounts or []:
        if "*" in account:
            return f"wildcard not allowed, found in {_title(field)}"
        if account.count("/") > 1:
            form = "expected format 'serviceAccount' or 'namespace/serviceAccount'"
            return f"{form}, found {quoted(account)} in {_title(field)}"
    return ""


def _path_template(field: str, paths: list[str] | None) -> str:
    for path in paths or []:
        parts = path.strip("/").split("/")
        title = f"invalid or unsupported path {path.strip('/')}, found in {_title(field)}. "
        has_depth = False
        for part in parts:
            if part in (_ANY, _ANY_DEPTH):
                if has_depth:
                    return f"{title}{_ANY_DEPTH} is not the last operator"
                has_depth = part == _ANY_DEPTH
            elif re.search("[{}]", part):
                return f"{title}Contains '{{' or '}}' beyond a supported path template"
            elif "*" in part and (_ANY in path or _ANY_DEPTH in path):
                return f"{title}Contains '*' beyond a supported path template"
    return ""


def _denies_tcp(rule: Part) -> bool:
    """Whether nothing that a rule asks can be told of a TCP connection, which it then denies."""
    sources = [entry["source"] for entry in each(rule.get("from")) if entry.get("source") is not None]
    operations = [entry["operation"] for entry in each(rule.get("to")) if entry.get("operation") is not None]
    if operations:
        return not any(part.get("ports") or part.get("notPorts") for part in operations)
    asks_of_tcp = any(value for part in sources for field, value in part.items() if field not in _HTTP_SOURCES)
    return bool(sources) and not asks_of_tcp
