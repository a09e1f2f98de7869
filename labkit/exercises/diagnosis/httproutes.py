"""HTTPRoutes whose parent is a Service: which of them have a say, and why the others have none."""

from collections.abc import Mapping
from typing import Any

from labkit.exercises.diagnosis import cause, rules
from labkit.exercises.diagnosis.cause import Cause
from labkit.exercises.evidence import Evidence
from labkit.kube import resources
from labkit.kube.resources import Object


def of_service(evidence: Evidence, service: str) -> list[Object]:
    """The routes of the course's namespace whose parent is this Service, in effect or not."""
    return [route for route in evidence.resources(resources.HTTP_ROUTES) if rules.speaks_for(route, service)]


def unheard(evidence: Evidence, service: str) -> list[Cause]:
    """Why no HTTPRoute has a say about a Service's requests; nothing where one has."""
    own = of_service(evidence, service)
    if not own:
        routes = evidence.resources(resources.HTTP_ROUTES)
        return [_why_none(routes, evidence.everywhere(resources.HTTP_ROUTES), service)]
    return [_unbound(route, service) for route in own if not _is_accepted(route)] or _other_port(evidence, own, service)


def _is_accepted(route: Object) -> bool:
    """Whether istiod takes it for one of its parents, or has said nothing so far."""
    parents = (route.get("status") or {}).get("parents") or []
    states = [c.get("status") for p in parents for c in p.get("conditions") or [] if c.get("type") == "Accepted"]
    return not states or "True" in states


def _unbound(route: Object, service: str) -> Cause:
    told = [text for text in rules.complaints(route) if "Accepted" in text]
    show = f'lab.kubectl("get service {service}")'
    return cause.shown(told[0] if told else f"istiod does not accept HTTPRoute {resources.name_of(route)}", show)


def _other_port(evidence: Evidence, routes: list[Object], service: str) -> list[Cause]:
    """A parent's port that the Service lacks: then the route holds for no request."""
    obj = evidence.resource(resources.SERVICES, service)
    ports = {p.get("port") for p in (obj or {"spec": {}})["spec"].get("ports") or []}
    parents = [p for route in routes for p in route["spec"]["parentRefs"] if p.get("name") == service]
    asked = {p["port"] for p in parents if "port" in p}
    if not ports or len(asked) < len(parents) or asked & ports:
        return []
    told, has = ", ".join(map(str, sorted(asked))), ", ".join(map(str, sorted(ports)))
    return [cause.shown(f"parentRefs names port {told} of Service {service}, which has port {has}")]


def _why_none(routes: list[Object], everywhere: list[Object], service: str) -> Cause:
    if stray := next((r for r in everywhere if r not in routes and rules.speaks_for(r, service)), None):
        place = resources.namespace_of(stray)
        name = resources.name_of(stray)
        return cause.shown(
            f"HTTPRoute {name} is in namespace {place}, where its parent Service {service} is another one"
        )
    if not routes:
        return cause.shown(f"there is no HTTPRoute yet; the lesson's last section applies one for {service}")
    parents = [p for route in routes for p in route["spec"].get("parentRefs") or []]
    named = ", ".join(sorted(map(_named, parents))) or "nothing"
    return cause.shown(
        f'parentRefs names {named}: a route for callers inside the mesh has a parent with kind Service, group "" and '
        f"the name {service}"
    )


def _named(parent: Mapping[str, Any]) -> str:
    group = parent.get("group", "gateway.networking.k8s.io")
    told = f" of the group {group}" if parent.get("kind") == "Service" and group else ""
    return f"{parent.get('kind', 'Gateway')} {parent.get('name')}{told}"
