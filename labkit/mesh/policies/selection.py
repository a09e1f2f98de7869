"""Which policies apply to a workload: of the mesh, of its namespace, of the workload itself; the older first.

Every policy kind selects alike: by ``selector.matchLabels``, or by ``targetRefs`` that name a Gateway; without either
it speaks of its whole namespace, and in the root namespace of the whole mesh.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import blame

GATEWAY_GROUP = "gateway.networking.k8s.io"
GATEWAY_NAME = "gateway.networking.k8s.io/gateway-name"
"""The label of a gateway's pods by which ``targetRefs`` choose them."""


@dataclass(frozen=True, kw_only=True)
class Levels:
    """Policies of one kind that apply to a workload, each level's oldest first."""

    mesh: tuple[Object, ...] = ()
    namespace: tuple[Object, ...] = ()
    workload: tuple[Object, ...] = ()


def applying(policies: Iterable[Object], *, root: str, namespace: str, labels: Mapping[str, str]) -> Levels:
    """The policies of a workload; one of the root namespace's own workloads has no namespace level."""
    every = sorted(policies, key=age)
    own = [p for p in every if resources.namespace_of(p) == namespace]
    return Levels(
        mesh=tuple(p for p in every if resources.namespace_of(p) == root and selector(p) is None),
        namespace=tuple(p for p in own if selector(p) is None) if namespace != root else (),
        workload=tuple(p for p in own if (chosen := selector(p)) is not None and chosen.items() <= labels.items()),
    )


def attached(policies: Iterable[Object], *, root: str, namespace: str, labels: Mapping[str, str]) -> list[Object]:
    """All policies of a kind that adds up: the root namespace's, then the namespace's own, the oldest first of each.

    Those of the root namespace that have a selector choose among the workloads of every namespace.
    """
    every = sorted(policies, key=age)
    places = dict.fromkeys((root, namespace))
    return [
        p for place in places for p in every if resources.namespace_of(p) == place and _chooses(p, namespace, labels)
    ]


def _chooses(policy: Object, namespace: str, labels: Mapping[str, str]) -> bool:
    spec = policy.get("spec") or {}
    targets = targets_of(spec)
    if not targets:
        return ((spec.get("selector") or {}).get("matchLabels") or {}).items() <= labels.items()
    own = labels.get(GATEWAY_NAME)
    return resources.namespace_of(policy) == namespace and any(
        target.get("kind") == "Gateway" and target.get("name") == own for target in targets
    )


@dataclass(frozen=True, kw_only=True)
class Waypoint:
    """A waypoint as policies name it, and the host behind it that they are asked for."""

    name: str
    namespace: str
    gateway_class: str
    target: tuple[str, str, str] = ("", "", "")
    """Kind, namespace and name of the Service or ServiceEntry; empty for connections to pods' own addresses."""


GROUPS = {"Gateway": GATEWAY_GROUP, "GatewayClass": GATEWAY_GROUP, "Service": "", "ServiceEntry": "networking.istio.io"}
"""Kind of a target → its group."""


def at_waypoint(policies: Iterable[Object], waypoint: Waypoint, *, root: str) -> list[Object]:
    """The policies that a waypoint carries out for one host: only those that name it, or the host, as their target.

    A policy without targets is ztunnel's. The root namespace's first, the oldest first of each namespace.
    """
    every = sorted(policies, key=age)
    places = dict.fromkeys((root, waypoint.namespace, waypoint.target[1]))
    return [
        p
        for place in places
        for p in every
        if resources.namespace_of(p) == place
        and any(_is_target(target, place, waypoint, root) for target in targets_of(p.get("spec") or {}))
    ]


def _is_target(target: Mapping[str, Any], namespace: str, waypoint: Waypoint, root: str) -> bool:
    kind, name = str(target.get("kind")), target.get("name")
    if str(target.get("group") or "") not in (GROUPS.get(kind), "core" if kind == "Service" else None):
        return False
    if kind == "Gateway":
        return (namespace, name) == (waypoint.namespace, waypoint.name)
    if kind == "GatewayClass":
        return namespace == root and name == waypoint.gateway_class
    return (kind, namespace, name) == waypoint.target


def targets_of(spec: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What a policy names as its targets; ``targetRef`` is the older word for one."""
    return spec.get("targetRefs") or ([spec["targetRef"]] if spec.get("targetRef") else [])


def selector(policy: Object) -> Mapping[str, str] | None:
    """The labels that a policy chooses workloads by; None for all of a namespace."""
    kind = str(policy.get("kind") or "Policy")
    with blame.naming(f"{kind} {resources.namespace_of(policy)}/{resources.name_of(policy)}"):
        spec = policy.get("spec") or {}
        targets = targets_of(spec)
        if targets:
            return {GATEWAY_NAME: str(targets[0].get("name", ""))}
        return (spec.get("selector") or {}).get("matchLabels") or None


def age(obj: Object) -> tuple[str, str, str]:
    """What decides between objects that contradict each other: the older wins, then the first by name."""
    return obj["metadata"].get("creationTimestamp") or "", resources.name_of(obj), resources.namespace_of(obj)
