"""What a sidecar listens on for others: route tables by port, and listeners for what is not HTTP."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import compress
from typing import Any

from labkit.mesh import ir, names, protocols
from labkit.mesh.hosts import domains
from labkit.mesh.hosts.scopes import Egress, Scope
from labkit.mesh.hosts.services import Port, Service
from labkit.mesh.memo import Memo
from labkit.mesh.routes import http_routes, tcp_routes
from labkit.mesh.routes.virtual_services import MESH, VirtualService
from labkit.mesh.upstreams.upstream_set import Reach

ANYWHERE = "0.0.0.0"
"""A part of the names of Istio's listeners; nothing here binds to it."""


@dataclass(frozen=True, kw_only=True)
class Outbound:
    """All that goes out of one kind of workload."""

    tables: tuple[ir.RouteTable, ...]
    connections: tuple[ir.TcpHost, ...]
    """What is not routed by request, by the name of the host."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Hosts with the same port in one egress: they make one table."""

    egress: int
    port: int
    services: tuple[Service, ...]

    @cached_property
    def hosts(self) -> list[str]:
        """Their names."""
        return [s.host for s in self.services]

    @cached_property
    def names(self) -> frozenset[str]:
        """Their names, to be looked up."""
        return frozenset(self.hosts)

    @cached_property
    def is_sniffed(self) -> list[bool]:
        """Which of them have a listener of their own that finds out by itself that it is HTTP."""
        return [_is_sniffed(s, self.port) for s in self.services]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Which host is called how, whatever rules there are."""

    groups: tuple[Group, ...]
    connections: tuple[tuple[int, Service, Port], ...]
    """Egress, host and port of what is not routed by request."""


class Builder:
    """Makes one scope's tables; virtual hosts of an earlier snapshot are used again."""

    def __init__(
        self,
        scope: Scope,
        *,
        reach: Reach,
        labels: Mapping[str, str],
        memo: Memo,
        key: int,
        default_retries: Mapping[str, Any] | None = None,
    ) -> None:
        self._scope, self._reach, self._labels, self._memo, self._key = scope, reach, labels, memo, key
        self._default_retries = default_retries
        self._special = {e.port for e in scope.egress if e.port}
        # What speaks of a port alone comes before what speaks of all others.
        self._egress = sorted(scope.egress, key=lambda e: e.port is None)
        self._choices = [self._choice(number, egress) for number, egress in enumerate(self._egress)]
        parts = (reach, *(egress.services for egress in self._egress))
        self._plan = memo.get(("plan", key), parts, self._planned)

    def _choice(self, number: int, egress: Egress) -> "Choice":
        rules = egress.virtual_services
        return self._memo.get(("choice", self._key, number), (rules,), lambda: Choice(rules))

    def _planned(self) -> Plan:
        groups: dict[tuple[int, int], list[Service]] = {}
        connections = []
        for number, service, port in self._ports():
            if protocols.may_be_http(port.protocol):
                groups.setdefault((number, port.number), []).append(service)
            else:
                connections.append((number, service, port))
        return Plan(
            groups=tuple(Group(egress=e, port=p, services=tuple(found)) for (e, p), found in groups.items()),
            connections=tuple(connections),
        )

    def outbound(self) -> Outbound:
        """Tables and connections of every egress; one that speaks of a port alone decides about it."""
        tables: dict[str, ir.RouteTable] = {}
        for group in self._plan.groups:
            for table in self._tables(group):
                tables.setdefault(table.name, table)
        connections = tuple(
            self._tcp_host(service, port, self._choices[number]) for number, service, port in self._plan.connections
        )
        return Outbound(tables=tuple(tables.values()), connections=connections)

    def _parts_of(self, *rules: VirtualService) -> tuple[object, ...]:
        """All that routes of rules depend on."""
        return (*rules, *(p for rule in rules for h in rule.destinations for p in self._reach.parts_of(h)))

    def _tcp_host(self, service: Service, port: Port, rules: "Choice") -> ir.TcpHost:
        parts = (service, *self._parts_of(*rules.every(service.host)))
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
        for number, service, port in self._ports():
            for listener in self._listeners(service, port, self._choices[number]):
                key = listener.address, listener.port
                found[key] = _both(found[key], listener) if key in found else listener
        return tuple(found.values())

    def _ports(self) -> Iterator[tuple[int, Service, Port]]:
        for number, egress in enumerate(self._egress):
            for service in egress.services:
                for port in service.ports:
                    if port.protocol != "UDP" and _is_of(egress, port.number, self._special):
                        yield number, service, port

    def _tables(self, group: Group) -> Iterator[ir.RouteTable]:
        hosts = self._virtual_hosts(group)
        for service, host in compress(zip(group.services, hosts, strict=True), group.is_sniffed):
            alone = self._memo.get(
                ("alone", self._key, service.host, group.port),
                (host,),
                lambda host=host: replace(host, is_by_content=False),  # type: ignore[misc]
            )
            yield ir.RouteTable(name=f"{service.host}:{group.port}", hosts=(alone,))
        if not all(group.is_sniffed):
            yield ir.RouteTable(
                name=str(group.port),
                hosts=(*hosts, *self._without_service(group)),
                allows_unknown=self._scope.allows_unknown,
            )

    def _virtual_hosts(self, group: Group) -> list[ir.VirtualHost]:
        def made(memo: Memo, service: Service, rule: VirtualService | None) -> ir.VirtualHost:
            parts = (service, rule, *self._reach.parts_of(service.host), *self._parts_of(*([rule] if rule else [])))
            return memo.get(service.host, parts, lambda: self._virtual_host(service, group.port, rule))

        choice = self._choices[group.egress]
        key = "hosts", self._key, group.egress, group.port
        rules = self._memo.get(("rules", key), (choice, group), lambda: choice.http(group.hosts))
        return self._memo.each(key, (group.services, rules), made, shared=(self._plan,))

    def _virtual_host(self, service: Service, port: int, rule: VirtualService | None) -> ir.VirtualHost:
        found = self._routes(rule, port) if rule is not None else ()
        if not found:
            # A rule of which this workload sees nothing is no rule.
            hashed = self._reach.hash_of(service.host, "", port)
            found = (http_routes.default_route(service.host, port, hashed, retries=self._default_retries),)
        return ir.VirtualHost(
            name=f"{service.host}:{port}",
            domains=domains.of_service(service, self._scope.namespace),
            routes=found,
        )

    def _routes(self, rule: VirtualService, port: int) -> tuple[ir.Route, ...]:
        return http_routes.routes(
            rule,
            http_routes.Context(
                port=port,
                gateways={MESH},
                namespace=self._scope.namespace,
                labels=self._labels,
                # Without a port of its own a destination means the port that was called.
                ports_of=lambda host: (),
                hash_of=self._reach.hash_of,
                default_retries=self._default_retries,
            ),
        )

    def _without_service(self, group: Group) -> Iterator[ir.VirtualHost]:
        """Hosts of rules that have no such port: Istio adds them beside those that have it, else on port 80."""
        rules = self._egress[group.egress].virtual_services
        key = "absent", self._key, group.egress, group.port
        absent = self._memo.each(key, (rules,), lambda _, rule: _absent(rule, group), shared=(self._plan,))
        known = set()
        for rule, hosts in compress(zip(rules, absent, strict=True), absent):
            for host in hosts:
                if host in known:
                    continue
                known.add(host)
                found = self._memo.get(
                    ("bare", self._key, host, group.port),
                    self._parts_of(rule),
                    lambda rule=rule, host=host: self._bare(rule, host, group.port),  # type: ignore[misc]
                )
                if found is not None:
                    yield found

    def _bare(self, rule: VirtualService, host: str, port: int) -> ir.VirtualHost | None:
        found = self._routes(rule, port)
        # Istio gives it no shorter names.
        return ir.VirtualHost(name=f"{host}:{port}", domains=(host,), routes=found) if found else None

    def _tcp_routes(self, service: Service, port: Port, rules: "Choice") -> tuple[ir.TcpRoute, ...]:
        context = tcp_routes.Context(
            port=port.number,
            gateways={MESH},
            namespace=self._scope.namespace,
            labels=self._labels,
            ports_of=self._reach.ports_of,
        )
        return tcp_routes.routes(service, port, rules.every(service.host), context)

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
        self._exact: dict[str, list[VirtualService]] = {}
        self._wild: dict[str, list[VirtualService]] = {}
        for rule in rules:
            for host in rule.hosts:
                self._exact.setdefault(host, []).append(rule)
        for host in filter(names.is_wildcard, list(self._exact)):
            self._wild[host] = self._exact.pop(host)

    def every(self, host: str) -> Sequence[VirtualService]:
        """All rules of a host, the best first."""
        own = self._exact.get(host, ())
        best = names.most_specific(self._wild, host) if self._wild else None
        return [*own, *self._wild[best]] if best else own

    def http(self, hosts: Sequence[str]) -> list[VirtualService | None]:
        """The http rule of each host."""
        found = [self.every(host) for host in hosts] if self._wild else [self._exact.get(host, ()) for host in hosts]
        return [rules[0] if rules and rules[0].http else _http(rules) for rules in found]


