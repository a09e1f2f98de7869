"""Rules of routes as http rules of a VirtualService, one for every match."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh.gateway_api import backends, filters, matches
from labkit.mesh.gateway_api.backends import Problem
from labkit.mesh.gateway_api.scene import Scene


class Rules(NamedTuple):
    """What a route says, and the first thing that it refers to in vain."""

    http: list[Object]
    problem: Problem | None


def of_route(route: Object, scene: Scene, *, in_mesh: bool) -> Rules:
    """All rules of an HTTPRoute or GRPCRoute."""
    rules: list[Object] = []
    problems: list[Problem] = []
    for number, rule in enumerate(route["spec"].get("rules") or []):
        name = f"{resources.namespace_of(route)}.{resources.name_of(route)}.{number}"
        for rule_of_match in _of_rule(rule, route, scene, problems, in_mesh=in_mesh):
            rules.append({"name": name, **rule_of_match})
    return Rules(rules, problems[0] if problems else None)


def _of_rule(rule: Any, route: Object, scene: Scene, problems: list[Problem], *, in_mesh: bool) -> Iterator[Object]:
    def destination(reference: Any) -> Object:
        target, problem = backends.destination(reference, route, scene, in_mesh=in_mesh)
        problems.extend([problem] if problem else [])
        return target

    targets = _targets(rule, destination)
    as_match = matches.grpc_match if route["kind"] == "GRPCRoute" else matches.http_match
    for match in rule.get("matches") or [{}]:
        asked = as_match(match)
        converted = filters.applied(rule.get("filters"), asked, destination)
        if "redirect" not in converted:
            converted |= {"route": targets} if targets else {"directResponse": {"status": 500}}
        yield {"match": [asked], **converted, **_limits(rule)}


def _targets(rule: Any, destination: filters.Destination) -> list[Object]:
    # Backends that get nothing are looked up all the same: the status speaks of every reference.
    places = {id(reference): destination(reference) for reference in rule.get("backendRefs") or []}
    targets = backends.weighted(rule.get("backendRefs") or [])
    weighted = []
    for reference, weight in targets:
        target: Object = {"destination": places[id(reference)]}
        if len(targets) > 1:
            target["weight"] = weight
        own = filters.applied(reference.get("filters"), {"uri": {}}, destination)
        if "headers" in own:
            target["headers"] = own["headers"]
        weighted.append(target)
    return weighted


def _limits(rule: Any) -> Object:
    """``backendRequest`` bounds one try, and there is one number for both in Envoy: the shorter one."""
    obj: Object = {}
    timeouts = rule.get("timeouts") or {}
    if limit := timeouts.get("backendRequest") or timeouts.get("request"):
        obj["timeout"] = limit
    if retry := rule.get("retry"):
        obj["retries"] = {"attempts": retry.get("attempts", 1)}
        if codes := retry.get("codes"):
            obj["retries"]["retryOn"] = ",".join(map(str, codes))
        if retry.get("backoff"):
            obj["retries"]["backoff"] = retry["backoff"]
    return obj
