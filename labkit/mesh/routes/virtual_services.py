"""VirtualServices as they count: full names, resolved gateways, delegates merged in."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import compress
from typing import Any

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import blame, names
from labkit.mesh.hosts import visibility
from labkit.mesh.memo import Memo
from labkit.mesh.model import Snapshot
from labkit.mesh.routes import delegation

MESH = "mesh"
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

    http: tuple[Mapping[str, Any], ...]
    tls: tuple[Mapping[str, Any], ...]
    tcp: tuple[Mapping[str, Any], ...]
    destinations: tuple[str, ...]
    """Every host that it may send to."""

    audience: visibility.Audience
    is_route: bool = False
    """Whether it was made from a route of the Gateway API."""

    by_elements: bool = False
    """Whether its prefixes are of whole path elements: those of the Gateway API and of Ingresses are."""

    @property
    def is_delegate(self) -> bool:
        """One without hosts only speaks through others."""
        return not self.hosts

    @cached_property
    def sources(self) -> tuple[Mapping[str, str], ...]:
        """Every choice of the calling workload by label."""
        matches = (m for rule in (*self.http, *self.tls, *self.tcp) for m in rule.get("match") or ())
        return tuple(m["sourceLabels"] for m in matches if m and m.get("sourceLabels"))


def _host(destination: Mapping[str, Any] | None) -> str:
    return str((destination or {}).get("host") or "")


def _destinations(spec: Mapping[str, Any], http: Sequence[Mapping[str, Any]], namespace: str) -> tuple[str, ...]:
    found = {_host(d) for rule in http for d in _http_targets(rule)}
    for rule in (*(spec.get("tls") or ()), *(spec.get("tcp") or ())):
        found |= {_host(d.get("destination")) for d in rule.get("route") or ()}
    return tuple(sorted(names.full_host(host, namespace) for host in found))


def _http_targets(rule: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = [d.get("destination") or {} for d in rule.get("route") or ()]
    found += [rule["mirror"]] if rule.get("mirror") else []
    return found + [m.get("destination") or {} for m in rule.get("mirrors") or ()]


def all_of(
    snapshot: Snapshot, memo: Memo, check: Callable[[VirtualService], None] = lambda _: None
) -> Sequence[VirtualService]:
    """Every VirtualService that speaks for hosts, the oldest first; those made from routes have no age."""
    objects = memo.settled(RESOURCE, snapshot.of(RESOURCE))
    ages = memo.each("ages", (objects,), lambda _, obj: _age(obj))
    order = memo.alike("order", ages, lambda: sorted(range(len(ages)), key=ages.__getitem__))
    found = memo.settled("virtual services by age", [objects[at] for at in order])
    kinds = memo.each("kinds", (found,), lambda _, obj: _kind(obj))
    delegates = tuple(compress(found, (kind == "delegate" for kind in kinds))) if "delegate" in kinds else ()
    by_name = {(resources.namespace_of(o), resources.name_of(o)): o for o in delegates}
    default = visibility.default_of(snapshot.mesh_config, "VirtualService")

    def checked(obj: Object) -> VirtualService:
        service = parse(obj, by_name, default)
        check(service)
        return service

    def root(inner: Memo, obj: Object, kind: str) -> VirtualService | None:
        if kind != "root":
            return None
        key = resources.namespace_of(obj), resources.name_of(obj)
        return inner.get(key, (obj, *delegation.delegates_of(obj, by_name)), lambda: checked(obj))

    # Only those that name delegates depend on any.
    plain = memo.each("plain", (found, kinds), lambda _, obj, kind: checked(obj) if kind == "plain" else None)
    roots = memo.each("roots", (found, kinds), root, shared=delegates)
    made = [service for pair in zip(plain, roots, strict=True) if (service := pair[0] or pair[1])]
    return memo.settled("virtual services", made)


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
    http = delegation.merged(obj, delegates, default)
    return VirtualService(
        name=name,
        namespace=namespace,
        source=names.config_path("virtual-service", namespace, name),
        hosts=tuple(names.full_host(h, namespace) for h in spec["hosts"]),
        gateways=tuple(gateway_name(g, namespace) for g in spec.get("gateways") or (MESH,)),
        http=tuple(_with_gateways(rule, namespace) for rule in http),
        tls=tuple(_with_gateways(rule, namespace) for rule in spec.get("tls") or ()),
        tcp=tuple(_with_gateways(rule, namespace) for rule in spec.get("tcp") or ()),
        destinations=_destinations(spec, http, namespace),
        audience=visibility.audience(spec.get("exportTo"), namespace, default),
        is_route=resources.annotations_of(obj).get(SEMANTICS) == "gateway",
        by_elements=SEMANTICS in resources.annotations_of(obj),
    )


def gateway_name(said: str, namespace: str) -> str:
    """``default/bookinfo-gateway``; a name without a namespace is one of the rule's own."""
    return said if said == MESH or "/" in said else f"{namespace}/{said}"


def _with_gateways(rule: Mapping[str, Any], namespace: str) -> Mapping[str, Any]:
    if not any(m and m.get("gateways") for m in rule.get("match") or ()):
        return rule
    matches = [
        {**m, "gateways": [gateway_name(g, namespace) for g in m["gateways"]]} if m and m.get("gateways") else m
        for m in rule["match"]
    ]
    return {**rule, "match": matches}


def _age(obj: Object) -> tuple[str, str, str]:
    return obj["metadata"].get("creationTimestamp") or "", resources.name_of(obj), resources.namespace_of(obj)
