"""What an object asks for and a sandbox does not carry out, from every part of the translation."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import gateway_api, patches
from labkit.mesh.api import unsupported
from labkit.mesh.policies import provider_findings

WAYPOINTS = "istio-waypoint"
"""The class of Gateways that are waypoints."""

PREFIX = "not in this sandbox: "
"""What a warning of something that a real mesh would carry out starts with."""


def _unknown(namespace: str, name: str) -> Object | None:
    """No Gateway is known."""
    return None


def findings(
    obj: Object, mesh: Mapping[str, Any] | None = None, *, gateway: Callable[[str, str], Object | None] = _unknown
) -> list[str]:
    """A sentence for each field without effect: ``spec.servers[0].bind has no effect: …``; ``mesh`` is MeshConfig.

    Without it nothing is said of providers, and without ``gateway``, a Gateway by namespace and name, of waypoints.
    """
    return [
        *_at_waypoints(obj, gateway),
        *unsupported.findings(obj),
        *gateway_api.unsupported(obj),
        *patches.findings(obj),
        *(provider_findings.findings(obj, mesh) if mesh else ()),
    ]


def _at_waypoints(obj: Object, gateway: Callable[[str, str], Object | None]) -> Iterator[str]:
    """Waypoints take no EnvoyFilter, in Istio as here (istio/istio, pull request 55149)."""
    if obj.get("kind") != "EnvoyFilter":
        return
    for number, target in enumerate((obj.get("spec") or {}).get("targetRefs") or ()):
        name = str((target or {}).get("name", ""))
        named = gateway(resources.namespace_of(obj), name)
        if named is not None and (named.get("spec") or {}).get("gatewayClassName") == WAYPOINTS:
            yield f"spec.targetRefs[{number}]: Gateway {name} is a waypoint, which takes no EnvoyFilter in Istio either"
