"""Why a request is not answered although every caller's proxy leads it on: what the callee's own proxy does."""

from collections.abc import Iterator, Sequence

from labkit.exercises.diagnosis import cause, destinations, encryption, objects, permissions, rules, way
from labkit.exercises.diagnosis import decision as decisions
from labkit.exercises.diagnosis.cause import Cause
from labkit.exercises.diagnosis.objects import Objects
from labkit.exercises.evidence import Evidence

REFUSED = 403
BROKEN = (0, 502, 503)
"""Statuses of a caller whose connection to the callee fails; 0 where there is no answer at all."""


def causes(evidence: Evidence, mesh: Objects, hops: Sequence[way.Hop], *, status: int) -> list[Cause]:
    """Policies that refuse the caller, mutual TLS that the two ends disagree about, a port where nobody listens."""
    if status == REFUSED:
        return list(_policies(evidence, hops))
    if status in BROKEN:
        return [*_encryption(evidence, hops), *_ports(evidence, mesh, hops)]
    return []


def _policies(evidence: Evidence, hops: Sequence[way.Hop]) -> Iterator[Cause]:
    scene = permissions.Scene(evidence)
    for hop in hops:
        is_first = rules.is_at_proxy_of_gateway(hop.ask.proxy)
        if is_first:
            yield from scene.refusal(permissions.Call(path=hop.ask.path, status=permissions.ALLOWED))
        yield from scene.refusal(
            permissions.Call(
                path=hop.ask.path,
                status=permissions.ALLOWED,
                guarded_by=objects.short(hop.host),
                by="" if is_first else hop.ask.proxy,
                asks=f"{hop.ask.host}{hop.ask.path}",
            )
        )


def _encryption(evidence: Evidence, hops: Sequence[way.Hop]) -> Iterator[Cause]:
    mesh = encryption.read(evidence)
    for service in dict.fromkeys(objects.short(hop.host) for hop in hops):
        for port in mesh.ports(service):
            for problem in port.problems:
                if problem.startswith(port.meshed_clients.partition(" (")[0]):
                    told = f"callers send {service} {problem} ({port.because}; {port.decided_by})"
                    yield cause.shown(told, f'lab.mtls("{service}")')


def _ports(evidence: Evidence, mesh: Objects, hops: Sequence[way.Hop]) -> Iterator[Cause]:
    for hop in hops:
        decided = decisions.of(evidence, hop.ask)
        if decided and (unheard := destinations.unheard(decided.targets, mesh)):
            yield unheard
