"""What policies say about one caller at one port of a pod, once its identity is settled.

Open connections live until the verdict on their caller changes, so two sets of policies that say the same about a
caller must give the same text, whatever else differs in them.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labkit.mesh.ambient import authorizations, decisions
from labkit.mesh.ambient.authorizations import ALLOW, DENY, Authorization

ALLOWED, REFUSED = "allowed", "refused"

OPEN = ("sourceIps", "notSourceIps")
"""Fields of a match that the identity does not settle: one account may call from many addresses."""

Remaining = frozenset[str]
"""Conditions on the caller's address that are left of a match, as JSON; without any it matches."""


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who asks for which port of which pod."""

    principal: str
    """``cluster.local/ns/amb/sa/curl``; empty without a certificate."""

    address: str
    """The pod's."""

    port: int


def verdict(policies: Sequence[Authorization], caller: Caller) -> str:
    """``allowed``, ``refused``, or a digest of what still depends on the caller's address."""
    denied = _matching((p for p in policies if p.get("action", ALLOW) == DENY), caller)
    if [] in denied:
        return REFUSED
    allowing = [p for p in policies if p.get("action", ALLOW) == ALLOW]
    allowed = _matching(allowing, caller)
    if not allowing or [] in allowed:
        return digest(denied) if denied else ALLOWED
    return digest([denied, allowed]) if allowed else REFUSED


def digest(value: Any) -> str:
    """A short text for data of JSON."""
    return hashlib.blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=8).hexdigest()


def _matching(policies: Iterable[Authorization], caller: Caller) -> list[list[list[list[str]]]]:
    """The groups that may match: of each the rules that are not settled; ``[]`` for a group that matches."""
    groups = {
        _json(rules): rules
        for p in policies
        for group in p.get("groups") or ()
        if (rules := _group(group, caller)) is not None
    }
    return [groups[key] for key in sorted(groups)]


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _group(group: Mapping[str, Any], caller: Caller) -> list[list[list[str]]] | None:
    """None for a group that cannot match."""
    if authorizations.is_void(group):
        return None
    rules = []
    for rule in group.get("rules") or ():
        every = [match for match in rule.get("matches") or () if match]
        remaining = {left for match in every if (left := _remaining(match, caller)) is not None}
        if not every or frozenset() in remaining:
            continue
        if not remaining:
            return None
        rules.append(sorted(sorted(left) for left in remaining))
    return sorted(rules)


def _remaining(match: Mapping[str, Any], caller: Caller) -> Remaining | None:
    """None for a match that the caller does not fit."""
    settled = {field: values for field, values in match.items() if field not in OPEN}
    asked = decisions.Connection(
        principal=caller.principal,
        source_ip="0.0.0.0",
        destination_ip=caller.address,
        destination_port=caller.port,
    )
    if not decisions.fits(settled, asked):
        return None
    return frozenset(_json({field: match[field]}) for field in OPEN if match.get(field))