def _http(rules: Sequence[VirtualService]) -> VirtualService | None:
    return next((rule for rule in rules if rule.http), None)


def _absent(rule: VirtualService, group: Group) -> tuple[str, ...]:
    """Hosts of a rule that are none of the group's, and get a virtual host there all the same."""
    if not rule.http or (rule.is_route and group.names.isdisjoint(rule.hosts)):
        return ()
    absent = tuple(h for h in rule.hosts if h not in group.names and not _is_any(h, group.names))
    return () if len(absent) == len(rule.hosts) and group.port != 80 else absent


def _is_any(pattern: str, hosts: frozenset[str]) -> bool:
    return names.is_wildcard(pattern) and any(names.covers(pattern, h) for h in hosts)


def _is_of(egress: Egress, port: int, special: set[int]) -> bool:
    return port == egress.port if egress.port else port not in special


def _is_sniffed(service: Service, port: int) -> bool:
    """Whether its listener, with an address of its own, finds out by itself that it is HTTP."""
    found = service.port(port)
    return found is not None and found.protocol == protocols.UNKNOWN and bool(service.addresses)


def _both(one: ir.OutboundListener, other: ir.OutboundListener) -> ir.OutboundListener:
    """One port of several hosts: HTTP by name, connections by server name or range; the first comer stays."""
    taken = {(r.server_names, r.ranges) for r in one.routes}
    more = tuple(r for r in other.routes if (r.server_names, r.ranges) not in taken)
    return ir.OutboundListener(
        address=one.address, port=one.port, table=one.table or other.table, routes=(*one.routes, *more)
    )
