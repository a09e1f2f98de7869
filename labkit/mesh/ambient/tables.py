"""What istiod tells ztunnel (WDS, the workload discovery service): workloads, services and policies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from labkit.mesh import model
from labkit.mesh.ambient import authorizations, services, strictness
from labkit.mesh.ambient.authorizations import Authorization
from labkit.mesh.ambient.services import ServiceTable
from labkit.mesh.ambient.waypoints import Waypoints
from labkit.mesh.ambient.workloads import Workloads, WorkloadTable


@dataclass(frozen=True, kw_only=True)
class Tables:
    """All of it, each entry in proto3 JSON of Istio's workload API."""

    workloads: WorkloadTable
    services: ServiceTable
    policies: Mapping[str, Authorization]
    """By ``namespace/name``; what istiod makes of PeerAuthentications is among them."""

    converted: Sequence[authorizations.Converted] = field(default=())
    """Every AuthorizationPolicy that is not a waypoint's, with what its status says."""


def of(snapshot: model.Snapshot, waypoints: Waypoints | None = None) -> Tables:
    """The tables of a snapshot."""
    chosen = waypoints or Waypoints(snapshot)
    converted = authorizations.converted(snapshot)
    return Tables(
        workloads=Workloads(snapshot, chosen, converted).table(),
        services=services.table(snapshot, chosen),
        policies=_policies(snapshot, converted),
        converted=converted,
    )


def _policies(snapshot: model.Snapshot, converted: Sequence[authorizations.Converted]) -> Mapping[str, Authorization]:
    peers = snapshot.of(strictness.RESOURCE)
    static = strictness.static(peers, snapshot.root_namespace)
    every = [
        *(p.authorization for p in converted if p.authorization is not None),
        *strictness.converted(peers, snapshot.root_namespace),
        *([static] if static is not None else []),
    ]
    return {f"{policy['namespace']}/{policy['name']}": policy for policy in every}
