"""The VirtualService behind a split view. Pure."""

from collections.abc import Mapping
from typing import Any

from labkit.kube.resources import Object

DEFAULT_PATHS = {"reviews": "/api/v1/products/0/reviews"}
"""What shows at the gateway which version of a service answered."""


def virtual_service(service: str, weights: Mapping[str, int], *, namespace: str, live: Object | None = None) -> Object:
    """A VirtualService that shares ``service`` among its subsets; rules with matches that are there stay in front."""
    kept = [rule for rule in ((live or {}).get("spec") or {}).get("http") or [] if rule.get("match")]
    route = [{"destination": {"host": service, "subset": name}, "weight": weight} for name, weight in weights.items()]
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": service, "namespace": namespace},
        "spec": {"hosts": [service], "http": [*kept, {"route": route}]},
    }


def weights_of(live: Object | None) -> dict[str, int]:
    """The weights that a VirtualService asks for now: ``{"v1": 90, "v2": 10}``; empty when it splits nothing."""
    rules: list[Any] = ((live or {}).get("spec") or {}).get("http") or []
    plain = [rule for rule in rules if not rule.get("match")]
    if not plain:
        return {}
    routes = plain[-1].get("route") or []
    found = {}
    for entry in routes:
        subset = (entry.get("destination") or {}).get("subset")
        if subset:
            found[subset] = int(entry.get("weight", 100 if len(routes) == 1 else 0))
    return found


def subsets_of(rules: list[Object], service: str) -> list[str]:
    """Names of the subsets that DestinationRules define for a service's short name."""
    for rule in rules:
        if str(rule["spec"].get("host", "")).split(".")[0] == service:
            return [s["name"] for s in rule["spec"].get("subsets") or []]
    return []
