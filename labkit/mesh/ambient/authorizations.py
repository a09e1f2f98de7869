"""AuthorizationPolicies as istiod tells them to ztunnel, and what it says about them in their status.

A policy with ``targetRefs`` is a waypoint's. ztunnel knows connections, not requests: an ALLOW rule that asks for an
HTTP attribute is left out whole, a DENY rule loses the attribute.
"""

import ipaddress
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import model
from labkit.mesh.policies import authorization as policies
from labkit.mesh.policies import selection

RESOURCE = "authorizationpolicies.security.istio.io"
ALLOW, DENY = "ALLOW", "DENY"
SELECTOR, NAMESPACE = "WORKLOAD_SELECTOR", "NAMESPACE"
ACCEPTED, UNSUPPORTED = "Accepted", "UnsupportedValue"

Part = Mapping[str, Any]
Authorization = dict[str, Any]
"""``istio.security.Authorization`` in proto3 JSON; without ``scope`` it is of the whole mesh, without ``action`` ALLOW.

Groups are alternatives; all rules of a group must match; a rule matches by one of its matches.
"""

HTTP_OPERATIONS = ("hosts", "notHosts", "methods", "notMethods", "paths", "notPaths")
HTTP_SOURCES = ("remoteIpBlocks", "notRemoteIpBlocks", "requestPrincipals", "notRequestPrincipals")

HTTP_FOUND = (
    "ztunnel does not support HTTP attributes (found: {found}). "
    "In ambient mode you must use a waypoint proxy to enforce HTTP rules. {outcome}"
)
OUTCOMES = {
    DENY: "DENY policy with HTTP attributes is enforced without the HTTP rules. "
    "This will be more restrictive than requested.",
    ALLOW: "Within an ALLOW policy, rules matching HTTP attributes are omitted. "
    "This will be more restrictive than requested.",
}
"""istiod's own words. Of DENY they are not always true: a rule of nothing but empty matches never
matches at ztunnel (github.com/istio/istio/issues/61126)."""


@dataclass(frozen=True, kw_only=True)
class Converted:
    """What istiod makes of one policy for ztunnel."""

    policy: Object
    authorization: Authorization | None = None
    """None where ztunnel is not told of it."""

    reason: str = ACCEPTED
    message: str = "attached to ztunnel"

    @property
    def selector(self) -> Mapping[str, str] | None:
        """The labels of the workloads it is for; None where it is for a namespace or the mesh."""
        chosen = (self.policy.get("spec") or {}).get("selector")
        return None if chosen is None else chosen.get("matchLabels") or {}


def converted(snapshot: model.Snapshot) -> list[Converted]:
    """Every policy that is not a waypoint's, in the order of the API.

    istiod passes over dry runs here: ztunnel would enforce them (github.com/istio/istio/pull/55414).
    """
    own = (p for p in snapshot.of(RESOURCE) if not selection.targets_of(p.get("spec") or {}))
    return [of(policy, snapshot.root_namespace) for policy in own if not policies.is_trial(policy)]


def of(policy: Object, root: str) -> Converted:
    """One policy without ``targetRefs``."""
    spec = policy.get("spec") or {}
    action = str(spec.get("action") or ALLOW)
    if action not in (ALLOW, DENY):
        text = f"ztunnel does not support the {action} action"
        return Converted(policy=policy, reason=UNSUPPORTED, message=text)
    namespace = resources.namespace_of(policy)
    groups, http = list[Part](), set[str]()
    for rule in spec.get("rules") or ():
        rules, attributes = _rules(rule or {}, namespace)
        http |= attributes
        if not (attributes and action == ALLOW):
            groups.append({"rules": rules} if rules else {})
    authorization: Authorization = {"name": resources.name_of(policy), "namespace": namespace}
    if action == DENY:
        authorization["action"] = DENY
    if scope := _scope(spec, namespace, root):
        authorization["scope"] = scope
    if groups:
        authorization["groups"] = groups
    if not http:
        return Converted(policy=policy, authorization=authorization)
    text = HTTP_FOUND.format(found=", ".join(sorted(http)), outcome=OUTCOMES[action])
    return Converted(policy=policy, authorization=authorization, reason=UNSUPPORTED, message=text)


def condition(converted: Converted) -> Object:
    """The condition that istiod writes into the policy's status; ``observedGeneration`` is a text there."""
    return {
        "type": "ZtunnelAccepted",
        "status": "True" if converted.authorization is not None else "False",
        "reason": converted.reason,
        "message": converted.message,
        "observedGeneration": str(converted.policy["metadata"].get("generation", 1)),
    }


