"""Which waypoint, if any, the traffic to a Service, a ServiceEntry or a pod goes through.

``istio.io/use-waypoint`` on the object decides, then the same label on its namespace; ``none`` opts out. The waypoint
must be ready, must carry that kind of traffic (``istio.io/waypoint-for``), and must let the object's namespace attach.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from labkit.kube import label_selectors, resources
from labkit.kube.resources import Object
from labkit.mesh import model

GATEWAYS = "gateways.gateway.networking.k8s.io"
CLASSES = "gatewayclasses.gateway.networking.k8s.io"
CLASS = "istio-waypoint"
CONTROLLER = "istio.io/mesh-controller"
MANAGED = "gateway.istio.io/managed"
MANAGED_BY_MESH = "istio.io-mesh-controller"
"""The value of ``gateway.istio.io/managed`` on what istiod makes for a waypoint; that has no waypoint itself."""

USE_WAYPOINT = "istio.io/use-waypoint"
USE_WAYPOINT_NAMESPACE = "istio.io/use-waypoint-namespace"
WAYPOINT_FOR = "istio.io/waypoint-for"
INGRESS_USE_WAYPOINT = "istio.io/ingress-use-waypoint"
HBONE_PORT = 15008
SERVICE, WORKLOAD, ALL = "service", "workload", "all"


@dataclass(frozen=True, kw_only=True)
class Waypoint:
    """A Gateway whose class belongs to istiod's mesh controller."""

    name: str
    namespace: str
    traffic: str
    """``service``, ``workload``, ``all`` or ``none``: the traffic that it carries."""

    address: str = ""
    """The ClusterIP of its Service; empty before the Service exists."""

    is_ready: bool = True
    """Whether its Gateway has ever been given an address; nothing attaches to it before."""

    @property
    def host(self) -> str:
        """The full name of its Service."""
        return f"{self.name}.{self.namespace}.svc.{model.DOMAIN}"

    @property
    def key(self) -> str:
        """``amb/waypoint``, as istiod's statuses name it."""
        return f"{self.namespace}/{self.name}"

    def carries(self, traffic: str) -> bool:
        """Whether it carries ``service`` or ``workload`` traffic."""
        return self.traffic in (traffic, ALL)


@dataclass(frozen=True, kw_only=True)
class Binding:
    """The waypoint of one object, or why it has none although it asks for one."""

    waypoint: Waypoint | None = None
    reason: str = ""
    """Istio's word in the condition ``istio.io/WaypointBound``; empty where nothing is wrong."""

    message: str = ""


NONE = Binding()
OPTED_OUT = ("", "")


