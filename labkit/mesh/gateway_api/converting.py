"""From the objects of the Gateway API to Istio's own, with the statuses that say how it went."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import model
from labkit.mesh.gateway_api import addresses, deployments, listeners, matches, parents, rules
from labkit.mesh.gateway_api.conditions import RESOLVED, condition
from labkit.mesh.gateway_api.scene import CLASSES, CONTROLLER, Scene, generation_of, hosts_of

SEMANTICS = "internal.istio.io/route-semantics"
SERVICE = "internal.istio.io/gateway-service"
PARENTS = "internal.istio.io/parents"
ROUTES = {"HTTPRoute": "httproutes", "GRPCRoute": "grpcroutes"}
VIRTUAL_SERVICES, GATEWAYS = "virtualservices.networking.istio.io", "gateways.networking.istio.io"

Key = tuple[str, str, str]
"""Kind, namespace, name."""


@dataclass(frozen=True, kw_only=True)
class Converted:
    """All that follows from the objects of the Gateway API."""

    virtual_services: tuple[Object, ...] = ()
    gateways: tuple[Object, ...] = ()
    statuses: Mapping[Key, Object] = field(default_factory=dict)
    """Whole statuses, their conditions without times."""

    classes: Mapping[str, tuple[str, str]] = field(default_factory=lambda: CLASSES)
    """GatewayClasses to create: controller and description."""

    deployments: tuple[Object, ...] = ()
    """ServiceAccounts, Deployments and Services to apply."""


def convert(snapshot: model.Snapshot, *, has_low_ports: bool = True) -> Converted:
    """Convert all of them; ``has_low_ports`` says whether a gateway's pods may listen below 1024."""
    scene = Scene(snapshot)
    ours = [g for g in scene.of("gateways") if g["spec"].get("gatewayClassName") in scene.controlled]
    by_gateway = {_key(gateway): listeners.of_gateway(gateway, scene) for gateway in ours}
    bound: list[tuple[parents.Binding, rules.Rules]] = []
    statuses: dict[Key, Object] = dict(_classes(scene))
    for kind, plural in ROUTES.items():
        for route in scene.of(plural):
            own = [_with_rules(binding, scene) for binding in parents.bindings(route, by_gateway, scene)]
            bound += own
            statuses[kind, *_key(route)] = _route_status(route, own, scene)
    objects: list[Object] = []
    for gateway in ours:
        statuses["Gateway", *_key(gateway)] = _gateway_status(gateway, by_gateway[_key(gateway)], bound, scene)
        if addresses.is_managed(gateway):
            objects += deployments.of_gateway(gateway, scene, has_low_ports=has_low_ports)
    return Converted(
        virtual_services=(*_mesh_services(bound), *_gateway_services(bound)),
        gateways=tuple(_gateways(ours, by_gateway, scene)),
        statuses=statuses,
        classes=scene.classes,
        deployments=tuple(objects),
    )


def expanded(snapshot: model.Snapshot, converted: Converted) -> model.Snapshot:
    """The snapshot with the converted objects first: a route of the mesh beats a VirtualService of the same host."""
    added = {VIRTUAL_SERVICES: converted.virtual_services, GATEWAYS: converted.gateways}
    objects = {name: [*new, *snapshot.of(name)] for name, new in added.items() if new}
    return replace(snapshot, objects={**snapshot.objects, **objects})


def _key(obj: Object) -> tuple[str, str]:
    return resources.namespace_of(obj), resources.name_of(obj)


def _with_rules(binding: parents.Binding, scene: Scene) -> tuple[parents.Binding, rules.Rules]:
    return binding, rules.of_route(binding.route, scene, in_mesh=binding.service is not None)


def _classes(scene: Scene) -> Iterator[tuple[Key, Object]]:
    for classes in scene.of("gatewayclasses"):
        controllers = {controller for controller, _ in scene.classes.values()}
        if classes["spec"].get("controllerName") in controllers:
            seen = generation_of(classes)
            accepted = condition("Accepted", "Accepted", "Handled by Istio controller", seen=seen)
            yield ("GatewayClass", "", resources.name_of(classes)), {"conditions": [accepted]}


def _route_status(route: Object, own: Iterable[tuple[parents.Binding, rules.Rules]], scene: Scene) -> Object:
    """What other controllers said of their parents stays."""
    parents = (route.get("status") or {}).get("parents") or []
    others = [entry for entry in parents if entry.get("controllerName") != CONTROLLER]
    return {"parents": [*others, *(binding.status(resolved.problem, scene) for binding, resolved in own)]}


