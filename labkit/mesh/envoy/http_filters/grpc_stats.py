"""Messages of gRPC, counted for Istio's metrics."""

from labkit.mesh import ir
from labkit.mesh.envoy import typed
from labkit.mesh.model import Resource

NAME = "envoy.filters.http.grpc_stats"
ENTRY = typed(
    NAME, "extensions.filters.http.grpc_stats.v3.FilterConfig", emit_filter_state=True, stats_for_all_methods=False
)


def of_listener(http: ir.Http) -> Resource | None:
    """Present everywhere, as in Istio: it looks at gRPC only."""
    return ENTRY


def of_route(route: ir.Route) -> Resource | None:
    """Routes have no say in it."""
    return None
