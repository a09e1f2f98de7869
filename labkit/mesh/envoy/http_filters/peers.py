"""Who calls and who is called: Istio's exchange of workloads' names."""

from labkit.mesh import ir
from labkit.mesh.envoy import istios_filters
from labkit.mesh.model import Resource

NAME = istios_filters.PEERS


def of_listener(http: ir.Http) -> Resource | None:
    """Present where metrics are, whose labels it fills; a waypoint has its own beside them."""
    return None if http.side == ir.WAYPOINT else istios_filters.peers(http.side)


def of_route(route: ir.Route) -> Resource | None:
    """Routes have no say in it."""
    return None
