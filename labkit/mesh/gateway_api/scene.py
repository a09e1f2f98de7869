"""A snapshot as the conversion asks it: what is there, who may refer to whom."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import model
from labkit.mesh.ambient import waypoints

GROUP = "gateway.networking.k8s.io"
CONTROLLER = "istio.io/gateway-controller"
CLASSES: Mapping[str, tuple[str, str]] = {
    "istio": (CONTROLLER, "The default Istio GatewayClass"),
    "istio-remote": ("istio.io/unmanaged-gateway", "Remote to this cluster. Does not deploy or affect configuration."),
}
"""The GatewayClasses that every istiod creates: controller and description."""

AMBIENT_CLASSES: Mapping[str, tuple[str, str]] = {
    **CLASSES,
    waypoints.CLASS: (waypoints.CONTROLLER, "The default Istio waypoint GatewayClass"),
}
"""Those that an istiod with ``PILOT_ENABLE_AMBIENT`` creates."""

Reference = Mapping[str, Any]


@dataclass(frozen=True)
class Scene:
    """Objects by what they are asked for."""

    snapshot: model.Snapshot

    def of(self, plural: str) -> Iterator[Object]:
        """Objects of the Gateway API, oldest first."""
        return iter(sorted(self.snapshot.of(f"{plural}.{GROUP}"), key=_age))

    @cached_property
    def services(self) -> Mapping[tuple[str, str], Object]:
        """By namespace and name."""
        return _by_key(self.snapshot.of("services"))

    @cached_property
    def service_entries(self) -> Mapping[tuple[str, str], Object]:
        """By namespace and name."""
        return _by_key(self.snapshot.of("serviceentries.networking.istio.io"))

    @cached_property
    def secrets(self) -> Mapping[tuple[str, str], Object]:
        """By namespace and name."""
        return _by_key(self.snapshot.of("secrets"))

    @cached_property
    def config_maps(self) -> Mapping[tuple[str, str], Object]:
        """By namespace and name."""
        return _by_key(self.snapshot.of("configmaps"))

    @cached_property
    def namespaces(self) -> Mapping[str, Object]:
        """By name."""
        return {resources.name_of(n): n for n in self.snapshot.of("namespaces")}

    @property
    def classes(self) -> Mapping[str, tuple[str, str]]:
        """The GatewayClasses that istiod creates here."""
        return AMBIENT_CLASSES if self.snapshot.is_ambient else CLASSES

    @cached_property
    def controlled(self) -> frozenset[str]:
        """Names of the classes whose Gateways are ours, those of waypoints among them."""
        return (
            frozenset(name for name, controller in self._controllers.items() if controller == CONTROLLER)
            | self._of_waypoints
        )

    def is_waypoint(self, gateway: Object) -> bool:
        """Whether a Gateway is a waypoint."""
        return gateway["spec"].get("gatewayClassName") in self._of_waypoints

    @cached_property
    def waypoints(self) -> waypoints.Waypoints:
        """Every waypoint, and who uses which."""
        return waypoints.Waypoints(self.snapshot)

    @cached_property
    def _of_waypoints(self) -> frozenset[str]:
        if not self.snapshot.is_ambient:
            return frozenset()
        return frozenset(name for name, controller in self._controllers.items() if controller == waypoints.CONTROLLER)

    @cached_property
    def _controllers(self) -> Mapping[str, str]:
        """Name of a class → its controller; one that istiod has not created yet counts already."""
        stored = {resources.name_of(c): str(c["spec"].get("controllerName")) for c in self.of("gatewayclasses")}
        return {name: controller for name, (controller, _) in self.classes.items()} | stored

    @cached_property
    def instances(self) -> Mapping[tuple[str, str], frozenset[int]]:
        """Namespace and name of a Service → its ports that have an instance."""
        instances: dict[tuple[str, str], set[int]] = {}
        for piece in self.snapshot.of("endpointslices.discovery.k8s.io"):
            key = resources.namespace_of(piece), resources.labels_of(piece).get("kubernetes.io/service-name", "")
            service = self.services.get(key)
            if service is None or not piece.get("endpoints"):
                continue
            names = {port.get("name") or "" for port in piece.get("ports") or []}
            ports = service["spec"].get("ports") or []
            instances.setdefault(key, set()).update(p["port"] for p in ports if (p.get("name") or "") in names)
        return {key: frozenset(ports) for key, ports in instances.items()}

    def is_granted(self, *, kind: str, namespace: str, to: str, name: str, target: str) -> bool:
        """Whether objects of ``kind`` in ``namespace`` may refer to ``to`` of that name in namespace ``target``."""
        return namespace == target or any(
            _allows(grant["spec"], kind, namespace, to, name)
            for grant in self.of("referencegrants")
            if resources.namespace_of(grant) == target
        )


def _allows(grant: Object, kind: str, namespace: str, to: str, name: str) -> bool:
    """``to`` is a kind of the core group: a Service or a Secret."""
    return any(
        entry.get("group") == GROUP and entry.get("kind") == kind and entry.get("namespace") == namespace
        for entry in grant.get("from") or []
    ) and any(
        not entry.get("group") and entry.get("kind") == to and entry.get("name") in (None, "", name)
        for entry in grant.get("to") or []
    )


def host(name: str, namespace: str) -> str:
    """``reviews.default.svc.cluster.local``."""
    return f"{name}.{namespace}.svc.{model.DOMAIN}"


def hosts_of(obj: Object) -> tuple[str, ...]:
    """The names of a Service or ServiceEntry."""
    if obj.get("kind") == "ServiceEntry":
        return tuple(obj["spec"].get("hosts") or ())
    return (host(resources.name_of(obj), resources.namespace_of(obj)),)


def generation_of(obj: Object) -> int:
    """What the conditions of its status have seen."""
    return int(obj["metadata"].get("generation", 1))


def _age(obj: Object) -> tuple[str, str, str]:
    return obj["metadata"].get("creationTimestamp", ""), resources.namespace_of(obj), resources.name_of(obj)


def _by_key(by_key: Any) -> dict[tuple[str, str], Object]:
    return {(resources.namespace_of(o), resources.name_of(o)): o for o in by_key}
