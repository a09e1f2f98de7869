"""What istiod writes about ambient into statuses: who carries a policy out, and through which waypoint a host goes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh.ambient import authorizations, waypoints
from labkit.mesh.ambient.waypoints import Waypoints
from labkit.mesh.hosts import service_entries
from labkit.mesh.model import Snapshot
from labkit.mesh.policies import selection

BOUND = "istio.io/WaypointBound"
ACCEPTED = "WaypointAccepted"
CONDITIONS = (BOUND, ACCEPTED, "ZtunnelAccepted")
"""Condition types that istiod owns; other controllers write the others."""

ENTRIES = "serviceentries.networking.istio.io"
CLASSES = "gatewayclasses.gateway.networking.k8s.io"

Key = tuple[str, str, str]
"""Kind, namespace, name."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """The condition of one target of a policy."""

    target: str
    """``Service amb/reviews``."""

    is_bound: bool = False
    reason: str = "Accepted"
    message: str


def of(snapshot: Snapshot, chosen: Waypoints | None = None) -> dict[Key, Object]:
    """Fields of statuses by object, with only the conditions of ``CONDITIONS``, without times.

    An object that is to lose such a condition has none. Nothing at all where ambient is switched off.
    """
    if not snapshot.is_ambient:
        return {}
    every = chosen or Waypoints(snapshot)
    return {
        **dict(_policies(snapshot, every)),
        **dict(_hosts(snapshot.of("services"), "Service", every)),
        **dict(_hosts(snapshot.of(ENTRIES), "ServiceEntry", every)),
    }


def _policies(snapshot: Snapshot, every: Waypoints) -> Iterator[tuple[Key, Object]]:
    for converted in authorizations.converted(snapshot):
        yield _key("AuthorizationPolicy", converted.policy), {"conditions": [authorizations.condition(converted)]}
    targets = _Targets(snapshot, every)
    for policy in snapshot.of(authorizations.RESOURCE):
        if condition := targets.condition(policy):
            yield _key("AuthorizationPolicy", policy), {"conditions": [condition]}


def _hosts(objects: Any, kind: str, every: Waypoints) -> Iterator[tuple[Key, Object]]:
    for obj in objects:
        present = [c.get("type") for c in (obj.get("status") or {}).get("conditions") or []]
        condition = _bound(obj, every)
        fields: Object = {}
        if condition is not None or BOUND in present:
            fields["conditions"] = [condition] if condition else []
        if kind == "ServiceEntry" and (given := list(_addresses(obj))):
            fields["addresses"] = given
        if fields:
            yield _key(kind, obj), fields


def _bound(obj: Object, every: Waypoints) -> Object | None:
    """The condition of a host that asks for a waypoint."""
    binding = every.of_service(obj)
    if binding.waypoint is not None:
        message = f"Successfully attached to waypoint {binding.waypoint.key}{_of_ingress(obj, every)}"
        return {"type": BOUND, "status": "True", "reason": "WaypointAccepted", "message": message}
    if binding.reason:
        return {"type": BOUND, "status": "False", "reason": binding.reason, "message": binding.message}
    return None


def _of_ingress(obj: Object, every: Waypoints) -> str:
    """The condition about requests from gateways, for a host with the label."""
    says = every.ingress_label(obj)
    if says is None:
        return ""
    if says == "true":
        return ". Ingress traffic will traverse the waypoint"
    return (
        ". Ingress traffic is not using the waypoint, "
        f"set the {waypoints.INGRESS_USE_WAYPOINT} label to true if desired."
    )


def _addresses(entry: Object) -> Iterator[Object]:
    """The addresses that istiod gives to hosts without any, in both families."""
    spec = entry["spec"]
    if spec.get("addresses"):
        return
    stored = (entry.get("status") or {}).get("addresses") or []
    for host in spec.get("hosts") or ():
        address = service_entries.virtual_address(entry, host)
        if not address:
            continue
        six = next((str(a["value"]) for a in stored if a.get("host") == host and a.get("value") != address), "")
        yield {"host": host, "value": address}
        yield {"host": host, "value": six or service_entries.virtual_address_v6(address)}


class _Targets:
    """Looks up what the targets of policies name."""

    def __init__(self, snapshot: Snapshot, every: Waypoints) -> None:
        self._root, self._waypoints = snapshot.root_namespace, every
        self._classes = {resources.name_of(c) for c in snapshot.of(CLASSES)} | {waypoints.CLASS}
        self._objects: Mapping[Key, Object] = {
            _key(kind, obj): obj
            for kind, plural in (("Service", "services"), ("ServiceEntry", ENTRIES), ("Gateway", waypoints.GATEWAYS))
            for obj in snapshot.of(plural)
        }

    def condition(self, policy: Object) -> Object | None:
        """The condition of a policy that a waypoint enforces; None for any other policy."""
        namespace = resources.namespace_of(policy)
        named = selection.targets_of(policy.get("spec") or {})
        told = [one for target in named if (one := self._told(target, namespace)) is not None]
        if not told:
            return None
        bound, others = [t for t in told if t.is_bound], [t.target for t in told if not t.is_bound]
        reason, message = told[0].reason, told[0].message
        if len(told) > 1 and bound:
            reason, message = "Accepted", ", ".join(dict.fromkeys(t.message for t in bound))
        if others and bound:
            reason, message = "PartiallyInvalid", f"Invalid targetRefs: {', '.join(others)}"
        return {
            "type": ACCEPTED,
            "status": "True" if bound else "False",
            "reason": reason,
            "message": message,
            "observedGeneration": str(policy["metadata"].get("generation", 1)),
        }

    def _told(self, target: Mapping[str, Any], namespace: str) -> Told | None:
        kind, name = str(target.get("kind")), str(target.get("name"))
        if kind == "GatewayClass":
            return self._of_class(name, namespace)
        if kind not in ("Gateway", "Service", "ServiceEntry"):
            return None
        title = f"{kind} {namespace}/{name}"
        obj = self._objects.get((kind, namespace, name))
        if obj is None:
            return Told(target=title, reason="TargetNotFound", message=f"{title} was not found")
        if kind == "Gateway":
            waypoint = self._waypoints.of_gateway(obj)
            return None if waypoint is None else Told(target=title, is_bound=True, message=f"bound to {waypoint.key}")
        waypoint = self._waypoints.of_service(obj).waypoint
        if waypoint is None:
            message = f"{title} is not bound to a waypoint"
            return Told(target=title, reason="AncestorNotBound", message=message)
        return Told(target=title, is_bound=True, message=f"bound to {waypoint.key}")

    def _of_class(self, name: str, namespace: str) -> Told:
        title = f"GatewayClass {name}"
        if namespace != self._root:
            message = (
                f"AuthorizationPolicy must be in the root namespace `{self._root}` when referencing a GatewayClass"
            )
            return Told(target=title, reason="Invalid", message=message)
        if name not in self._classes:
            return Told(target=title, reason="TargetNotFound", message=f"{title} was not found")
        return Told(target=title, is_bound=True, message=f"bound to {title}")


def _key(kind: str, obj: Object) -> Key:
    return kind, resources.namespace_of(obj), resources.name_of(obj)
