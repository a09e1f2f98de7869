"""Patches on route tables, their virtual hosts, and the routes of each."""

from collections.abc import Collection, Mapping, Sequence

from labkit.mesh.model import Resource
from labkit.mesh.patches import lists, matching, merging
from labkit.mesh.patches.envoyfilters import Patch, Patches

KINDS = ("ROUTE_CONFIGURATION", "VIRTUAL_HOST", "HTTP_ROUTE")
TABLE, HOST, ROUTE = (f"envoy.config.route.v3.{name}" for name in ("RouteConfiguration", "VirtualHost", "Route"))
HOSTS, ROUTES = "virtual_hosts", "routes"

Ports = Mapping[int, Collection[int]]
"""Port of a gateway's table → ports that its Gateways name."""


def patched(table: Resource, patches: Patches, context: str, ports: Ports | None = None) -> Resource:
    """The table with its patches; the very same one where none of them means it."""
    of_table, of_hosts, of_routes = (
        [p for p in patches.of(kind, context) if matching.table(str(table.get("name") or ""), p, context, ports or {})]
        for kind in KINDS
    )
    for patch in of_table:
        if patch.is_merge:
            table = merging.merged(TABLE, table, patch.value, replaces_lists=patch.replaces_lists)
    before: Sequence[Resource] = table.get(HOSTS) or ()
    hosts = [_host(host, of_hosts, of_routes) for host in before]
    gone = {old.get("name") for old, new in zip(before, hosts, strict=True) if new is None}
    added = [p.value for p in of_hosts if p.operation == "ADD"]
    if not gone and not added and all(new is old for new, old in zip(hosts, before, strict=True)):
        return table
    kept = (host for host in [*hosts, *added] if host is not None and host.get("name") not in gone)
    return {**table, HOSTS: list(kept)}


def _host(host: Resource, patches: Sequence[Patch], of_routes: Sequence[Patch]) -> Resource | None:
    for patch in patches:
        if not matching.virtual_host(host, patch):
            continue
        if patch.operation == "REMOVE":
            return None
        if patch.is_merge:
            host = merging.merged(HOST, host, patch.value, replaces_lists=patch.replaces_lists)
        elif patch.operation == "REPLACE":
            host = patch.value
    ours = [p for p in of_routes if matching.virtual_host(host, p)]
    return _with_routes(host, ours) if ours else host


def _with_routes(host: Resource, patches: Sequence[Patch]) -> Resource:
    before: Sequence[Resource] = host.get(ROUTES) or ()
    every = [_route(route, patches) for route in before]
    routes: Sequence[Resource] = [route for route in every if route is not None]
    is_same = len(routes) == len(before) and all(new is old for new, old in zip(routes, before, strict=True))
    for patch in patches:
        if patch.operation in ("ADD", "INSERT_AFTER", "INSERT_BEFORE", "INSERT_FIRST"):
            is_same = False
            routes = _inserted(routes, patch)
    return host if is_same else {**host, ROUTES: list(routes)}


def _inserted(routes: Sequence[Resource], patch: Patch) -> Sequence[Resource]:
    names_one = matching.names_route(patch)
    if patch.operation == "INSERT_FIRST" and names_one and not any(matching.route(r, patch) for r in routes):
        # At the beginning all the same, but only where the route is (rc_patch.go).
        return routes
    return lists.edited(routes, patch, lambda route: matching.route(route, patch), names_one=names_one)


def _route(route: Resource, patches: Sequence[Patch]) -> Resource | None:
    for patch in patches:
        if not matching.route(route, patch):
            continue
        if patch.operation == "REMOVE":
            return None
        if patch.is_merge:
            route = merging.merged(ROUTE, route, patch.value, replaces_lists=patch.replaces_lists)
    return route
