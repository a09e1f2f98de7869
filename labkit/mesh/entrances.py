"""Services that gateways call through their waypoint: ``istio.io/ingress-use-waypoint``."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import cast

from labkit.kube import resources
from labkit.mesh.ambient.waypoints import HBONE_PORT, Waypoint, Waypoints
from labkit.mesh.hosts import kubernetes
from labkit.mesh.hosts.services import Endpoint, Service
from labkit.mesh.memo import Memo
from labkit.mesh.model import Snapshot

ENTRIES = "serviceentries.networking.istio.io"


def marked(services: list[Service], snapshot: Snapshot, memo: Memo) -> list[Service]:
    """The same hosts, those that ask for it with their waypoint's pods as what gateways call first.

    A host without an address cannot be asked for at a waypoint, so it stays as it is.
    """
    chosen = dict(_chosen(snapshot))
    if not chosen:
        return services
    by_host = {(s.host, s.namespace): s for s in services}

    def one(inner: Memo, service: Service) -> Service:
        waypoint = chosen.get((service.host, service.namespace))
        through = by_host.get((waypoint.host, waypoint.namespace)) if waypoint else None
        if waypoint is None or through is None or not service.addresses:
            return service
        return inner.get(
            ("entrance", service.host, service.namespace), (service, through), lambda: _with(service, through)
        )

    return cast("list[Service]", memo.settled("entrances", [one(memo, service) for service in services]))


def _chosen(snapshot: Snapshot) -> Iterator[tuple[tuple[str, str], Waypoint]]:
    if not snapshot.is_ambient:
        return
    waypoints = Waypoints(snapshot)
    every = ((kind, obj) for kind in ("services", ENTRIES) for obj in snapshot.of(kind))
    for kind, obj in every:
        if waypoints.ingress_label(obj) == "true" and (waypoint := waypoints.of_service(obj).waypoint):
            namespace = resources.namespace_of(obj)
            own = [kubernetes.host_of(resources.name_of(obj), namespace)]
            for host in (obj["spec"].get("hosts") or ()) if kind == ENTRIES else own:
                yield (host, namespace), waypoint


def _with(service: Service, waypoint: Service) -> Service:
    ready = waypoint.endpoints.get(HBONE_PORT, ())
    entrances: Mapping[int, tuple[Endpoint, ...]] = {
        port.number: tuple(
            replace(
                pod,
                address=service.addresses[0],
                port=port.number,
                speaks_hbone=True,
                waypoint=f"{pod.address}:{pod.port}",
            )
            for pod in ready
        )
        for port in service.ports
    }
    return replace(service, entrances=entrances)
