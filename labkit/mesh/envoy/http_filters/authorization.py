"""Who may do what: RBAC filters, one after the other, and authorizers that are asked."""

from collections.abc import Iterator

from labkit.mesh import ir
from labkit.mesh.envoy import authorizers, rbac, typed
from labkit.mesh.model import Resource

NAME = "envoy.filters.http.rbac"
KIND = "extensions.filters.http.rbac.v3.RBAC"
ASKING = "envoy.filters.http.ext_authz"
ASKING_KIND = "extensions.filters.http.ext_authz.v3.ExtAuthz"


def of_listener(http: ir.Http) -> list[Resource]:
    """A filter or two for each step."""
    return [entry for step in http.guard.access.requests for entry in _entries(step, by_state=_by_state(http))]


def _by_state(http: ir.Http) -> bool:
    return http.side == ir.WAYPOINT or http.is_tunneled


def _entries(step: ir.Step, *, by_state: bool) -> Iterator[Resource]:
    if isinstance(step, ir.Rules):
        yield typed(NAME, KIND, **rbac.config(step, by_state=by_state))
    else:
        yield typed(NAME, KIND, **rbac.asked(step, by_state=by_state))
        yield typed(ASKING, ASKING_KIND, **authorizers.of_requests(step, NAME))


def of_route(route: ir.Route) -> Resource | None:
    """Routes say nothing to it."""
    return None
