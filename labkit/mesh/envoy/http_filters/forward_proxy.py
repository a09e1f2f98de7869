"""The dynamic forward proxy: it looks up the name that a request carries, for upstreams without addresses."""

from labkit.mesh import ir
from labkit.mesh.envoy import DNS_CACHE, typed
from labkit.mesh.model import Resource

NAME = "envoy.filters.http.dynamic_forward_proxy"
ENTRY = typed(NAME, "extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig", dns_cache_config=DNS_CACHE)


def of_listener(http: ir.Http) -> Resource | None:
    """Only where a route may lead to a wildcard host of a ServiceEntry with resolution DYNAMIC_DNS."""
    return ENTRY if http.looks_up_hosts else None


def of_route(route: ir.Route) -> Resource | None:
    """Routes say nothing to it."""
    return None
