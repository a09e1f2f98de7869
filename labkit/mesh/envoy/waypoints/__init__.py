"""A waypoint in Envoy's words, under Istio's names.

``connect_terminate`` ends the caller's tunnel, ``main_internal`` decides about what is inside, ``connect_originate``
begins the tunnel to the pod. The two ``…_connect_originate`` of several networks are there as in Istio, unused.
"""

from labkit.mesh import ir
from labkit.mesh.envoy.waypoints import deciding, plumbing, tunnels
from labkit.mesh.envoy.waypoints.deciding import of_sidecar
from labkit.mesh.envoy.waypoints.plumbing import originating, to_main
from labkit.mesh.envoy.waypoints.tunnels import originator, terminating
from labkit.mesh.model import Resource

__all__ = ["clusters", "listeners", "of_sidecar", "originating", "originator", "terminating", "to_main"]


def listeners(waypoint: ir.Waypoint) -> dict[str, Resource]:
    """All its listeners by name."""
    every = [
        tunnels.terminating(waypoint.trust_domains, waypoint.logs),
        deciding.main_internal(waypoint),
        tunnels.originating(waypoint),
        tunnels.inner(waypoint),
        tunnels.outer(waypoint),
    ]
    return {listener["name"]: listener for listener in every}


def clusters(waypoint: ir.Waypoint) -> dict[str, Resource]:
    """The clusters by which its listeners hand connections to each other and to the network."""
    return {cluster["name"]: cluster for cluster in plumbing.clusters(waypoint.trust_domains, waypoint.identities)}