class Waypoints:
    """Every waypoint of a snapshot, and who uses which."""

    def __init__(self, snapshot: model.Snapshot) -> None:
        self._snapshot = snapshot
        self._namespaces = {resources.name_of(n): n for n in snapshot.of("namespaces")}

    @cached_property
    def by_key(self) -> Mapping[tuple[str, str], Waypoint]:
        """By namespace and name, ready or not."""
        return {key: self._read(gateway) for key, gateway in self._gateways.items()}

    def of_service(self, obj: Object) -> Binding:
        """The waypoint of a Service or a ServiceEntry."""
        return self._for(obj, SERVICE)

    def of_workload(self, obj: Object) -> Binding:
        """The waypoint of a pod or a WorkloadEntry, for connections to its own address."""
        return self._for(obj, WORKLOAD)

    def is_asked_for(self, obj: Object) -> bool:
        """Whether a label of the object or of its namespace names a waypoint, there or not."""
        return self._asked_for(obj) not in (None, OPTED_OUT)

    def ingress_label(self, obj: Object) -> str | None:
        """What the label about requests from a gateway says, of the object or else of its namespace."""
        namespace = self._namespaces.get(resources.namespace_of(obj)) or {"metadata": {}}
        for holder in (obj, namespace):
            if (says := resources.labels_of(holder).get(INGRESS_USE_WAYPOINT)) is not None:
                return says.lower()
        return None

    def of_gateway(self, obj: Object) -> Waypoint | None:
        """The waypoint that a Gateway object is, if its class is one of waypoints."""
        return self.by_key.get((resources.namespace_of(obj), resources.name_of(obj)))

    def _for(self, obj: Object, traffic: str) -> Binding:
        if resources.labels_of(obj).get(MANAGED) == MANAGED_BY_MESH:
            return NONE
        binding = self._target(obj)
        waypoint = binding.waypoint
        if waypoint is None or waypoint.carries(traffic):
            return binding
        text = f'attempting to bind to traffic type "{traffic}" which the waypoint "{waypoint.key}" does not support'
        return Binding(reason="UnsupportedTrafficType", message=text)

    def _asked_for(self, obj: Object) -> tuple[str, str] | None:
        """What the object's own label names; else what its namespace's label names."""
        namespace = resources.namespace_of(obj)
        holders = (obj, self._namespaces.get(namespace) or {"metadata": {}})
        return next((key for holder in holders if (key := _asked(holder, namespace)) is not None), None)

    def _target(self, obj: Object) -> Binding:
        namespace, key = resources.namespace_of(obj), self._asked_for(obj)
        if key is None or key == OPTED_OUT:
            return NONE
        waypoint, title = self.by_key.get(key), "/".join(key)
        if waypoint is None or not waypoint.is_ready:
            return Binding(reason="WaypointIsNotReady", message=f'waypoint "{title}" is not ready')
        if not self._admits(self._gateways[key], namespace):
            text = f'we are not permitted to attach to waypoint "{title}" (missing allowedRoutes?)'
            return Binding(reason="AttachmentDenied", message=text)
        return Binding(waypoint=waypoint)

    @cached_property
    def _gateways(self) -> Mapping[tuple[str, str], Object]:
        gateways = self._snapshot.of(GATEWAYS) if self._snapshot.is_ambient else ()
        return {
            (resources.namespace_of(g), resources.name_of(g)): g
            for g in gateways
            if is_waypoint_class(g["spec"].get("gatewayClassName", ""), self._classes)
        }

    @cached_property
    def _classes(self) -> Mapping[str, Object]:
        return {resources.name_of(c): c for c in self._snapshot.of(CLASSES)}

    @cached_property
    def _services(self) -> Mapping[tuple[str, str], Object]:
        return {(resources.namespace_of(s), resources.name_of(s)): s for s in self._snapshot.of("services")}

    @cached_property
    def _served(self) -> frozenset[tuple[str, str]]:
        """Namespace and name of the Services that have an endpoint."""
        return frozenset(
            (resources.namespace_of(piece), resources.labels_of(piece).get("kubernetes.io/service-name", ""))
            for piece in self._snapshot.of("endpointslices.discovery.k8s.io")
            if piece.get("endpoints")
        )

    def _read(self, gateway: Object) -> Waypoint:
        namespace, name = resources.namespace_of(gateway), resources.name_of(gateway)
        service = self._services.get((namespace, name))
        given = (gateway.get("status") or {}).get("addresses")
        own_class = self._classes.get(gateway["spec"].get("gatewayClassName", "")) or {"metadata": {}}
        labels = {**resources.labels_of(own_class), **resources.labels_of(gateway)}
        address = str((service or {}).get("spec", {}).get("clusterIP") or "")
        return Waypoint(
            name=name,
            namespace=namespace,
            traffic=labels.get(WAYPOINT_FOR, SERVICE),
            address="" if address == "None" else address,
            is_ready=bool(given) or (namespace, name) in self._served,
        )

    def _admits(self, gateway: Object, namespace: str) -> bool:
        """Whether the HBONE listener lets objects of a namespace attach; by default only those of its own."""
        listeners = gateway["spec"].get("listeners") or []
        listener: Mapping[str, Any] = next(
            (x for x in listeners if x.get("protocol") == "HBONE" and x.get("port") == HBONE_PORT), {}
        )
        allowed = (listener.get("allowedRoutes") or {}).get("namespaces") or {}
        match allowed.get("from", "Same"):
            case "All":
                return True
            case "Selector":
                own = resources.labels_of(self._namespaces.get(namespace) or {"metadata": {}})
                return label_selectors.fits(allowed.get("selector") or {}, own)
            case _:
                return resources.namespace_of(gateway) == namespace


def is_waypoint_class(name: str, classes: Mapping[str, Object]) -> bool:
    """Whether Gateways of a class are waypoints: the class is the mesh controller's."""
    stored = classes.get(name)
    return name == CLASS if stored is None else stored["spec"].get("controllerName") == CONTROLLER


def _asked(holder: Object, namespace: str) -> tuple[str, str] | None:
    """Namespace and name of the waypoint that an object's labels name; None where they name nothing."""
    labels = resources.labels_of(holder)
    name = labels.get(USE_WAYPOINT)
    if not name:
        return None
    return OPTED_OUT if name == "none" else (labels.get(USE_WAYPOINT_NAMESPACE) or namespace, name)
