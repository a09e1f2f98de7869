"""VirtualServices as they count: full names, resolved gateways, delegates merged in."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import delegation, exports, faults, names
from labkit.mesh.memo import Memo
from labkit.mesh.model import Snapshot

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

    audience: exports.Audience
    is_route: bool = False
    """Whether it was made from a route of the Gateway API."""

    @property
    def is_delegate(self) -> bool:
        """One without hosts only speaks through others."""
        return not self.hosts

    @property
    def sources(self) -> Iterator[Mapping[str, str]]:
        """Every choice of the calling workload by label."""
        for rule in (*self.http, *self.tls, *self.tcp):
            yield from (m["sourceLabels"] for m in rule.get("match") or () if m and m.get("sourceLabels"))


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
) -> list[VirtualService]:
    """Every VirtualService that speaks for hosts, the oldest first; those made from routes have no age."""
    found = sorted(snapshot.of(RESOURCE), key=_age)
    by_name = {(resources.namespace_of(o), resources.name_of(o)): o for o in found if not o["spec"].get("hosts")}
    default = exports.default_of(snapshot.mesh_config, "VirtualService")
    made = []
    for obj in found:
        if not obj["spec"].get("hosts"):
            continue
        parts = (obj, *delegation.delegates_of(obj, by_name))
        key = "virtual", resources.namespace_of(obj), resources.name_of(obj)
        made.append(memo.get(key, parts, lambda obj=obj: _checked(parse(obj, by_name, default), check)))  # type: ignore[misc]
    return made


def _checked(service: VirtualService, check: Callable[[VirtualService], None]) -> VirtualService:
    check(service)
    return service


def parse(obj: Object, delegates: Mapping[tuple[str, str], Object], default: Sequence[str]) -> VirtualService:
    """One object, with the rules of those it delegates to."""
    with faults.naming(f"VirtualService {resources.namespace_of(obj)}/{resources.name_of(obj)}"):
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
        audience=exports.audience(spec.get("exportTo"), namespace, default),
        is_route=SEMANTICS in resources.annotations_of(obj),
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
