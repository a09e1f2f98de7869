"""Istio's metrics of requests."""

from labkit.mesh import ir
from labkit.mesh.envoy import istios_filters
from labkit.mesh.model import Resource

NAME = istios_filters.STATS


def of_listener(http: ir.Http) -> list[Resource]:
    """Present where a Telemetry does not take metrics away."""
    metrics = http.telemetry.metrics
    peers = [istios_filters.endpoint_peers()] if http.side == ir.WAYPOINT else []
    return [*peers, istios_filters.stats(metrics, http.side)] if metrics is not None else peers


def of_route(route: ir.Route) -> Resource | None:
    """Routes have no say in it."""
    return None
