"""What a sidecar listens on for others: route tables by port, and listeners for what is not HTTP."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labkit.mesh import domains, ir, names, protocols, routing, tcp
from labkit.mesh.memo import Memo
from labkit.mesh.scopes import Egress, Scope
from labkit.mesh.services import Port, Service
from labkit.mesh.virtual_services import MESH, VirtualService

ANYWHERE = "0.0.0.0"
"""A part of the names of Istio's listeners; nothing here binds to it."""

HashOf = Callable[[str, str, int], tuple[Mapping[str, Any], ...]]


@dataclass(frozen=True, kw_only=True)
class Outbound:
    """All that goes out of one kind of workload."""

    tables: tuple[ir.RouteTable, ...]
    connections: tuple[ir.TcpHost, ...]
    """What is not routed by request, by the name of the host."""


class Builder:
    """Makes one scope's tables; virtual hosts of an earlier snapshot are used again."""

    def __init__(
        self,
        scope: Scope,
        *,
        labels: Mapping[str, str],
        hash_of: HashOf,
        parts_of: Callable[[str], tuple[object, ...]],
        memo: Memo,
        key: object,
        default_retries: Mapping[str, Any] | None = None,
    ) -> None:
        self._scope, self._labels, self._hash_of, self._memo, self._key = scope, labels, hash_of, memo, key
        self._parts_of, self._default_retries = parts_of, default_retries
        self._special = {e.port for e in scope.egress if e.port}
        # What speaks of a port alone comes before what speaks of all others.
        self._egress = [
            (egress, Choice(egress.virtual_services)) for egress in sorted(scope.egress, key=lambda e: e.port is None)
        ]

    def outbound(self) -> Outbound:
        """Tables and connections of every egress; one that speaks of a port alone decides about it."""
        tables: dict[str, ir.RouteTable] = {}
        for egress, rules in self._egress:
            for table in self._tables(egress, rules):
                tables.setdefault(table.name, table)
        connections = tuple(
            self._tcp_host(service, port, rules)
            for service, port, rules in self._ports()
            if not protocols.may_be_http(port.protocol)
        )
        return Outbound(tables=tuple(tables.values()), connections=connections)

    def _tcp_host(self, service: Service, port: Port, rules: "Choice") -> ir.TcpHost:
        every = rules.every(service.host)
        parts = (service, *every, *(p for rule in every for h in rule.destinations for p in self._parts_of(h)))
        key = "connection", self._key, service.host, port.number
        return self._memo.get(
            key,
            parts,
            lambda: ir.TcpHost(
                host=service.host,
                port=port.number,
                domains=domains.of_service(service, self._scope.namespace),
                routes=self._tcp_routes(service, port, rules),
            ),
        )

    def listeners(self) -> tuple[ir.OutboundListener, ...]:
        """Where captured traffic would come to: one for each port, or each address of what is not HTTP."""
        found: dict[tuple[str, int], ir.OutboundListener] = {}
        for service, port, rules in self._ports():
            for listener in self._listeners(service, port, rules):
                key = listener.address, listener.port
                found[key] = _both(found[key], listener) if key in found else listener
        return tuple(found.values())

    def _ports(self) -> Iterator[tuple[Service, Port, "Choice"]]:
        for egress, rules in self._egress:
            for service in egress.services:
                for port in service.ports:
                    if port.protocol != "UDP" and _is_of(egress, port.number, self._special):
                        yield service, port, rules

    def _tables(self, egress: Egress, rules: "Choice") -> Iterator[ir.RouteTable]:
        by_port: dict[int, list[Service]] = {}
        for service in egress.services:
            for port in service.ports:
                if protocols.may_be_http(port.protocol) and _is_of(egress, port.number, self._special):
                    by_port.setdefault(port.number, []).append(service)
        for number, services in by_port.items():
            hosts = [self.virtual_host(s, number, rules) for s in services]
            for service, host in zip(services, hosts, strict=True):
                if _is_sniffed(service, number):
                    alone = ir.VirtualHost(
                        name=host.name, domains=host.domains, routes=host.routes, is_by_content=False
                    )
                    yield ir.RouteTable(name=f"{service.host}:{number}", hosts=(alone,))
            if any(not _is_sniffed(s, number) for s in services):
                more = self._without_service(number, services, egress)
                yield ir.RouteTable(
                    name=str(number),
                    hosts=tuple(h for h in [*hosts, *more] if h is not None),
                    allows_unknown=self._scope.allows_unknown,
                )

    def virtual_host(self, service: Service, port: int, rules: "Choice") -> ir.VirtualHost:
        """One host on one port."""
        rule = rules.of(service.host)
        parts: tuple[object, ...] = (service, rule, *self._parts_of(service.host))
        if rule is not None:
            parts = (*parts, *(p for h in rule.destinations for p in self._parts_of(h)))
        key = "host", self._key, service.host, port
        return self._memo.get(key, parts, lambda: self._virtual_host(service, port, rule))

    def _virtual_host(self, service: Service, port: int, rule: VirtualService | None) -> ir.VirtualHost:
        found = self._routes(rule, port) if rule is not None else ()
        if not found:
            # A rule of which this workload sees nothing is no rule.
            found = (
                routing.default_route(
                    service.host, port, self._hash_of(service.host, "", port), retries=self._default_retries
                ),
            )
        return ir.VirtualHost(
            name=f"{service.host}:{port}",
            domains=domains.of_service(service, self._scope.namespace),
            routes=found,
        )

    def _routes(self, rule: VirtualService, port: int) -> tuple[ir.Route, ...]:
        return routing.routes(
            rule,
            routing.Context(
                port=port,
                gateways={MESH},
                namespace=self._scope.namespace,
                labels=self._labels,
                # Without a port of its own a destination means the port that was called.
                ports_of=lambda host: (),
                hash_of=self._hash_of,
                default_retries=self._default_retries,
            ),
        )

    def _without_service(
        self, port: int, services: Sequence[Service], egress: Egress
    ) -> Iterator[ir.VirtualHost | None]:
        """Hosts of rules that have no such port: Istio adds them beside those that have it, else on port 80."""
        here = {s.host for s in services}
        known = set(here)
        for rule in egress.virtual_services:
            if not rule.http or (rule.is_route and not here & set(rule.hosts)):
                continue
            absent = [h for h in rule.hosts if h not in here and not _is_any(h, here)]
            if not absent or (len(absent) == len(rule.hosts) and port != 80):
                continue
            for host in absent:
                if host in known:
                    continue
                known.add(host)
                parts = (rule, *(p for h in rule.destinations for p in self._parts_of(h)))
                yield self._memo.get(
                    ("bare", self._key, host, port),
                    parts,
                    lambda rule=rule, host=host: self._bare(rule, host, port),  # type: ignore[misc]
                )

    def _bare(self, rule: VirtualService, host: str, port: int) -> ir.VirtualHost | None:
        found = self._routes(rule, port)
        # Istio gives it no shorter names.
        return ir.VirtualHost(name=f"{host}:{port}", domains=(host,), routes=found) if found else None

    def _tcp_routes(self, service: Service, port: Port, rules: "Choice") -> tuple[ir.TcpRoute, ...]:
        context = tcp.Context(
            port=port.number,
            gateways={MESH},
            namespace=self._scope.namespace,
            labels=self._labels,
            ports_of=lambda host: _numbers(self._scope.services.get(host)),
        )
        return tcp.routes(service, port, rules.every(service.host), context)

    def _listeners(self, service: Service, port: Port, rules: "Choice") -> Iterator[ir.OutboundListener]:
        if protocols.is_http(port.protocol):
            yield ir.OutboundListener(address=ANYWHERE, port=port.number, table=str(port.number))
            return
        is_unknown = port.protocol == protocols.UNKNOWN
        found = self._tcp_routes(service, port, rules)
        if service.is_headless:
            for endpoint in service.endpoints.get(port.number, ()):
                yield ir.OutboundListener(address=endpoint.address, port=port.number, routes=found)
            return
        plain = [a for a in service.addresses if not names.is_range(a)]
        ranges = tuple(a for a in service.addresses if names.is_range(a))
        table = f"{service.host}:{port.number}" if is_unknown else ""
        for address in plain:
            yield ir.OutboundListener(address=address, port=port.number, table=table, routes=found)
        if ranges:
            inside = tuple(
                ir.TcpRoute(destinations=r.destinations, server_names=r.server_names, ranges=ranges, source=r.source)
                for r in found
            )
            yield ir.OutboundListener(address=ANYWHERE, port=port.number, routes=inside)
        if not service.addresses:
            own = str(port.number) if is_unknown else ""
            yield ir.OutboundListener(address=ANYWHERE, port=port.number, table=own, routes=found)


