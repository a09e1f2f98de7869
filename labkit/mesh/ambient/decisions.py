"""Whether a connection gets past ztunnel: the policies of its tables, asked in ztunnel's order.

A DENY that matches refuses; without any ALLOW policy all else passes; otherwise an ALLOW has to match. Groups of a
policy are alternatives, all rules of a group must match, and a rule matches by one of its matches. A match without
any condition is passed over.
"""

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from labkit.mesh.ambient import authorizations
from labkit.mesh.ambient.authorizations import ALLOW, DENY, NAMESPACE, SELECTOR, Authorization
from labkit.mesh.ambient.tables import Tables


@dataclass(frozen=True, kw_only=True)
class Connection:
    """What ztunnel knows of a connection when it arrives at a pod."""

    principal: str = ""
    """``cluster.local/ns/amb/sa/curl``; empty without a certificate."""

    source_ip: str
    destination_ip: str
    destination_port: int
    """The pod's own port."""

    @property
    def account(self) -> tuple[str, str]:
        """Namespace and service account of the principal; empty without one."""
        parts = self.principal.split("/")
        return (parts[2], parts[4]) if len(parts) == 5 else ("", "")


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What becomes of it."""

    is_allowed: bool
    policy: str = ""
    """``namespace/name`` of the policy that decided; empty where none matched."""

    action: str = ""
    """That policy's; ``ALLOW`` also where none of the ALLOW policies matched."""


def decide(tables: Tables, uid: str, connection: Connection) -> Decision:
    """The decision for the workload of a uid, ``Kubernetes//Pod/amb/reviews-v1``."""
    policies = asked(tables, uid)
    for action in (DENY, ALLOW):
        own = {key: p for key, p in policies.items() if p.get("action", ALLOW) == action}
        for key, policy in own.items():
            if matches(policy, connection):
                return Decision(is_allowed=action == ALLOW, policy=key, action=action)
        if action == ALLOW and own:
            return Decision(is_allowed=False, action=ALLOW)
    return Decision(is_allowed=True)


def asked(tables: Tables, uid: str) -> dict[str, Authorization]:
    """The policies that are asked about connections to a workload: of the mesh, of its namespace, its own."""
    workload = tables.workloads.get(uid) or {}
    own = frozenset(workload.get("authorizationPolicies") or ())
    return {key: p for key, p in tables.policies.items() if key in own or _is_general(p, workload.get("namespace", ""))}


def _is_general(policy: Authorization, namespace: str) -> bool:
    scope = policy.get("scope")
    return scope != SELECTOR and (scope != NAMESPACE or policy["namespace"] == namespace)


def matches(policy: Authorization, connection: Connection) -> bool:
    """Whether any group of a policy matches; a policy without groups never does."""
    return any(_group(group, connection) for group in policy.get("groups") or ())


def _group(group: Mapping[str, Any], connection: Connection) -> bool:
    if authorizations.is_void(group):
        return False
    return all(_rule(rule.get("matches") or (), connection) for rule in group.get("rules") or ())


def _rule(alternatives: Iterable[Mapping[str, Any]], connection: Connection) -> bool:
    every = list(alternatives)
    return not every or any(match and fits(match, connection) for match in every)


def fits(match: Mapping[str, Any], connection: Connection) -> bool:
    """Whether a connection fits every condition of one match."""
    for field, compare in _FIELDS.items():
        negated = f"not{field[0].upper()}{field[1:]}"
        if field in match and not any(compare(value, connection) for value in match[field]):
            return False
        if negated in match and any(compare(value, connection) for value in match[negated]):
            return False
    return True


def _text(value: Mapping[str, Any], text: str) -> bool:
    if "presence" in value:
        return bool(text)
    if "exact" in value:
        return bool(text) and text == value["exact"]
    if "prefix" in value:
        return bool(text) and text.startswith(value["prefix"])
    return bool(text) and text.endswith(value.get("suffix", ""))


def _is_in(value: Mapping[str, Any], address: str) -> bool:
    network = ipaddress.ip_network(f"{value['address']}/{value.get('length', 0)}", strict=False)
    own = ipaddress.ip_address(address)
    return own.version == network.version and own in network


_FIELDS: Mapping[str, Callable[[Any, Connection], bool]] = {
    "principals": lambda value, c: _text(value, c.principal),
    "namespaces": lambda value, c: _text(value, c.account[0]),
    "serviceAccounts": lambda value, c: (value.get("namespace", ""), value.get("serviceAccount", "")) == c.account,
    "sourceIps": lambda value, c: _is_in(value, c.source_ip),
    "destinationIps": lambda value, c: _is_in(value, c.destination_ip),
    "destinationPorts": lambda value, c: value == c.destination_port,
}
"""How each field of a match compares with a connection."""
