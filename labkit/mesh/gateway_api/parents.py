"""Parents of routes: which listeners or Services a route is bound to, and why to no other."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labkit.kube import label_selectors, resources
from labkit.kube.resources import Object
from labkit.mesh.gateway_api.backends import Problem
from labkit.mesh.gateway_api.conditions import RESOLVED, condition
from labkit.mesh.gateway_api.listeners import Listener
from labkit.mesh.gateway_api.scene import CONTROLLER, GROUP, Scene, generation_of

ENTRIES = "networking.istio.io"
"""The group of ServiceEntries."""

Gateways = Mapping[tuple[str, str], Sequence[Listener]]
"""Namespace and name of our Gateways → their listeners."""


@dataclass(frozen=True, kw_only=True)
class Binding:
    """A route and one of its parents."""

    route: Object
    reference: Any
    listeners: tuple[Listener, ...] = ()
    service: Object | None = None
    """The Service or ServiceEntry whose clients the route speaks for."""

    hostnames: Mapping[str, tuple[str, ...]] | None = None
    """Listener → the hostnames of the route that it serves."""

    denied: Problem | None = None

    def status(self, unresolved: Problem | None, scene: Scene) -> Object:
        """Its entry in ``status.parents``."""
        seen, bound = generation_of(self.route), len(self.listeners)
        message = "Route was valid" if bound < 2 else f"Route was valid, bound to {bound} parents"
        accepted = condition("Accepted", "Accepted", message, seen=seen)
        if self.denied:
            accepted = condition("Accepted", *self.denied, is_true=False, seen=seen)
        resolved = condition("ResolvedRefs", "ResolvedRefs", RESOLVED, seen=seen)
        if unresolved:
            resolved = condition("ResolvedRefs", *unresolved, is_true=False, seen=seen)
        return {
            "parentRef": dict(self.reference),
            "controllerName": CONTROLLER,
            "conditions": [accepted, resolved, *self._waypoints(scene)],
        }

    def _waypoints(self, scene: Scene) -> Iterator[Object]:
        """Whether somebody carries the route out in ambient: of a Service, its waypoint."""
        if not scene.snapshot.is_ambient:
            return
        reason, message, is_resolved = "ResolvedWaypoints", "All waypoints resolved", True
        if self.service is not None and not scene.waypoints.is_asked_for(self.service):
            reason, message, is_resolved = "MissingUseWaypointLabel", _NO_WAYPOINT, False
        yield condition("ResolvedWaypoints", reason, message, is_true=is_resolved, seen=generation_of(self.route))


_NO_WAYPOINT = (
    "istio.io/use-waypoint label missing from parent and parent namespace; in ambient mode, route will not be respected"
)


def bindings(route: Object, gateways: Gateways, scene: Scene) -> list[Binding]:
    """One for every parent that is ours to speak of; an unknown Gateway may be somebody else's."""
    bound = []
    for reference in route["spec"].get("parentRefs") or []:
        group, kind = reference.get("group", GROUP), reference.get("kind", "Gateway")
        key = reference.get("namespace") or resources.namespace_of(route), reference["name"]
        if (group, kind) == ("", "Service"):
            bound.append(_to_service(route, reference, scene.services.get(key), "service"))
        elif (group, kind) == (ENTRIES, "ServiceEntry"):
            bound.append(_to_service(route, reference, scene.service_entries.get(key), "service entry"))
        elif (group, kind) == (GROUP, "Gateway") and key in gateways:
            bound.append(_to_gateway(route, reference, gateways[key], scene))
    return bound


def _to_service(route: Object, reference: Any, service: Object | None, title: str) -> Binding:
    if service is None:
        problem = Problem("NoMatchingParent", f'parent {title}: "{reference["name"]}" not found')
        return Binding(route=route, reference=reference, denied=problem)
    return Binding(route=route, reference=reference, service=service)


def _to_gateway(route: Object, reference: Any, listeners: Sequence[Listener], scene: Scene) -> Binding:
    section, port = reference.get("sectionName"), reference.get("port")
    named = [listener for listener in listeners if not section or listener.name == section]
    asked = [listener for listener in named if not port or listener.spec["port"] == port]
    if not asked:
        text = f'sectionName "{section}" not found' if not named else f"port {port} not found"
        return Binding(route=route, reference=reference, denied=Problem("NoMatchingParent", text))
    bound: list[Listener] = []
    hostnames: dict[str, tuple[str, ...]] = {}
    problems: list[Problem] = []
    for listener in asked:
        served = _hostnames(route, listener)
        problem = _denial(route, listener, served, scene)
        if problem:
            problems.append(problem)
        else:
            bound.append(listener)
            hostnames[listener.name] = served
    denied = None if bound else max(problems, key=lambda p: _CLOSE.index(p.reason))
    return Binding(route=route, reference=reference, listeners=tuple(bound), hostnames=hostnames, denied=denied)


_CLOSE = ("NoMatchingListenerHostname", "NotAllowedByListeners")
"""Of several denials, the one that came closest to being none is told."""


def _denial(route: Object, listener: Listener, served: Sequence[str], scene: Scene) -> Problem | None:
    if route["kind"] not in listener.kinds:
        kind = f"{route['apiVersion']}/{route['kind']}"
        return Problem("NotAllowedByListeners", f"kind {kind} is not allowed")
    if not served:
        return Problem("NoMatchingListenerHostname", f'no hostnames matched parent hostname "{listener.hostname}"')
    if not _is_welcome(resources.namespace_of(route), listener, scene):
        text = f'hostnames matched parent hostname "{listener.hostname}"'
        place = f'namespace "{resources.namespace_of(route)}" is not allowed by the parent'
        return Problem("NotAllowedByListeners", f"{text}, but {place}")
    return None


def _is_welcome(namespace: str, listener: Listener, scene: Scene) -> bool:
    allowed = (listener.spec.get("allowedRoutes") or {}).get("namespaces") or {}
    match allowed.get("from", "Same"):
        case "All":
            return True
        case "Same":
            return namespace == resources.namespace_of(listener.gateway)
        case "Selector":
            return label_selectors.fits(
                allowed.get("selector") or {}, resources.labels_of(scene.namespaces.get(namespace) or {})
            )
    return False


def _hostnames(route: Object, listener: Listener) -> tuple[str, ...]:
    """Hostnames of the route that meet the listener's; one without any takes all there are."""
    asked = route["spec"].get("hostnames") or ["*"]
    return tuple(name for name in asked if _meet(name, listener.hostname or "*"))


def _meet(one: str, other: str) -> bool:
    if "*" in (one, other) or one == other:
        return True
    if one.startswith("*.") and other.startswith("*."):
        return one.endswith(other[1:]) or other.endswith(one[1:])
    if one.startswith("*."):
        return other.endswith(one[1:])
    return other.startswith("*.") and one.endswith(other[1:])
