"""Which hosts share a port, and how each port of a host is called, independent of VirtualServices."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from labkit.mesh import names, protocols
from labkit.mesh.hosts.services import Port, Service
from labkit.mesh.routes.scopes import Egress


@dataclass(frozen=True, kw_only=True)
class Group:
    """The hosts that share one port of one egress, and so one route table."""

    egress: int
    port: int
    services: tuple[Service, ...]

    @cached_property
    def hosts(self) -> list[str]:
        """Their names."""
        return [s.host for s in self.services]

    @cached_property
    def names(self) -> frozenset[str]:
        """Their names, for lookups."""
        return frozenset(self.hosts)

    @cached_property
    def is_sniffed(self) -> list[bool]:
        """Which of them have a listener of their own, whose first bytes tell whether a connection is HTTP."""
        return [_is_sniffed(s, self.port) for s in self.services]

    @cached_property
    def is_shared(self) -> bool:
        """Whether any of them comes to the listener of the port, for every address or for a range of them."""
        return any(
            not sniffed or any(map(names.is_range, service.addresses))
            for sniffed, service in zip(self.is_sniffed, self.services, strict=True)
        )


@dataclass(frozen=True, kw_only=True)
class Called:
    """One port of a host, called through one egress."""

    egress: int
    service: Service
    port: Port


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Every port and host that one kind of workload calls."""

    groups: tuple[Group, ...]
    """Ports whose requests are routed."""

    ports: tuple[Called, ...]
    """Every port of every host."""


def of(egress: Sequence[Egress]) -> Plan:
    """The plan for egresses; an egress with a port owns that port and comes first."""
    special = {e.port for e in egress if e.port}
    ports = tuple(_ports(egress, special))
    groups: dict[tuple[int, int], list[Service]] = {}
    for called in ports:
        if protocols.may_be_http(called.port.protocol):
            groups.setdefault((called.egress, called.port.number), []).append(called.service)
    return Plan(
        groups=tuple(Group(egress=e, port=p, services=tuple(services)) for (e, p), services in groups.items()),
        ports=ports,
    )


def _ports(egress: Sequence[Egress], special: set[int]) -> Iterator[Called]:
    for number, one in enumerate(egress):
        for service in one.services:
            for port in service.ports:
                is_here = port.number == one.port if one.port else port.number not in special
                if is_here and port.protocol != "UDP":
                    yield Called(egress=number, service=service, port=port)


def _is_sniffed(service: Service, number: int) -> bool:
    port = service.port(number)
    has_address = any(not names.is_range(address) for address in service.addresses)
    return port is not None and port.protocol == protocols.UNKNOWN and has_address
