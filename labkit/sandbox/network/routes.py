"""Where a Service's connections go: a pure reading of Services and EndpointSlices."""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.sandbox.network import addresses

SERVICE_OF_SLICE = "kubernetes.io/service-name"
ZONE = "svc.cluster.local"

Endpoint = tuple[str, int]
"""Address and port of a ready pod."""


@dataclass(frozen=True, kw_only=True)
class Port:
    """One port of a Service."""

    name: str
    number: int
    node_port: int | None
    endpoints: Sequence[Endpoint]
    """Ready ones."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """A Service as connections see it."""

    namespace: str
    name: str
    cluster_ip: str
    """Empty for a headless one."""

    ports: Mapping[int, Port]


def service_of(obj: Object, slices: Iterable[Object]) -> Service:
    """A Service and the slices labelled with its name, as routes."""
    spec = obj["spec"]
    slices = list(slices)
    ports = {}
    for port in spec.get("ports") or []:
        if port.get("protocol", "TCP") == "TCP":
            ports[port["port"]] = Port(
                name=port.get("name", ""),
                number=port["port"],
                node_port=port.get("nodePort"),
                endpoints=_endpoints(port.get("name", ""), slices),
            )
    address = spec.get("clusterIP") or ""
    return Service(
        namespace=resources.namespace_of(obj),
        name=resources.name_of(obj),
        cluster_ip="" if address == "None" else address,
        ports=ports,
    )


def _endpoints(name: str, slices: Iterable[Object]) -> list[Endpoint]:
    found = {
        (address, port["port"])
        for piece in slices
        for port in piece.get("ports") or []
        if (port.get("name") or "") == name and port.get("port")
        for endpoint in piece.get("endpoints") or []
        if (endpoint.get("conditions") or {}).get("ready") is not False
        for address in endpoint["addresses"]
    }
    return sorted(found)


class NoRouteError(Exception):
    """Why nothing can be reached under a name; the text is for the caller."""


class Routes:
    """All Services; endpoints of a port are taken in turn."""

    def __init__(self, services: Iterable[Service] = ()) -> None:
        self._by_name = {(s.namespace, s.name): s for s in services}
        self._by_address = {s.cluster_ip: s for s in self._by_name.values() if s.cluster_ip}
        self._turns: dict[tuple[str, str, int], int] = {}

    def __repr__(self) -> str:
        return f"Routes({len(self._by_name)} services)"

    def service(self, namespace: str, name: str) -> Service | None:
        """One Service."""
        return self._by_name.get((namespace, name))

    def put(self, service: Service) -> None:
        """Add or replace one."""
        self.drop(service.namespace, service.name)
        self._by_name[service.namespace, service.name] = service
        if service.cluster_ip:
            self._by_address[service.cluster_ip] = service

    def drop(self, namespace: str, name: str) -> None:
        """Forget one."""
        gone = self._by_name.pop((namespace, name), None)
        if gone:
            self._by_address.pop(gone.cluster_ip, None)

    def endpoint(self, service: Service, port: int) -> Endpoint:
        """The next ready endpoint of a Service's port."""
        what = f"{service.namespace}/{service.name}"
        found = service.ports.get(port)
        if found is None:
            there = ", ".join(map(str, sorted(service.ports))) or "none"
            raise NoRouteError(f"service {what} has no port {port}; it has: {there}")
        if not found.endpoints:
            raise NoRouteError(f"service {what} has no ready endpoint on port {port}")
        key = (service.namespace, service.name, port)
        turn = self._turns[key] = self._turns.get(key, -1) + 1
        return found.endpoints[turn % len(found.endpoints)]

    def resolve(self, host: str, port: int, *, namespace: str, block: addresses.Block) -> Endpoint:
        """Where ``host:port``, as said by a pod of ``namespace``, leads; NoRouteError in words.

        Names are Services' (``reviews``, ``reviews.ns``, ``reviews.ns.svc``, with the zone), addresses are
        ClusterIPs; any other name or address is one outside, for the machine's own network to find.
        """
        if is_address(host):
            service = self._by_address.get(block.cluster_ip(host) if _is_twin(host, block) else host)
            return self.endpoint(service, port) if service else (host, port)
        if host == "localhost":
            return "127.0.0.1", port
        name, space = service_name(host, namespace)
        service = self.service(space, name)
        if service is not None:
            return self.endpoint(service, port)
        if self._is_outside(host, space):
            return host, port
        raise NoRouteError(f'no service "{name}" in namespace "{space}" (asked for as {host})')

    def _is_outside(self, host: str, namespace: str) -> bool:
        """Whether nobody but the machine's own resolver could know a name that is no Service's."""
        plain = host.rstrip(".").lower()
        is_ours = plain.endswith((f".{ZONE}", ".svc")) or any(space == namespace for space, _ in self._by_name)
        return "." in plain and not is_ours


def is_address(host: str) -> bool:
    """Whether it is an IP address, not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_twin(host: str, block: addresses.Block) -> bool:
    return host.startswith(f"127.{block.service_base}.")


def service_name(host: str, namespace: str) -> tuple[str, str]:
    """Name and namespace that a host name means: ``("reviews", "ns")``."""
    host = host.rstrip(".").lower().removesuffix(f".{ZONE}").removesuffix(".svc")
    name, _, space = host.partition(".")
    return name, space or namespace
