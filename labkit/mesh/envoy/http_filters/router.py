"""The router: it sends requests on, so it is the last filter."""

from labkit.mesh import ir
from labkit.mesh.envoy import typed
from labkit.mesh.model import Resource

NAME = "envoy.filters.http.router"
KIND = "extensions.filters.http.router.v3.Router"
ENTRY = typed(NAME, KIND)
OF_SKYWALKING = typed(NAME, KIND, start_child_span=True)
"""SkyWalking files what a proxy asks for under a span of its own."""


def of_listener(http: ir.Http) -> Resource | None:
    """Every listener needs it."""
    spans = http.telemetry.tracing
    return OF_SKYWALKING if spans is not None and spans.collector.kind == "skywalking" else ENTRY


def of_route(route: ir.Route) -> Resource | None:
    """Routes say nothing to it beside their action."""
    return None
