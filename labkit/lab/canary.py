"""What a canary counts by, on a lab: the statistics of the proxy that calls the service."""

from labkit.telemetry import upstreams
from labkit.traffic.canary import Count, Plan

__all__ = ["Plan", "caller_of", "counts"]

CALLERS = {
    "productpage": "istio-ingressgateway",
    "details": "productpage",
    "reviews": "productpage",
    "ratings": "reviews-v3",
}
"""Whose proxy sends a service its requests; the beginning of the pod's name."""


def caller_of(service: str) -> str:
    """The pod to ask; the gateway where nothing else is known."""
    return CALLERS.get(service, "istio-ingressgateway")


def counts(ask: upstreams.Ask, service: str) -> dict[str, Count]:
    """Requests by version since that proxy began."""
    subsets = upstreams.by_subset(ask, service) or upstreams.of_endpoints(ask("clusters?format=json"), service)
    return {version: Count(sent=seen.sent, failed=seen.failed) for version, seen in subsets.items()}
