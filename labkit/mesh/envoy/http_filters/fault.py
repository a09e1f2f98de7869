"""Delays and errors on purpose."""

from labkit.mesh import durations, ir
from labkit.mesh.envoy import TYPE, fractions, typed
from labkit.mesh.model import Resource

NAME = "envoy.filters.http.fault"
KIND = "extensions.filters.http.fault.v3.HTTPFault"
ENTRY = typed(NAME, KIND)


def of_listener(http: ir.Http) -> Resource | None:
    """Present everywhere, as in Istio: only routes give it something to do."""
    return ENTRY


def of_route(route: ir.Route) -> Resource | None:
    """The delay and the abort of a route."""
    fault = route.fault
    if fault is None:
        return None
    config: Resource = {"@type": f"{TYPE}.{KIND}"}
    if fault.delay is not None:
        config["delay"] = {"fixed_delay": durations.proto(fault.delay)}
        if fault.delay_share is not None:
            config["delay"]["percentage"] = fractions.of_share(fault.delay_share)
    if fault.status is not None or fault.grpc_status is not None:
        by_http = fault.status is not None
        config["abort"] = {"http_status": fault.status} if by_http else {"grpc_status": fault.grpc_status}
        if fault.abort_share is not None:
            config["abort"]["percentage"] = fractions.of_share(fault.abort_share)
    return config
