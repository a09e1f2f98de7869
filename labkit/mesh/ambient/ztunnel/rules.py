"""ztunnel's policies as Envoy's RBAC: for one pod, so what they ask of the destination's address is decided here.

ztunnel passes over an empty match, and a rule of nothing but empty matches never matches.
"""

import ipaddress
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from labkit.mesh.ambient import authorizations
from labkit.mesh.ambient.authorizations import Authorization
from labkit.mesh.model import Resource
from labkit.mesh.policies.texts import quoted

Part = Mapping[str, Any]
SPIFFE = "spiffe://"


def applying(policies: Mapping[str, Authorization], *, namespace: str, named: Sequence[str]) -> list[Authorization]:
    """The policies that a workload keeps to: of the mesh, of its namespace, and those that its own row names."""
    return [policy for key, policy in policies.items() if _applies(key, policy, namespace, named)]


def _applies(key: str, policy: Part, namespace: str, named: Sequence[str]) -> bool:
    match policy.get("scope"):
        case authorizations.SELECTOR:
            return key in named
        case authorizations.NAMESPACE:
            return bool(policy["namespace"] == namespace)
    return True


def trees(policies: Sequence[Part], address: str, *, is_tunnelled: bool) -> list[Resource]:
    """RBAC trees in the order in which they decide: DENY, then ALLOW; none where nobody restricts anything.

    The port that is asked for stands in the authority of a tunnel's CONNECT, else in the connection.
    """
    every = []
    for action in (authorizations.DENY, authorizations.ALLOW):
        own = [p for p in policies if p.get("action", authorizations.ALLOW) == action]
        if own:
            named = {name: rule for p in own for name, rule in _policies(p, address, is_tunnelled)}
            every.append({"action": action, **({"policies": named} if named else {})})
    return every


def _policies(policy: Part, address: str, is_tunnelled: bool) -> Iterator[tuple[str, Resource]]:
    """Envoy's policies for one of ztunnel's: Envoy asks of ports and of callers apart, so alternatives stand alone."""
    name, number = f"{policy['namespace']}/{policy['name']}", itertools.count()
    for group in policy.get("groups") or ():
        rules = [list(_possible(rule["matches"], address)) for rule in group.get("rules") or () if rule.get("matches")]
        for matches in itertools.product(*rules):
            ports = [test for match in matches for test in _ports(match, is_tunnelled)]
            callers = [test for match in matches for test in _callers(match)]
            yield (
                f"{name}[{next(number)}]",
                {
                    "permissions": [{"and_rules": {"rules": ports}} if ports else {"any": True}],
                    "principals": [{"and_ids": {"ids": callers}} if callers else {"any": True}],
                },
            )


def _possible(matches: Sequence[Part], address: str) -> Iterator[Part]:
    """The matches that say something, and nothing false of the pod's own address."""
    for match in matches:
        ranges, not_ranges = match.get("destinationIps") or (), match.get("notDestinationIps") or ()
        if match and not (ranges and not _lies_in(address, ranges)) and not _lies_in(address, not_ranges):
            yield match


def _lies_in(address: str, ranges: Sequence[Part]) -> bool:
    own = ipaddress.ip_address(address)
    return any(own in ipaddress.ip_network(f"{r['address']}/{r['length']}", strict=False) for r in ranges)


def _ports(match: Part, is_tunnelled: bool) -> Iterator[Resource]:
    for field, is_negated in (("destinationPorts", False), ("notDestinationPorts", True)):
        if numbers := match.get(field):
            tests = {"or_rules": {"rules": [_port(number, is_tunnelled) for number in numbers]}}
            yield {"not_rule": tests} if is_negated else tests


def _port(number: int, is_tunnelled: bool) -> Resource:
    if not is_tunnelled:
        return {"destination_port": number}
    return {"header": {"name": ":authority", "string_match": {"suffix": f":{number}"}}}


def _callers(match: Part) -> Iterator[Resource]:
    for field, read in CALLERS.items():
        for key, is_negated in ((field, False), (f"not{field[0].upper()}{field[1:]}", True)):
            if values := match.get(key):
                tests = {"or_ids": {"ids": [read(value) for value in values]}}
                yield {"not_id": tests} if is_negated else tests


def _named(pattern: str) -> Resource:
    return {"authenticated": {"principal_name": {"safe_regex": {"regex": pattern}}}}


def _principal(text: Part) -> Resource:
    match next(iter(text.items())):
        case "exact", value:
            return {"authenticated": {"principal_name": {"exact": f"{SPIFFE}{value}"}}}
        case "prefix", value:
            return {"authenticated": {"principal_name": {"prefix": f"{SPIFFE}{value}"}}}
        case "suffix", value:
            return _named(f"{SPIFFE}.*{quoted(value)}")
    return {"authenticated": {}}


def _namespace(text: Part) -> Resource:
    match next(iter(text.items())):
        case "exact", value:
            return _named(f"{SPIFFE}[^/]+/ns/{quoted(value)}/sa/.*")
        case "prefix", value:
            return _named(f"{SPIFFE}[^/]+/ns/{quoted(value)}[^/]*/sa/.*")
        case "suffix", value:
            return _named(f"{SPIFFE}[^/]+/ns/[^/]*{quoted(value)}/sa/.*")
    return {"authenticated": {}}


def _account(account: Part) -> Resource:
    return _named(f"{SPIFFE}[^/]+/ns/{quoted(account['namespace'])}/sa/{quoted(account['serviceAccount'])}")


def _range(part: Part) -> Resource:
    return {"direct_remote_ip": {"address_prefix": part["address"], "prefix_len": part["length"]}}


CALLERS = {
    "principals": _principal,
    "namespaces": _namespace,
    "serviceAccounts": _account,
    "sourceIps": _range,
}
"""What a match asks of a caller, and how each value is asked."""
