"""The router: it sends requests on, so it is the last filter."""

from labkit.mesh import ir
from labkit.mesh.envoy import typed
from labkit.mesh.model import Resource

NAME = "envoy.filters.http.router"
ENTRY = typed(NAME, "extensions.filters.http.router.v3.Router")


def of_listener(http: ir.Http) -> Resource | None:
    """Every listener needs it."""
    return ENTRY


def of_route(route: ir.Route) -> Resource | None:
    """Routes say nothing to it beside their action."""
    return None
