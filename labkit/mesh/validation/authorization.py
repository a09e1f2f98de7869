"""AuthorizationPolicy and PeerAuthentication."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh.validation import names
from labkit.mesh.validation.findings import Finding, each, error, errors, listed, warning

Part = Mapping[str, Any]

DRY_RUN = "istio.io/dry-run"
_BOOLEANS = ("1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False")
_DENIES_TCP = (
    "configured AuthorizationPolicy will deny all traffic to TCP ports under its scope due to the use of only HTTP "
    "attributes in a DENY rule; it is recommended to explicitly specify the port"
)
_ADDRESSES = ("ipBlocks", "notIpBlocks", "remoteIpBlocks", "notRemoteIpBlocks")
_ACCOUNTS = ("serviceAccounts", "notServiceAccounts")
_HTTP_SOURCES = ("requestPrincipals", "notRequestPrincipals")
_HTTP_OPERATIONS = ("hosts", "notHosts", "methods", "notMethods", "paths", "notPaths")
_PLAIN_KEYS = frozenset(
    {
        "source.ip", "remote.ip", "source.namespace", "source.principal", "source.serviceAccount", "source.trustDomain",
        "destination.ip", "destination.port", "connection.sni", "request.auth.principal", "request.auth.audiences",
        "request.auth.presenter",
    }
)  # fmt: skip
_NESTED_KEYS = ("request.headers", "request.auth.claims", "experimental.envoy.filters")
_BRACKETS = re.compile(r"[^\[\]]+(\[[^\[\]]+\])+")
_FROM_NOT_CUSTOM = (
    "namespaces", "notNamespaces", "principals", "notPrincipals", "requestPrincipals", "notRequestPrincipals",
    "serviceAccounts", "notServiceAccounts", "trustDomains", "notTrustDomains",
)  # fmt: skip
_KEYS_NOT_CUSTOM = ("source.namespace", "source.principal", "source.serviceAccount", "request.auth.")


def selector(spec: Part) -> Iterator[Finding]:
    """A selector that selects nothing in particular."""
    if spec.get("selector") is not None and not spec["selector"].get("matchLabels"):
        yield warning("workload selector specified without labels")
    yield from errors(names.labels((spec.get("selector") or {}).get("matchLabels")))


def peer_authentication(obj: Object) -> Iterator[Finding]:
    """What Istio says of a PeerAuthentication."""
    yield from selector(obj.get("spec") or {})


def findings(obj: Object) -> Iterator[Finding]:
    """What Istio says of an AuthorizationPolicy."""
    spec = obj.get("spec") or {}
    said = resources.annotations_of(obj).get(DRY_RUN)
    place = f"{resources.namespace_of(obj)}/{resources.name_of(obj)}"
    if said is not None and said not in _BOOLEANS:
        problem = f'strconv.ParseBool: parsing "{said}": invalid syntax'
        yield error(f"{place} has annotation {DRY_RUN} with invalid value ({said}): {problem}")
    yield from selector(spec)
    title = f"invalid policy {resources.name_of(obj)}.{resources.namespace_of(obj)}: "
    for found in _policy(spec):
        yield found._replace(text=title + found.text) if found.is_error else found


def _policy(spec: Part) -> Iterator[Finding]:
    action, rules = spec.get("action", "ALLOW"), each(spec.get("rules"))
    if action == "CUSTOM":
        if not rules:
            yield error("CUSTOM action without `rules` is meaningless as it will never be triggered")
        if not (spec.get("provider") or {}).get("name"):
            yield error("`provider.name` must not be empty")
    if action == "DENY" and not rules:
        yield error(
            "DENY action without `rules` is meaningless as it will never be triggered, "
            "add an empty rule `{}` if you want it be triggered for every request"
        )
    for number, rule in enumerate(rules):
        yield from _from(rule, number, action)
        yield from _to(rule, number)
        yield from _when(rule, action)
    if action == "DENY" and any(_is_http_only(rule) for rule in rules):
        yield warning(_DENIES_TCP)


def _from(rule: Part, number: int, action: str) -> Iterator[Finding]:
    for entry in rule.get("from") or []:
        source = (entry or {}).get("source")
        if source is None:
            yield error(f"`from.source` must not be nil, found at rule {number}")
            continue
        if not any(source.values()):
            yield error(f"`from.source` must not be empty, found at rule {number}")
        for field, values in source.items():
            yield from _empty_values(field, values)
            if field in _ADDRESSES:
                yield from _addresses(values)
            if field in _ACCOUNTS:
                yield from _service_accounts(field, values)
            if action == "CUSTOM" and values and field in _FROM_NOT_CUSTOM:
                yield error(f"From.{_title(field)} is currently not supported with CUSTOM action")


def _to(rule: Part, number: int) -> Iterator[Finding]:
    for entry in rule.get("to") or []:
        operation = (entry or {}).get("operation")
        if operation is None:
            yield error(f"`to.operation` must not be nil, found at rule {number}")
            continue
        if not any(operation.values()):
            yield error(f"`to.operation` must not be empty, found at rule {number}")
        for field, values in operation.items():
            yield from _empty_values(field, values)
            if field in ("ports", "notPorts"):
                yield from _ports(values)
            if field in ("paths", "notPaths"):
                for path in values:
                    yield from _path(field, path)


def _when(rule: Part, action: str) -> Iterator[Finding]:
    for condition in each(rule.get("when")):
        key = condition.get("key", "")
        if not key:
            yield error("`key` must not be empty")
            continue
        if not (condition.get("values") or condition.get("notValues")):
            yield error(f"at least one of `values` or `notValues` must be set for key {key}")
            continue
        if action == "CUSTOM" and key.startswith(_KEYS_NOT_CUSTOM):
            yield error(f"{key} is currently not supported with CUSTOM action")
        elif problem := _key_problem(key):
            yield error(f"invalid `value` for `key` {key}: {problem}")
            yield error(f"invalid `notValue` for `key` {key}: {problem}")
        elif key in ("source.ip", "remote.ip", "destination.ip"):
            for field in ("values", "notValues"):
                yield from _addresses(condition.get(field) or [])
        elif key == "destination.port":
            for field in ("values", "notValues"):
                yield from _ports(condition.get(field) or [])


def _key_problem(key: str) -> str:
    if key in _PLAIN_KEYS:
        return ""
    if key.startswith(_NESTED_KEYS):
        return "" if _BRACKETS.fullmatch(key) else f"bad key ({key}): should have format a[b]"
    return f"unknown attribute: {key}"


def _title(field: str) -> str:
    return field[0].upper() + field[1:]


def _empty_values(field: str, values: list[str] | None) -> Iterator[Finding]:
    if any(not value for value in values or []):
        yield error(f"empty value not allowed, found in {_title(field)}")


def _addresses(values: list[str]) -> Iterator[Finding]:
    for value in filter(None, values):
        if not names.is_network(value):
            kind = "CIDR range" if "/" in value else "IP address"
            yield listed(f"bad {kind} ({value})")


def _ports(values: list[str]) -> Iterator[Finding]:
    for value in filter(None, values):
        if not value.isdigit():
            yield listed(f'bad port ({value}): strconv.ParseUint: parsing "{value}": invalid syntax')
        elif int(value) > 65535:
            yield listed(f"bad port ({value}): <nil>")


def _service_accounts(field: str, values: list[str]) -> Iterator[Finding]:
    for value in values:
        if "*" in value:
            yield error(f"wildcard not allowed, found in {_title(field)}")
        elif value.count("/") > 1:
            form = "expected format 'serviceAccount' or 'namespace/serviceAccount'"
            yield error(f'{form}, found "{value}" in {_title(field)}')


def _path(field: str, path: str) -> Iterator[Finding]:
    if "{" not in path and "}" not in path:
        return
    shown = path.removeprefix("/")
    title = f"invalid or unsupported path {shown}, found in {_title(field)}. "
    parts = shown.split("/")
    for at, part in enumerate(parts):
        if part == "{**}" and at < len(parts) - 1:
            yield error(f"{title}{{**}} is not the last operator")
            return
        if part not in ("{*}", "{**}") and ("{" in part or "}" in part):
            yield error(f"{title}Contains '{{' or '}}' beyond a supported path template")
            return


def _is_http_only(rule: Part) -> bool:
    """Whether a TCP port cannot tell anything of what it asks."""
    sources = [entry.get("source") or {} for entry in each(rule.get("from"))]
    operations = [entry.get("operation") or {} for entry in each(rule.get("to"))]
    keys = [condition.get("key", "") for condition in each(rule.get("when"))]
    http = any(k in part for part in sources for k in _HTTP_SOURCES)
    http = http or any(k in part for part in operations for k in _HTTP_OPERATIONS)
    http = http or any(key.startswith("request.") for key in keys)
    tcp = any(k not in _HTTP_SOURCES for part in sources for k in part)
    tcp = tcp or any(k not in _HTTP_OPERATIONS for part in operations for k in part)
    return http and not tcp and all(key.startswith("request.") for key in keys)