class Choice:
    """The rule that speaks for a host: its own, the oldest where there are several, else the closest wildcard."""

    def __init__(self, rules: Sequence[VirtualService]) -> None:
        self._rules = rules
        self._exact: dict[str, list[VirtualService]] = {}
        self._wild: dict[str, list[VirtualService]] = {}
        for rule in rules:
            for host in rule.hosts:
                into = self._wild if names.is_wildcard(host) else self._exact
                into.setdefault(host, []).append(rule)

    def every(self, host: str) -> list[VirtualService]:
        """All rules of a host, the best first."""
        best = names.most_specific(self._wild, host) if self._wild else None
        return [*self._exact.get(host, ()), *(self._wild[best] if best else ())]

    def of(self, host: str) -> VirtualService | None:
        """The http rule of a host."""
        return next((rule for rule in self.every(host) if rule.http), None)


def _is_any(pattern: str, hosts: set[str]) -> bool:
    return names.is_wildcard(pattern) and any(names.covers(pattern, h) for h in hosts)


def _is_of(egress: Egress, port: int, special: set[int]) -> bool:
    return port == egress.port if egress.port else port not in special


def _is_sniffed(service: Service, port: int) -> bool:
    """Whether its listener, with an address of its own, finds out by itself that it is HTTP."""
    found = service.port(port)
    return found is not None and found.protocol == protocols.UNKNOWN and bool(service.addresses)


def _numbers(service: Service | None) -> tuple[int, ...]:
    return tuple(p.number for p in service.ports) if service else ()


def _both(one: ir.OutboundListener, other: ir.OutboundListener) -> ir.OutboundListener:
    """One port of several hosts: HTTP by name, connections by server name or range; the first comer stays."""
    taken = {(r.server_names, r.ranges) for r in one.routes}
    more = tuple(r for r in other.routes if (r.server_names, r.ranges) not in taken)
    return ir.OutboundListener(
        address=one.address, port=one.port, table=one.table or other.table, routes=(*one.routes, *more)
    )
