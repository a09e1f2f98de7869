"""Where a Service's connections go: a pure reading of Services and EndpointSlices."""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.sandbox.network import addresses, affinity

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
    affinity_seconds: int = 0
    """How long a caller meets the same endpoint again; 0 for not at all."""


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
        affinity_seconds=affinity.seconds_of(spec),
    )


def _endpoints(name: str, slices: Iterable[Object]) -> list[Endpoint]:
    endpoints = {
        (address, port["port"])
        for piece in slices
        for port in piece.get("ports") or []
        if (port.get("name") or "") == name and port.get("port")
        for endpoint in piece.get("endpoints") or []
        if (endpoint.get("conditions") or {}).get("ready") is not False
        for address in endpoint["addresses"]
    }
    return sorted(endpoints)


class NoRouteError(Exception):
    """Why nothing can be reached under a name; the text is for the caller."""


class Routes:
    """All Services; endpoints of a port are taken in turn."""

    def __init__(self, services: Iterable[Service] = ()) -> None:
        self._by_name = {(s.namespace, s.name): s for s in services}
        self._by_address = {s.cluster_ip: s for s in self._by_name.values() if s.cluster_ip}
        self._turns: dict[tuple[str, str, int], int] = {}
        self._sessions = affinity.Sessions()

    def __repr__(self) -> str:
        return f"Routes({len(self._by_name)} services)"

    def __contains__(self, address: str) -> bool:
        """Whether it is the ClusterIP of a Service."""
        return address in self._by_address

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

    def endpoint(self, service: Service, port: int, *, caller: str = "") -> Endpoint:
        """The next ready endpoint of a Service's port, or the caller's own where the Service remembers callers."""
        what = f"{service.namespace}/{service.name}"
        service_port = service.ports.get(port)
        if service_port is None:
            there = ", ".join(map(str, sorted(service.ports))) or "none"
            raise NoRouteError(f"service {what} has no port {port}; it has: {there}")
        if not service_port.endpoints:
            raise NoRouteError(f"service {what} has no ready endpoint on port {port}")
        key = (service.namespace, service.name, port)

        def in_turn() -> Endpoint:
            turn = self._turns[key] = self._turns.get(key, -1) + 1
            return service_port.endpoints[turn % len(service_port.endpoints)]

        return self._sessions.endpoint(
            key, caller, seconds=service.affinity_seconds, among=service_port.endpoints, otherwise=in_turn
        )

    def at_address(self, address: str, port: int, *, caller: str = "") -> Endpoint:
        """Where a connection to an address leads: to an endpoint of a ClusterIP's Service, else there; NoRouteError."""
        service = self._by_address.get(address)
        if service is None and ipaddress.ip_address(address) in addresses.SERVICES:
            raise NoRouteError(f"no service has the address {address}")
        return self.endpoint(service, port, caller=caller) if service else (address, port)
