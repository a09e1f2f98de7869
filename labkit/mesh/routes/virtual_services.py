"""VirtualServices as they count: full names, resolved gateways, delegates merged in."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import compress
from operator import itemgetter
from typing import TypeVar

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import blame, names
from labkit.mesh.hosts import visibility
from labkit.mesh.memo import Memo
from labkit.mesh.model import Snapshot
from labkit.mesh.policies.selection import age
from labkit.mesh.routes import delegation, rules
from labkit.mesh.routes.rules import ConnectionRule, HttpRule

Ranked = TypeVar("Ranked")

MESH = names.MESH
RESOURCE = "virtualservices.networking.istio.io"
PARENTS = "internal.istio.io/parents"
"""Annotation of an object that was made from others: ``HTTPRoute/reviews.default``."""

SEMANTICS = "internal.istio.io/route-semantics"
"""Annotation of an object that was made from routes of the Gateway API."""


@dataclass(frozen=True, kw_only=True, eq=False)
class VirtualService:
    """One VirtualService."""

    name: str
    namespace: str
    source: str
    """Its path, which routes carry."""

    hosts: tuple[str, ...]
    gateways: tuple[str, ...]
    """``namespace/name`` or ``mesh``."""

    http: tuple[HttpRule, ...]
    tls: tuple[ConnectionRule, ...]
    tcp: tuple[ConnectionRule, ...]
    destinations: tuple[str, ...]
    """Every host that it may send to."""

    audience: visibility.Audience
    is_route: bool = False
    """Whether it was made from a route of the Gateway API."""

    @property
    def is_delegate(self) -> bool:
        """One without hosts only speaks through others."""
        return not self.hosts

    def ports_sent_to(self, namespace: str) -> Mapping[str, Collection[int]]:
        """Host → ports of its destinations, 0 where one names none; of rules for other namespaces nothing."""
        ports: dict[str, set[int]] = {}
        rules: tuple[HttpRule | ConnectionRule, ...] = (*self.http, *self.tls, *self.tcp)
        for rule in rules:
            if rule.matches and all(m.callers.namespace not in ("", namespace) for m in rule.matches):
                continue
            copies = rule.copies if isinstance(rule, HttpRule) else ()
            for target in (*rule.targets, *(c.target for c in copies)):
                ports.setdefault(target.host, set()).add(target.port)
        return ports

    @cached_property
    def sources(self) -> tuple[Mapping[str, str], ...]:
        """Every choice of the calling workload by label."""
        callers = [match.callers for http in self.http for match in http.matches]
        callers += [match.callers for rule in (*self.tls, *self.tcp) for match in rule.matches]
        return tuple(dict(c.labels) for c in callers if c.labels)


def _destinations(http: Sequence[HttpRule], connections: Sequence[ConnectionRule]) -> tuple[str, ...]:
    targets = [target for rule in http for target in rule.targets]
    targets += [target for connection in connections for target in connection.targets]
    targets += [copies.target for rule in http for copies in rule.copies]
    return tuple(sorted({target.host for target in targets}))


HIDDEN, PRIVATE, EXPORTED, PUBLIC = range(4)
"""How a VirtualService is exported to a namespace: not at all, by itself, by name, or as to all others."""


def rank(service: VirtualService, namespace: str) -> int:
    """``HIDDEN`` … ``PUBLIC``: clients in a namespace ask the lower rank first."""
    if not visibility.is_for(service.audience, namespace):
        return HIDDEN
    if service.audience >= visibility.EVERYONE:
        return PUBLIC
    return PRIVATE if service.namespace == namespace else EXPORTED


def in_order(services: Sequence[Ranked], ranks: Sequence[int]) -> tuple[Ranked, ...]:
    """The items that are not hidden, by rank; those of one rank keep their order, the oldest first."""
    if {PRIVATE, EXPORTED}.isdisjoint(ranks):
        return tuple(compress(services, ranks))
    visible = sorted(compress(zip(ranks, services, strict=True), ranks), key=itemgetter(0))
    return tuple(service for _, service in visible)


def all_of(snapshot: Snapshot, memo: Memo) -> Sequence[VirtualService]:
    """Every VirtualService that speaks for hosts, the oldest first; those made from routes have no age."""
    objects = memo.settled(RESOURCE, snapshot.of(RESOURCE))
    ages = memo.each("ages", (objects,), lambda _, obj: age(obj))
    order = memo.alike("order", ages, lambda: sorted(range(len(ages)), key=ages.__getitem__))
    oldest_first = memo.settled("virtual services by age", [objects[at] for at in order])
    kinds = memo.each("kinds", (oldest_first,), lambda _, obj: _kind(obj))
    delegates = tuple(compress(oldest_first, (kind == "delegate" for kind in kinds))) if "delegate" in kinds else ()
    by_name = {(resources.namespace_of(o), resources.name_of(o)): o for o in delegates}
    default = visibility.default_of(snapshot.mesh_config, "VirtualService")

    def root(inner: Memo, obj: Object, kind: str) -> VirtualService | None:
        if kind != "root":
            return None
        key = resources.namespace_of(obj), resources.name_of(obj)
        return inner.get(key, (obj, *delegation.delegates_of(obj, by_name)), lambda: parse(obj, by_name, default))

    # Only those that name delegates depend on any.
    plain = memo.each(
        "plain", (oldest_first, kinds), lambda _, obj, kind: parse(obj, by_name, default) if kind == "plain" else None
    )
    roots = memo.each("roots", (oldest_first, kinds), root, shared=delegates)
    services = [service for pair in zip(plain, roots, strict=True) if (service := pair[0] or pair[1])]
    return memo.settled("virtual services", services)


def _kind(obj: Object) -> str:
    """``delegate`` for one that has no hosts, ``root`` for one that names some, else ``plain``."""
    spec = obj["spec"]
    if not spec.get("hosts"):
        return "delegate"
    return "root" if any(rule.get("delegate") for rule in spec.get("http") or ()) else "plain"


def parse(obj: Object, delegates: Mapping[tuple[str, str], Object], default: Sequence[str]) -> VirtualService:
    """One object, with the rules of those it delegates to."""
    with blame.naming(f"VirtualService {resources.namespace_of(obj)}/{resources.name_of(obj)}"):
        return _parse(obj, delegates, default)


def _parse(obj: Object, delegates: Mapping[tuple[str, str], Object], default: Sequence[str]) -> VirtualService:
    spec, namespace, name = obj["spec"], resources.namespace_of(obj), resources.name_of(obj)
    annotations = resources.annotations_of(obj)
    is_route, by_elements = annotations.get(SEMANTICS) == "gateway", SEMANTICS in annotations
    http = tuple(
        rules.http(rule, namespace, by_elements=by_elements, is_route=is_route)
        for rule in delegation.merged(obj, delegates, default)
    )
    tls = tuple(rules.tls(rule, namespace) for rule in spec.get("tls") or ())
    tcp = tuple(rules.tcp(rule, namespace) for rule in spec.get("tcp") or ())
    return VirtualService(
        name=name,
        namespace=namespace,
        source=names.config_path("virtual-service", namespace, name),
        hosts=tuple(names.full_host(h, namespace) for h in spec["hosts"]),
        gateways=tuple(names.gateway(g, namespace) for g in spec.get("gateways") or (MESH,)),
        http=http,
        tls=tls,
        tcp=tcp,
        destinations=_destinations(http, (*tls, *tcp)),
        audience=visibility.audience(spec.get("exportTo"), namespace, default),
        is_route=is_route,
    )
