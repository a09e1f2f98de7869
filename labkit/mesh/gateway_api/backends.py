"""Backends of routes: what they refer to, and whether they may."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh.gateway_api.scene import Scene, host

UNKNOWN = "UnknownService"
"""The host of a backend that must not or cannot be used: a cluster that there never is."""


class Problem(NamedTuple):
    """Why a reference is not resolved."""

    reason: str
    message: str


def destination(reference: Any, route: Object, scene: Scene, *, in_mesh: bool) -> tuple[Object, Problem | None]:
    """Where a backend leads as the destination of a VirtualService."""
    group, kind, name = reference.get("group") or "", reference.get("kind", "Service"), reference["name"]
    own = resources.namespace_of(route)
    namespace = reference.get("namespace") or own
    port = {"port": {"number": reference["port"]}} if reference.get("port") else {}
    if (group, kind) == ("networking.istio.io", "Hostname"):
        return {"host": name, **port}, None
    if (group, kind) != ("", "Service"):
        text = f'referencing unsupported backendRef: group "{group}" kind "{kind}"'
        return {"host": UNKNOWN}, Problem("InvalidKind", text)
    # A route of a Service in the mesh speaks for its own clients: nobody has to allow that.
    permitted = in_mesh or scene.is_granted(
        kind=route["kind"], namespace=own, to="Service", name=name, target=namespace
    )
    if not permitted:
        place = f'backendRef {name}/{namespace} not accessible to a {route["kind"]} in namespace "{own}"'
        return {"host": UNKNOWN}, Problem("RefNotPermitted", f"{place} (missing a ReferenceGrant?)")
    target = {"host": host(name, namespace), **port}
    if (namespace, name) not in scene.services:
        return target, Problem("BackendNotFound", f"backend({target['host']}) not found")
    return target, None


def weighted(references: Sequence[Any]) -> list[tuple[Any, int]]:
    """Backends with the weights that count: one of 0 gets nothing."""
    target = [(reference, reference.get("weight", 1)) for reference in references]
    return [(reference, weight) for reference, weight in target if weight]