def is_void(group: Part) -> bool:
    """Whether a group can never match."""
    return any(rule.get("matches") and not any(rule["matches"]) for rule in group.get("rules") or ())


def _scope(spec: Part, namespace: str, root: str) -> str:
    if spec.get("selector") is not None:
        return SELECTOR
    return NAMESPACE if namespace != root else ""


def _rules(rule: Part, namespace: str) -> tuple[list[Part], set[str]]:
    """What a rule asks of a connection, and the attributes in it that only HTTP has."""
    http = set[str]()
    operations = [(entry or {}).get("operation") or {} for entry in rule.get("to") or ()]
    sources = [(entry or {}).get("source") or {} for entry in rule.get("from") or ()]
    for parts, fields in ((operations, HTTP_OPERATIONS), (sources, HTTP_SOURCES)):
        http |= {field for part in parts for field in fields if part.get(field)}
    rules: list[Part] = [{"matches": [_fields(p, OPERATIONS, namespace) for p in operations]}] if operations else []
    if sources:
        rules.append({"matches": [_fields(p, SOURCES, namespace) for p in sources]})
    for condition in rule.get("when") or ():
        key = str(condition.get("key") or "")
        if key not in CONDITIONS:
            http.add(key)
        rules.append({"matches": [_when(condition, key, namespace)]})
    return rules, http


def texts(values: Iterable[str]) -> list[Part]:
    """``*``, ``*end``, ``start*`` or exactly as written."""
    return [_text(str(value)) for value in values]


def _text(value: str) -> Part:
    if value == "*":
        return {"presence": {}}
    if value.startswith("*"):
        return {"suffix": value[1:]}
    return {"prefix": value[:-1]} if value.endswith("*") else {"exact": value}


def _accounts(values: Iterable[str], namespace: str) -> list[Part]:
    pairs = (value.split("/", 1) if "/" in value else (namespace, value) for value in map(str, values))
    return [{"namespace": of_namespace, "serviceAccount": account} for of_namespace, account in pairs]


def _ports(values: Iterable[str]) -> list[int]:
    numbers = (int(text) for text in map(str, values) if text.isascii() and text.isdecimal())
    return [number for number in numbers if number <= 65535]


def _ranges(values: Iterable[str]) -> list[Part]:
    return [network for value in values if (network := _range(str(value))) is not None]


def _range(value: str) -> Part | None:
    try:
        network = ipaddress.ip_interface(value)
    except ValueError:
        return None
    return {"address": str(network.ip), "length": network.network.prefixlen}


Reading = Callable[[Sequence[str], str], list[Any]]
"""Values, and the namespace of the policy → the values of the field in WDS."""


def _plain(read: Callable[[Iterable[str]], list[Any]]) -> Reading:
    return lambda values, _: read(values)


OPERATIONS: Mapping[str, tuple[str, Reading]] = {"ports": ("destinationPorts", _plain(_ports))}
SOURCES: Mapping[str, tuple[str, Reading]] = {
    "ipBlocks": ("sourceIps", _plain(_ranges)),
    "namespaces": ("namespaces", _plain(texts)),
    "serviceAccounts": ("serviceAccounts", _accounts),
    "principals": ("principals", _plain(texts)),
}
CONDITIONS: Mapping[str, tuple[str, Reading]] = {
    "source.ip": ("sourceIps", _plain(_ranges)),
    "source.namespace": ("namespaces", _plain(texts)),
    "source.principal": ("principals", _plain(texts)),
    "destination.ip": ("destinationIps", _plain(_ranges)),
    "destination.port": OPERATIONS["ports"],
}


def _fields(part: Part, fields: Mapping[str, tuple[str, Reading]], namespace: str) -> dict[str, Any]:
    match: dict[str, Any] = {}
    for field, (name, read) in fields.items():
        match |= _both(name, read, part.get(field), part.get(_negated(field)), namespace)
    return match


def _when(condition: Part, key: str, namespace: str) -> dict[str, Any]:
    if key not in CONDITIONS:
        return {}
    name, read = CONDITIONS[key]
    return _both(name, read, condition.get("values"), condition.get("notValues"), namespace)


def _both(name: str, read: Reading, values: Any, not_values: Any, namespace: str) -> dict[str, Any]:
    pairs = ((name, values), (_negated(name), not_values))
    return {title: matches for title, given in pairs if given and (matches := read(given, namespace))}


def _negated(field: str) -> str:
    return f"not{field[0].upper()}{field[1:]}"
