"""The VirtualService behind a split view, and the requests that show what it does. Pure."""

from collections.abc import Mapping
from typing import Any

from labkit import traffic
from labkit.kube import manifests
from labkit.kube.resources import Object
from labkit.lab import cleanup

DEFAULT_PATHS = {"reviews": "/api/v1/products/0/reviews"}
"""What shows at the gateway which version of a service answered."""


def load(url: str, service: str, *, path: str = "", rate: float) -> traffic.Load:
    """Requests whose answers name the version of ``service``."""
    return traffic.Load(url=url, path=path or DEFAULT_PATHS.get(service, "/productpage"), rate=rate)


def virtual_service(service: str, weights: Mapping[str, int], *, namespace: str, live: Object | None = None) -> Object:
    """The live VirtualService, or a new one, that shares ``service`` among its subsets.

    Only the weights change: rules with matches stay where they are, and so do timeouts, retries and faults.
    """
    spec: dict[str, Any] = {"hosts": [service], **((live or {}).get("spec") or {})}
    rules = list(spec.get("http") or [])
    at = _plain(rules)
    old = rules[at] if at < len(rules) else {}
    new = {key: value for key, value in old.items() if key not in ("redirect", "directResponse", "delegate")}
    rules[at : at + 1] = [{**new, "route": _routes(service, weights, old)}]
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": service, "namespace": namespace},
        "spec": {**spec, "http": rules},
    }


def weights_of(live: Object | None) -> dict[str, int]:
    """The weights that a VirtualService asks for now: ``{"v1": 90, "v2": 10}``; empty when it splits nothing."""
    rules: list[Any] = ((live or {}).get("spec") or {}).get("http") or []
    at = _plain(rules)
    routes = rules[at].get("route") or [] if at < len(rules) else []
    weights = {}
    for entry in routes:
        subset = (entry.get("destination") or {}).get("subset")
        if subset:
            weights[subset] = int(entry.get("weight", 100 if len(routes) == 1 else 0))
    return weights


def yaml_of(live: Object | None) -> str:
    """The object as somebody would write it; empty where there is none."""
    return manifests.dump(cleanup.stripped(live)) if live else ""


def subsets_of(rules: list[Object], service: str) -> list[str]:
    """Names of the subsets that DestinationRules define for a service's short name."""
    for rule in rules:
        if str(rule["spec"].get("host", "")).split(".")[0] == service:
            return [s["name"] for s in rule["spec"].get("subsets") or []]
    return []


def _plain(rules: list[Any]) -> int:
    """The place of the first rule without a match, which takes all that is left; the end when there is none."""
    return next((n for n, rule in enumerate(rules) if not rule.get("match")), len(rules))


def _routes(service: str, weights: Mapping[str, int], old: Mapping[str, Any]) -> list[Any]:
    """A destination a subset, with what was written beside it before: its port, its headers."""
    before = {(r.get("destination") or {}).get("subset"): r for r in old.get("route") or []}
    return [
        {**before.get(name, {"destination": {"host": service, "subset": name}}), "weight": weight}
        for name, weight in weights.items()
    ]