def _gateway_status(
    gateway: Object,
    listeners_of: list[listeners.Listener],
    bound: Iterable[tuple[parents.Binding, rules.Rules]],
    scene: Scene,
) -> Object:
    seen = generation_of(gateway)
    places = addresses.of_services(gateway, scene)
    accepted = condition("Accepted", "Accepted", "Resource accepted", seen=seen)
    if not all(listener.is_valid for listener in listeners_of):
        text = "One or more of the Gateway's listeners are invalid"
        accepted = condition("Accepted", "ListenersNotValid", text, seen=seen)
    names = [(listener.name, _key(listener.gateway)) for binding, _ in bound for listener in binding.listeners]
    status: Object = {
        "conditions": [
            accepted,
            places.condition(gateway),
            condition("ResolvedRefs", "ResolvedRefs", RESOLVED, seen=seen),
        ],
        "listeners": [listener.status(names.count((listener.name, _key(gateway)))) for listener in listeners_of],
    }
    return status | ({"addresses": given} if (given := places.addresses()) else {})


def _gateways(
    ours: Iterable[Object], by_gateway: Mapping[tuple[str, str], list[listeners.Listener]], scene: Scene
) -> Iterator[Object]:
    """One for each listener that is served, where a Service leads to its port."""
    for gateway in ours:
        if scene.is_waypoint(gateway):
            continue  # What comes in there is decided by who uses it.
        namespace, hosts = resources.namespace_of(gateway), addresses.hosts_of(gateway)
        for listener in by_gateway[_key(gateway)]:
            if not listener.is_served or not addresses.has_port(gateway, listener.spec["port"], scene):
                continue
            parent = f"Gateway/{resources.name_of(gateway)}/{listener.name}.{namespace}"
            yield {
                "apiVersion": "networking.istio.io/v1",
                "kind": "Gateway",
                "metadata": {
                    "name": listener.gateway_name,
                    "namespace": namespace,
                    "annotations": {SERVICE: ",".join(hosts), PARENTS: parent},
                },
                "spec": {"selector": _selector(gateway, hosts, scene), "servers": [listener.server()]},
            }


def _selector(gateway: Object, hosts: list[str], scene: Scene) -> dict[str, str]:
    """Labels of the pods that serve it."""
    if addresses.is_managed(gateway):
        return {deployments.LABEL: resources.name_of(gateway)}
    for name in hosts:
        service = addresses.service_of(name, scene)
        if service is not None and resources.namespace_of(service) == resources.namespace_of(gateway):
            return dict(service["spec"].get("selector") or {})
    return {deployments.LABEL: "none"}


def _gateway_services(bound: Iterable[tuple[parents.Binding, rules.Rules]]) -> Iterator[Object]:
    """One VirtualService for each namespace of routes, listener and hostname, its rules in their precedence."""
    groups: dict[tuple[str, str, str], list[Object]] = {}
    parts: dict[tuple[str, str, str], list[Object]] = {}
    for binding, services in bound:
        for listener in binding.listeners:
            place = f"{resources.namespace_of(listener.gateway)}/{listener.gateway_name}"
            for name in (binding.hostnames or {}).get(listener.name, ()):
                key = resources.namespace_of(binding.route), place, name
                groups.setdefault(key, []).extend(services.http)
                parts.setdefault(key, []).append(binding.route)
    for (namespace, place, hostname), http in groups.items():
        name = f"{place.replace('/', '~', 1)}~{hostname}"
        spec = {"hosts": [hostname], "gateways": [place], "http": matches.in_order(http)}
        yield _virtual_service(name, namespace, parts[namespace, place, hostname], spec)


def _mesh_services(bound: Iterable[tuple[parents.Binding, rules.Rules]]) -> Iterator[Object]:
    """One for each host, port and namespace of routes; a consumer's own are seen in its namespace only."""
    groups: dict[tuple[str, str, int], list[Object]] = {}
    parts: dict[tuple[str, str, int], list[Object]] = {}
    producers: dict[tuple[str, str, int], bool] = {}
    for binding, services in bound:
        if binding.service is None:
            continue
        namespace = resources.namespace_of(binding.route)
        port = int(binding.reference.get("port") or 0)
        own = (
            [{**rule, "match": [{**rule["match"][0], "port": port}]} for rule in services.http]
            if port
            else services.http
        )
        for name in hosts_of(binding.service):
            key = namespace, name, port
            groups.setdefault(key, []).extend(own)
            parts.setdefault(key, []).append(binding.route)
            producers[key] = namespace == resources.namespace_of(binding.service)
    for key, http in groups.items():
        namespace, name, port = key
        spec: Object = {"hosts": [name], "gateways": ["mesh"], "http": matches.in_order(http)}
        if not producers[key]:
            spec["exportTo"] = ["."]
        title = "~".join(filter(None, [namespace, str(port or ""), name]))
        yield _virtual_service(title, namespace, parts[key], spec)


def _virtual_service(name: str, namespace: str, routes: Iterable[Object], spec: Object) -> Object:
    annotations = ",".join(f"{r['kind']}/{resources.name_of(r)}.{resources.namespace_of(r)}" for r in routes)
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": name, "namespace": namespace, "annotations": {SEMANTICS: "gateway", PARENTS: annotations}},
        "spec": spec,
    }
