"""What Telemetry and MeshConfig ask a proxy to tell: logs, spans and metrics, for each of its sides."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import blame, ir
from labkit.mesh.model import Proxy, Resource, Snapshot
from labkit.mesh.policies import access_logs, metrics, selection, tracing
from labkit.mesh.policies.providers import CLIENT, SERVER, Spec

RESOURCE = "telemetries.telemetry.istio.io"


@dataclass(frozen=True, kw_only=True)
class Sides:
    """Of one proxy."""

    inbound: ir.Telemetry = ir.NO_TELEMETRY
    outbound: ir.Telemetry = ir.NO_TELEMETRY
    """Of a gateway, all."""


def of(snapshot: Snapshot, proxy: Proxy, clusters: Mapping[str, Resource]) -> Sides:
    """What a proxy tells; to collectors only that are among its clusters."""
    with blame.naming("What MeshConfig and Telemetry say of access logs, tracing and metrics"):
        specs = _specs(snapshot, proxy)
        return Sides(
            inbound=_side(specs, snapshot, proxy, clusters, SERVER) if proxy.role == "sidecar" else ir.NO_TELEMETRY,
            outbound=_side(specs, snapshot, proxy, clusters, CLIENT),
        )


def at_waypoint(
    snapshot: Snapshot, proxy: Proxy, waypoint: selection.Waypoint, clusters: Mapping[str, Resource]
) -> ir.Telemetry:
    """What a waypoint tells of one host: the mesh's, its namespace's, and what names it or the host as its target."""
    with blame.naming("What MeshConfig and Telemetry say of access logs, tracing and metrics"):
        every = snapshot.of(RESOURCE)
        root, namespace = snapshot.root_namespace, proxy.namespace
        levels = selection.applying(every, root=root, namespace=namespace, labels={})
        named = selection.at_waypoint(every, waypoint, root=root)
        own = [obj for obj in named if resources.namespace_of(obj) == namespace]
        chosen = [level[0] for level in (levels.mesh, levels.namespace, own) if level]
        specs = [telemetry.get("spec") or {} for telemetry in chosen]
        return _side(specs, snapshot, proxy, clusters, SERVER)


def _side(
    specs: list[Spec], snapshot: Snapshot, proxy: Proxy, clusters: Mapping[str, Resource], mode: str
) -> ir.Telemetry:
    mesh = snapshot.mesh_config
    return ir.Telemetry(
        logs=access_logs.of(_levels(specs, "accessLogging"), mesh, clusters, mode),
        tracing=tracing.of(_entries(specs, "tracing"), mesh, clusters, mode, proxy),
        metrics=metrics.of(_entries(specs, "metrics"), mesh, mode),
    )


def _specs(snapshot: Snapshot, proxy: Proxy) -> list[Spec]:
    """The oldest Telemetry of the root namespace, of the proxy's namespace and of its workload."""
    levels = selection.applying(
        snapshot.of(RESOURCE), root=snapshot.root_namespace, namespace=proxy.namespace, labels=dict(proxy.labels)
    )
    chosen: list[Object] = [level[0] for level in (levels.mesh, levels.namespace, levels.workload) if level]
    return [telemetry.get("spec") or {} for telemetry in chosen]


def _levels(specs: list[Spec], field: str) -> list[list[Mapping[str, Any]]]:
    return [list(spec[field]) for spec in specs if spec.get(field)]


def _entries(specs: list[Spec], field: str) -> list[Mapping[str, Any]]:
    return [entry or {} for level in _levels(specs, field) for entry in level]
