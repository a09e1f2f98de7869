"""Facts 7 to 12: weights."""

from collections.abc import Mapping

from labkit.base import waiting
from labkit.conformance.facts import clients
from labkit.conformance.facts.fact import Checks, Fact
from labkit.conformance.facts.ground import NAMESPACE, B, Ground
from labkit.conformance.facts.routing import COUNT, NET
from labkit.kube import resources
from labkit.kube.resources import Object

STATUS_WITHIN = 15.0
"""Seconds for istiod to write a route's status."""


def _share(ground: Ground, checks: Checks, *files: str, asked: Mapping[str, int]) -> None:
    ground.rules(*B, *files)
    clients.until_settled(ground, asked)
    checks.split(clients.counts(clients.reviews(ground, COUNT)), asked)


def _of_file(number: int, name: str, asked: Mapping[str, int], sentence: str) -> Fact:
    def measure(ground: Ground, checks: Checks) -> None:
        _share(ground, checks, f"{NET}/virtual-service-reviews-{name}.yaml", asked=asked)

    words = ", ".join(f"{version} {weight} %" for version, weight in asked.items())
    return Fact(number=number, sentence=sentence, asked=f"{words}, no other version; {COUNT} requests", measure=measure)


def _by_http_route(ground: Ground, checks: Checks) -> None:
    ground.deploy("bookinfo/platform/kube/bookinfo-versions.yaml")
    _share(ground, checks, "bookinfo/gateway-api/route-reviews-90-10.yaml", asked={"v1": 90, "v2": 10})
    conditions = waiting.until(
        lambda: _conditions(ground.api.find(resources.HTTP_ROUTES, "reviews", NAMESPACE)),
        what="the status of HTTPRoute reviews",
        timeout=STATUS_WITHIN,
        next_step=f"kubectl -n {NAMESPACE} get httproute reviews -o yaml",
    )
    accepted, resolved = conditions.get("Accepted", {}), conditions.get("ResolvedRefs", {})
    condition = f"{accepted.get('status')} ({accepted.get('message')})"
    checks.equal("Accepted", condition, "True (Route was valid)")
    checks.equal("ResolvedRefs", resolved.get("status"), "True")


def _conditions(route: Object | None) -> dict[str, Object]:
    parents = ((route or {}).get("status") or {}).get("parents") or []
    return {condition["type"]: condition for parent in parents for condition in parent.get("conditions") or []}


FACTS = (
    _of_file(7, "50-v3", {"v1": 50, "v3": 50}, "reviews-50-v3 halves the traffic between v1 and v3."),
    _of_file(8, "80-20", {"v1": 80, "v2": 20}, "reviews-80-20 sends a fifth to v2."),
    _of_file(9, "90-10", {"v1": 90, "v2": 10}, "reviews-90-10 sends a tenth to v2."),
    _of_file(10, "v2-v3", {"v2": 50, "v3": 50}, "reviews-v2-v3 halves it between v2 and v3."),
    _of_file(11, "v3", {"v3": 100}, "reviews-v3 sends everything to v3."),
    Fact(
        number=12,
        sentence="An HTTPRoute of the Gateway API splits as the VirtualService does.",
        asked=f"v1 90 %, v2 10 %; {COUNT} requests; Accepted True (Route was valid), ResolvedRefs True",
        measure=_by_http_route,
    ),
)
