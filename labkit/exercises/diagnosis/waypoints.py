"""Routes at a waypoint: why the versions of a Service behind it do not get the shares that they should."""

from collections.abc import Mapping

from labkit.exercises.diagnosis import ambient, cause, httproutes, objects, way
from labkit.exercises.diagnosis import decision as decisions
from labkit.exercises.diagnosis.cause import Cause
from labkit.exercises.diagnosis.decision import Ask
from labkit.exercises.evidence import Evidence
from labkit.mesh import names


def routes(evidence: Evidence, service: str, shares: Mapping[str, float]) -> list[Cause]:
    """By what the waypoint of a Service does with a request, and by the routes that have no say in it."""
    scene = ambient.Scene(evidence)
    waypoint = scene.waypoint(service)
    if waypoint is None:
        return [scene.why_no_waypoint(service)]
    host = names.full_host(service, evidence.namespace)
    ask = Ask(
        proxy=waypoint.name,
        host=f"{service}:{ambient.PORT}",
        path=f"/{service}/0",
        namespace=waypoint.namespace,
    )
    decision = decisions.at_waypoint(evidence, ask, host)
    if decision is None:
        return [cause.shown(f"the waypoint {waypoint.key} has nothing for Service {service}: does it run?")]
    mesh = objects.read(evidence)
    hop = way.Hop(ask=ask, host=host, shares=shares)
    unheard = [] if decision.sources else httproutes.unheard(evidence, service)
    return [*unheard, *way.causes_at(decision, mesh, hop)]
