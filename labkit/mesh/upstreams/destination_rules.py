"""DestinationRules: which one speaks for a host to a client."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import blame, names
from labkit.mesh.hosts import visibility
from labkit.mesh.memo import Memo
from labkit.mesh.model import Snapshot
from labkit.mesh.policies.selection import age
from labkit.mesh.upstreams import typed_policy

RESOURCE = "destinationrules.networking.istio.io"


@dataclass(frozen=True, kw_only=True, eq=False)
class Rule:
    """What one or several DestinationRules of a namespace say together about a host."""

    host: str
    """May be a wildcard."""

    name: str
    """Of the oldest of them."""

    namespace: str
    policy: Mapping[str, Any] | None
    subsets: tuple[Mapping[str, Any], ...]
    audience: visibility.Audience
    export_to: frozenset[str]
    """``exportTo`` as written: only rules that say the same become one."""

    clients: Mapping[str, str] | None
    """Labels of the pods whose calls it is for; None for all."""


def parse(obj: Object, default: Sequence[str]) -> Rule:
    """One DestinationRule; each of its policies is read, so that one that cannot be is told by its name."""
    with blame.naming(f"DestinationRule {resources.namespace_of(obj)}/{resources.name_of(obj)}"):
        rule = _parse(obj, default)
        for policy in (rule.policy, *(subset.get("trafficPolicy") for subset in rule.subsets)):
            for part in (policy or {}, *((policy or {}).get("portLevelSettings") or ())):
                typed_policy.read(part)
                typed_policy.hashes((part.get("loadBalancer") or {}).get("consistentHash") or {})
        return rule


def _parse(obj: Object, default: Sequence[str]) -> Rule:
    spec, namespace = obj["spec"], resources.namespace_of(obj)
    clients = (spec.get("workloadSelector") or {}).get("matchLabels")
    # A rule for some workloads is for those of its own namespace.
    audience = frozenset({namespace}) if clients else visibility.audience(spec.get("exportTo"), namespace, default)
    return Rule(
        host=names.full_host(spec["host"], namespace),
        name=resources.name_of(obj),
        namespace=namespace,
        policy=spec.get("trafficPolicy"),
        subsets=tuple({**subset, "name": str(subset["name"])} for subset in spec.get("subsets") or ()),
        audience=audience,
        export_to=frozenset({"."} if clients else spec.get("exportTo") or ()),
        clients=clients,
    )


def merged(older: Rule, younger: Rule) -> Rule:
    """Two rules for one host: subsets join, the first of a name stays, and so does the first policy."""
    names_of_older = {s["name"] for s in older.subsets}
    return Rule(
        host=older.host,
        name=older.name,
        namespace=older.namespace,
        policy=older.policy if older.policy is not None else younger.policy,
        subsets=(*older.subsets, *(s for s in younger.subsets if s["name"] not in names_of_older)),
        audience=older.audience,
        export_to=older.export_to,
        clients=older.clients,
    )


def all_of(snapshot: Snapshot, memo: Memo) -> "Rules":
    """Every DestinationRule, the very same collection while none has changed."""
    objects = memo.settled(RESOURCE, snapshot.of(RESOURCE))
    return memo.stage("rules", (objects,), lambda inner: Rules(snapshot, inner))


class Rules:
    """The DestinationRules of a snapshot, by the namespace they live in."""

    def __init__(self, snapshot: Snapshot, memo: Memo) -> None:
        self._root = snapshot.root_namespace
        self._all: dict[str, dict[str, list[Rule]]] = {}
        self._wild: dict[str, list[str]] = {}
        default = visibility.default_of(snapshot.mesh_config, "DestinationRule")
        for obj in sorted(snapshot.of(RESOURCE), key=age):
            key = "rule", resources.namespace_of(obj), resources.name_of(obj)
            self._add(memo.get(key, (obj,), lambda obj=obj: parse(obj, default)), memo)  # type: ignore[misc]

    def _add(self, rule: Rule, memo: Memo) -> None:
        hosts = self._all.setdefault(rule.namespace, {})
        if names.is_wildcard(rule.host) and rule.host not in hosts:
            self._wild.setdefault(rule.namespace, []).append(rule.host)
        same = hosts.setdefault(rule.host, [])
        for number, other in enumerate(same):
            if (other.export_to, other.clients) == (rule.export_to, rule.clients):
                key = "rules", rule.namespace, rule.host, rule.name
                same[number] = memo.get(key, (other, rule), functools.partial(merged, other, rule))
                return
        same.append(rule)

    def _every(self) -> Iterator[Rule]:
        return (rule for hosts in self._all.values() for same in hosts.values() for rule in same)

    @cached_property
    def selectors(self) -> list[Mapping[str, str]]:
        """Every choice of clients by label."""
        return [rule.clients for rule in self._every() if rule.clients]

    @cached_property
    def priorities(self) -> list[str]:
        """Every label by which endpoints like the client may come first."""
        return sorted({label for rule in self._every() for label in priorities_of(rule)})

    def for_host(self, host: str, namespace: str, *, client: str, labels: Mapping[str, str]) -> Rule | None:
        """The rule of a client for a host of ``namespace``: the client's namespace, the host's, the root's."""
        if client != self._root:
            chosen = self._in(client, host, client, labels)
        else:
            # Rules of the root namespace are meant for all, so the gateway there asks the host's namespace first.
            chosen = self._in(client, host, client, labels, only_own=True)
        for place in (namespace, self._root):
            chosen = chosen or self._in(place, host, client, labels)
        return chosen

    def _in(
        self, place: str, host: str, client: str, labels: Mapping[str, str], *, only_own: bool = False
    ) -> Rule | None:
        hosts = self._all.get(place)
        if not hosts:
            return None
        visible = {
            pattern: usable
            for pattern in (host, *(w for w in self._wild.get(place, ()) if names.covers(w, host)))
            if (usable := [r for r in hosts.get(pattern, ()) if _is_usable(r, client, only_own=only_own)])
        }
        best = names.most_specific(visible, host)
        if best is None:
            return None
        chosen = [r for r in visible[best] if r.clients and r.clients.items() <= labels.items()]
        # Of several that are exported differently, and so stay apart, Istio takes the youngest.
        general = [r for r in reversed(visible[best]) if not r.clients]
        return next(iter([*chosen, *general]), None)


def priorities_of(rule: Rule | None) -> tuple[str, ...]:
    """Labels by which endpoints like the client come first."""
    if rule is None:
        return ()
    policies = [rule.policy, *(s.get("trafficPolicy") for s in rule.subsets)]
    every = [p for policy in policies if policy for p in (policy, *(policy.get("portLevelSettings") or ()))]
    settings = [(p.get("loadBalancer") or {}).get("localityLbSetting") or {} for p in every]
    return tuple(dict.fromkeys(label for s in settings for label in s.get("failoverPriority") or ()))


def _is_usable(rule: Rule, client: str, *, only_own: bool) -> bool:
    return rule.audience == {client} if only_own else visibility.is_for(rule.audience, client)
