"""Names as a pod's resolver and CoreDNS take them: the search path, Services, pods, ExternalNames, aliases. Pure.

The rules are those of Kubernetes' DNS specification (github.com/kubernetes/dns/blob/master/docs/specification.md).
"""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh.hosts import service_entries

DOMAIN = "cluster.local"
ZONE = f"svc.{DOMAIN}"
POD_ZONE = f"pod.{DOMAIN}"
NDOTS = 5
"""A name with fewer dots is tried along the search path first, as the kubelet writes it into resolv.conf."""

LONGEST_CHAIN = 8
"""ExternalNames that lead to one another."""


class Directory(Protocol):
    """What the cluster's DNS knows."""

    def service_object(self, namespace: str, name: str) -> Object | None:
        """A Service."""

    def slices_of(self, namespace: str, name: str) -> Iterable[Object]:
        """Its EndpointSlices."""

    def entry(self, host: str) -> Object | None:
        """A ServiceEntry of this host."""


@dataclass(frozen=True, kw_only=True)
class Resolver:
    """How one pod asks."""

    search: Sequence[str] = ()
    ndots: int = NDOTS
    hosts: Mapping[str, str] = field(default_factory=dict)
    """``/etc/hosts``: name → address."""

    sees_entries: bool = False
    """Whether Istio's agent answers for ServiceEntries: in a pod with a sidecar."""

    asks_cluster: bool = True
    """False under ``dnsPolicy: Default`` and ``None``."""


@dataclass(frozen=True, kw_only=True)
class Outside:
    """A name that the machine's own resolver must be asked for."""

    name: str


Step = Sequence[str] | Outside
"""Addresses (none: there is no such name) or a question to somebody else."""


def resolver_of(pod: Object, ip: str, *, has_proxy: bool) -> Resolver:
    """From ``dnsPolicy``, ``dnsConfig``, ``hostAliases`` and ``hostname``."""
    spec, namespace = pod["spec"], resources.namespace_of(pod)
    config = spec.get("dnsConfig") or {}
    asks_cluster = spec.get("dnsPolicy") not in ("Default", "None")
    own = [f"{namespace}.{ZONE}", ZONE, DOMAIN] if asks_cluster else []
    options = {o.get("name"): o.get("value") for o in config.get("options") or []}
    ndots = str(options.get("ndots") or (NDOTS if asks_cluster else 1))
    hosts = {"localhost": "127.0.0.1", **dict.fromkeys(_own_names(pod), ip)}
    for alias in spec.get("hostAliases") or []:
        for name in alias.get("hostnames") or []:
            hosts.setdefault(name.lower(), alias["ip"])
    return Resolver(
        search=(*own, *(config.get("searches") or [])),
        ndots=int(ndots) if ndots.isdigit() else NDOTS,
        hosts=hosts,
        sees_entries=has_proxy,
        asks_cluster=asks_cluster,
    )


def _own_names(pod: Object) -> Iterator[str]:
    spec = pod["spec"]
    name = str(spec.get("hostname") or resources.name_of(pod)).lower()
    yield name
    if spec.get("subdomain"):
        yield f"{name}.{spec['subdomain']}.{resources.namespace_of(pod)}.{ZONE}"


def steps(host: str, resolver: Resolver, directory: Directory) -> Iterator[Step]:
    """What the resolver asks, one after the other; the first step that has an answer is the answer."""
    name = host.lower()
    if is_address(name):
        yield [name]
        return
    if address := resolver.hosts.get(name.rstrip(".")):
        yield [address]
        return
    for candidate in candidates(name, resolver):
        entry = directory.entry(candidate) if resolver.sees_entries else None
        if entry is not None and (address := service_entries.virtual_address(entry, candidate)):
            yield [address]
        elif resolver.asks_cluster:
            yield absolute(candidate, directory)
        else:
            yield Outside(name=candidate)


def candidates(name: str, resolver: Resolver) -> list[str]:
    """``reviews`` gives ``reviews.shop.svc.cluster.local``, … and at last ``reviews``."""
    plain = name.rstrip(".")
    if name.endswith("."):
        return [plain]
    searched = [f"{plain}.{domain}" for domain in resolver.search]
    return [*searched, plain] if plain.count(".") < resolver.ndots else [plain, *searched]


def absolute(name: str, directory: Directory) -> Step:
    """What the cluster's DNS says of a whole name."""
    for _ in range(LONGEST_CHAIN):
        if name.endswith(f".{POD_ZONE}"):
            return _dashed(name.removesuffix(f".{POD_ZONE}").split(".")[0])
        if not name.endswith(f".{ZONE}"):
            return [] if name == DOMAIN or name.endswith(f".{DOMAIN}") else Outside(name=name)
        *host, service_name, namespace = ["", *name.removesuffix(f".{ZONE}").split(".")][-3:]
        service = directory.service_object(namespace, service_name)
        if service is None or len(name.removesuffix(f".{ZONE}").split(".")) > 3:
            return []
        if service["spec"].get("type") == "ExternalName":
            name = str(service["spec"].get("externalName") or "").lower().rstrip(".")
            continue
        return _addresses(service, host[0] if host else "", directory.slices_of(namespace, service_name))
    return []


def _addresses(service: Object, host: str, slices: Iterable[Object]) -> Sequence[str]:
    address = service["spec"].get("clusterIP") or "None"
    if address != "None" and not host:
        return [address]
    takes_unready = bool(service["spec"].get("publishNotReadyAddresses"))
    endpoints = [
        endpoint
        for piece in slices
        for endpoint in piece.get("endpoints") or []
        if takes_unready or (endpoint.get("conditions") or {}).get("ready") is not False
    ]
    return sorted(
        {a for e in endpoints for a in e["addresses"] if not host or host in (e.get("hostname"), a.replace(".", "-"))}
    )


def _dashed(text: str) -> Sequence[str]:
    address = text.replace("-", ".")
    return [address] if is_address(address) else []


def is_address(text: str) -> bool:
    """Whether it is an IP address, not a name."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def first_endpoint(entry: Object, host: str, port: int) -> tuple[str, int]:
    """Where a ServiceEntry's host is really reached: at its first endpoint, else by its own name."""
    spec = entry["spec"]
    declared: Object = next((p for p in spec.get("ports") or [] if p.get("number") == port), {})
    endpoint: Object = next(iter(spec.get("endpoints") or []), {})
    own = (endpoint.get("ports") or {}).get(declared.get("name", ""))
    return str(endpoint.get("address") or host), int(own or declared.get("targetPort") or port)
