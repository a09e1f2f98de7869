"""Comparable facts of one proxy's Envoy resources: what a user of Istio can tell apart, under stable names.

Resources are ``{"clusters" | "listeners" | "routes" | "endpoints" | "ecds": {name: resource}}`` with snake_case fields,
as in Envoy's admin. A fact is ``"KIND NAME": plain data``. ``tests/answers/README.md`` says what is left out and why.
"""

from labkit.conformance.envoy.capture import capture
from labkit.conformance.envoy.clusters import cluster, endpoints
from labkit.conformance.envoy.listeners import is_gateway, listener_facts
from labkit.conformance.envoy.values import Json, unordered
from labkit.conformance.envoy.waypoints import is_waypoint, waypoint_facts

Facts = dict[str, object]
"""``"outbound reviews.default.svc.cluster.local:9080"`` → plain data."""

Resources = dict[str, dict[str, Json]]
"""Kind → name → resource."""

TABLES = {"workloads", "services", "policies"}
"""What ztunnel is told: it is no Envoy."""

OF_THE_RECORDING = frozenset({"workloads default/curl", "workloads istio-system/istiod"})
"""Not compared: the recording names a pod by another one that had its address before, and Istio's chart puts its own
version on istiod's pods, where the sandbox's profile does not."""

__all__ = ["Facts", "Resources", "facts"]


def facts(resources: Resources, *, with_capture: bool = False) -> Facts:
    """All facts of a proxy; ``with_capture`` adds how its listeners take connections."""
    if TABLES & resources.keys():
        return {
            f"{kind} {name}": unordered(body)
            for kind in TABLES
            for name, body in resources.get(kind, {}).items()
            if f"{kind} {name}" not in OF_THE_RECORDING
        }
    if is_waypoint(resources):
        of_waypoint: Facts = waypoint_facts(resources)
        return of_waypoint | _endpoints(resources)
    of_clusters: Facts = {
        f"cluster {name}": cluster(body)
        for name, body in resources.get("clusters", {}).items()
        if name.startswith("outbound|")
    }
    of_listeners = listener_facts(resources, for_gateway=is_gateway(resources))
    of_capture = capture(resources) if with_capture else {}
    return {**of_clusters, **_endpoints(resources), **of_listeners, **of_capture}


def _endpoints(resources: Resources) -> Facts:
    return {f"endpoints {name}": endpoints(body) for name, body in resources.get("endpoints", {}).items()}
