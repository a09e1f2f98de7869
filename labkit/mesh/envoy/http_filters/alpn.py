"""The protocols that a caller offers beside TLS."""

from labkit.mesh import ir
from labkit.mesh.envoy import istios_filters
from labkit.mesh.model import Resource

NAME = istios_filters.ALPN


def of_listener(http: ir.Http) -> Resource | None:
    """Only callers offer."""
    return None if http.side in (ir.INBOUND, ir.WAYPOINT) else istios_filters.alpn()


def of_route(route: ir.Route) -> Resource | None:
    """Routes have no say in it."""
    return None
