"""All hosts of a snapshot, whoever brought them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh.hosts import kubernetes, service_entries, visibility
from labkit.mesh.hosts.services import Service
from labkit.mesh.memo import Memo
from labkit.mesh.model import Snapshot

KINDS = (
    "services",
    "endpointslices.discovery.k8s.io",
    "pods",
    "workloadentries.networking.istio.io",
    "serviceentries.networking.istio.io",
)
"""Kinds of objects that hosts are made of."""


def all_of(snapshot: Snapshot, memo: Memo) -> list[Service]:
    """Every host, the very same list while no object behind one has changed."""
    lists = tuple(memo.settled(kind, snapshot.of(kind)) for kind in KINDS)
    return memo.stage("hosts", lists, lambda inner: services_of(snapshot, inner))


def services_of(snapshot: Snapshot, memo: Memo) -> list[Service]:
    """Every host, Kubernetes' first: by name and namespace where two namespaces have the same one."""
    aliases = _aliases(snapshot)
    by_host: dict[tuple[str, str], Service] = {}
    for service in _kubernetes(snapshot, memo):
        others = aliases.get(service.host, [])
        by_host[service.host, service.namespace] = _with_aliases(service, others, memo) if others else service
    for number, service in enumerate(_entries(snapshot, memo)):
        key = service.host, service.namespace
        by_host[key] = _joined(by_host[key], service, number, memo) if key in by_host else service
    return list(by_host.values())


def _with_aliases(service: Service, others: Sequence[Object], memo: Memo) -> Service:
    names = tuple((resources.name_of(o), resources.namespace_of(o)) for o in others)
    return memo.get(
        ("aliased", service.host, service.namespace), (service, *others), lambda: replace(service, aliases=names)
    )


def _joined(first: Service, second: Service, number: int, memo: Memo) -> Service:
    return memo.get(("joined", first.host, first.namespace, number), (first, second), lambda: joined(first, second))


def joined(first: Service, second: Service) -> Service:
    """One host that two objects describe: the first one's ports stay, the second's endpoints and new ports join."""
    endpoints = dict(first.endpoints)
    for port in second.ports:
        endpoints[port.number] = (*endpoints.get(port.number, ()), *second.endpoints.get(port.number, ()))
    numbers = {p.number for p in first.ports}
    if first.is_kubernetes:
        endpoints = {number: ready for number, ready in endpoints.items() if number in numbers}
        return replace(first, endpoints=endpoints)
    ports = (*first.ports, *(p for p in second.ports if p.number not in numbers))
    return replace(first, ports=ports, endpoints=endpoints, targets={**second.targets, **first.targets})


def _aliases(snapshot: Snapshot) -> dict[str, list[Object]]:
    """ExternalName Services by the host that they stand for."""
    by_host: dict[str, list[Object]] = {}
    for obj in snapshot.of("services"):
        if kubernetes.is_alias(obj):
            by_host.setdefault(str(obj["spec"].get("externalName", "")), []).append(obj)
    return by_host


def _kubernetes(snapshot: Snapshot, memo: Memo) -> Iterator[Service]:
    pods = {(resources.namespace_of(p), resources.name_of(p)): p for p in snapshot.of("pods")}
    slices: dict[tuple[str, str], list[Object]] = {}
    for piece in snapshot.of("endpointslices.discovery.k8s.io"):
        name = resources.labels_of(piece).get("kubernetes.io/service-name", "")
        slices.setdefault((resources.namespace_of(piece), name), []).append(piece)
    machines = _by_namespace(snapshot.of("workloadentries.networking.istio.io"))
    default = visibility.default_of(snapshot.mesh_config, "Service")
    for obj in snapshot.of("services"):
        if kubernetes.is_alias(obj):
            continue
        namespace, name = resources.namespace_of(obj), resources.name_of(obj)
        pieces, beside = slices.get((namespace, name), []), machines.get(namespace, [])
        behind = [pods[key] for piece in pieces for key in _references(piece) if key in pods]
        yield memo.get(
            ("service", namespace, name),
            (obj, *pieces, *behind, *beside),
            lambda obj=obj, pieces=pieces, beside=beside: kubernetes.service_of(  # type: ignore[misc]
                obj, pieces, pods, beside, default_export=default
            ),
        )


def _references(piece: Object) -> Iterator[tuple[str, str]]:
    for endpoint in piece.get("endpoints") or []:
        reference = endpoint.get("targetRef") or {}
        yield reference.get("namespace", ""), reference.get("name", "")


def _entries(snapshot: Snapshot, memo: Memo) -> Iterator[Service]:
    machines = _by_namespace(snapshot.of("workloadentries.networking.istio.io"))
    pods = _by_namespace(snapshot.of("pods"))
    default = visibility.default_of(snapshot.mesh_config, "ServiceEntry")
    for obj in snapshot.of("serviceentries.networking.istio.io"):
        namespace = resources.namespace_of(obj)
        beside: Sequence[Object] = machines.get(namespace, []) if obj["spec"].get("workloadSelector") else []
        inside: Sequence[Object] = pods.get(namespace, []) if obj["spec"].get("workloadSelector") else []
        yield from memo.get(
            ("entry", namespace, resources.name_of(obj)),
            (obj, *beside, *inside),
            lambda obj=obj, beside=beside, inside=inside: list(  # type: ignore[misc]
                service_entries.services_of(obj, beside, inside, default_export=default)
            ),
        )


def _by_namespace(objects: Sequence[Object]) -> dict[str, list[Object]]:
    grouped: dict[str, list[Object]] = {}
    for obj in objects:
        grouped.setdefault(resources.namespace_of(obj), []).append(obj)
    return grouped
