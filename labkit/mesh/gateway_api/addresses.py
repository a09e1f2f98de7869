"""Where a Gateway is reached: its Services, and whether every listener has a port there."""

from collections.abc import Sequence
from dataclasses import dataclass

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import model
from labkit.mesh.gateway_api.conditions import condition, joined
from labkit.mesh.gateway_api.scene import Scene, generation_of, host

SERVICE_SUFFIX = f".svc.{model.DOMAIN}"


def is_managed(gateway: Object) -> bool:
    """Whether istiod makes its Deployment: it names no Service of its own."""
    return not [a for a in gateway["spec"].get("addresses") or [] if a.get("type") == "Hostname"]


def service_name(gateway: Object, *, is_waypoint: bool = False) -> str:
    """The Deployment and Service that istiod makes for it; those of a waypoint have the Gateway's own name."""
    annotation = resources.annotations_of(gateway).get("gateway.istio.io/name-override")
    name = resources.name_of(gateway)
    return annotation or (name if is_waypoint else f"{name}-{gateway['spec']['gatewayClassName']}")


def hosts_of(gateway: Object, *, is_waypoint: bool = False) -> list[str]:
    """Full names of its Services."""
    namespace = resources.namespace_of(gateway)
    if is_managed(gateway):
        return [host(service_name(gateway, is_waypoint=is_waypoint), namespace)]
    listed = [a["value"] for a in gateway["spec"]["addresses"] if a.get("type") == "Hostname"]
    return [value if "." in value else host(value, namespace) for value in listed]


def service_of(name: str, scene: Scene) -> Object | None:
    """The Service of a full name."""
    own, _, rest = name.partition(".")
    return scene.services.get((rest.removesuffix(SERVICE_SUFFIX), own))


@dataclass(frozen=True, kw_only=True)
class Places:
    """What was found of them."""

    inside: tuple[str, ...]
    """``HOST:PORT`` of Services that lead to the gateway's pods."""

    outside: tuple[str, ...]
    """Names or addresses for clients."""

    cluster_ips: tuple[str, ...] = ()
    """Addresses inside the cluster: a waypoint says them too."""

    pending: tuple[str, ...]
    """Services whose load balancer has no address yet, as texts."""

    problems: tuple[str, ...]

    def condition(self, gateway: Object) -> Object:
        """``Programmed``."""
        seen, text = generation_of(gateway), joined(self.inside)
        texts = "; ".join([*self.pending, *self.problems])
        if not texts:
            message = f"Resource programmed, assigned to service(s) {text}"
            return condition("Programmed", "Programmed", message, seen=seen)
        reason = "AddressNotUsable" if self.problems else "AddressNotAssigned"
        message = f"Failed to assign to any requested addresses: {texts}"
        if self.inside:
            message = f"Assigned to service(s) {text}, but failed to assign to all requested addresses: {texts}"
        return condition("Programmed", reason, message, is_true=False, seen=seen)

    def addresses(self) -> list[Object]:
        """``status.addresses``."""
        given = [{"type": "IPAddress" if _is_ip(a) else "Hostname", "value": a} for a in self.outside]
        return [*given, *({"type": "IPAddress", "value": ip} for ip in self.cluster_ips)]


def of_services(gateway: Object, scene: Scene) -> Places:
    """Look for every Service of a Gateway."""
    ports = list(dict.fromkeys(listener["port"] for listener in gateway["spec"].get("listeners") or []))
    inside: list[str] = []
    outside: list[str] = []
    pending: list[str] = []
    problems: list[str] = []
    ips: list[str] = []
    for name in hosts_of(gateway, is_waypoint=scene.is_waypoint(gateway)):
        service = service_of(name, scene)
        if service is None or resources.namespace_of(service) != resources.namespace_of(gateway):
            problems.append(_missing(name, resources.namespace_of(gateway), service))
            continue
        reached, texts = _ports(name, service, ports, scene)
        inside += reached
        problems += texts
        if not reached:
            continue
        external = _external(name, service)
        if scene.is_waypoint(gateway) and service["spec"].get("clusterIP", "None") != "None":
            ips.append(service["spec"]["clusterIP"])
        outside += external
        if not external:
            pending.append(f'address pending for hostname "{name}"')
    return Places(
        inside=tuple(sorted(inside)),
        outside=tuple(outside),
        cluster_ips=tuple(ips),
        pending=tuple(pending),
        problems=tuple(problems),
    )


def has_port(gateway: Object, port: int, scene: Scene) -> bool:
    """Whether one of its Services has that port; the Service that istiod makes has all of them."""
    if is_managed(gateway):
        return True
    services = [service_of(name, scene) for name in hosts_of(gateway)]
    own = [s for s in services if s and resources.namespace_of(s) == resources.namespace_of(gateway)]
    return any(p["port"] == port for s in own for p in s["spec"].get("ports") or [])


def _missing(name: str, namespace: str, service: Object | None) -> str:
    if service is None:
        return f'hostname "{name}" not found'
    place = resources.namespace_of(service)
    return f'hostname "{name}" not found in namespace "{namespace}", but it was found in namespace(s) "{place}"'


def _ports(name: str, service: Object, ports: Sequence[int], scene: Scene) -> tuple[list[str], list[str]]:
    of_service = {p["port"] for p in service["spec"].get("ports") or []}
    ready = scene.instances.get((resources.namespace_of(service), resources.name_of(service)), frozenset())
    if not ready:
        return [], [f'no instances found for hostname "{name}"']
    missing = [f'port {port} not found for hostname "{name}"' for port in ports if port not in of_service]
    return [f"{name}:{port}" for port in ports if port in ready], missing


def _external(name: str, service: Object) -> list[str]:
    if service["spec"].get("type") != "LoadBalancer":
        return [name]
    given = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    address = service["spec"].get("externalIPs") or []
    return [*address, *(entry.get("ip") or entry.get("hostname") for entry in given)]


def _is_ip(text: str) -> bool:
    return ":" in text or text.replace(".", "").isdigit()
