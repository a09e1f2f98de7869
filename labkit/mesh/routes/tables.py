"""Route tables of a sidecar: one for each port, with a virtual host for each host that is called there."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import compress
from typing import Protocol

from labkit.mesh import ir, names
from labkit.mesh.hosts import domains
from labkit.mesh.hosts.services import Service
from labkit.mesh.memo import Memo
from labkit.mesh.routes import http_routes
from labkit.mesh.routes.choice import Choice
from labkit.mesh.routes.plan import Group, Plan
from labkit.mesh.routes.scopes import Egress
from labkit.mesh.routes.virtual_services import MESH, VirtualService

HTTP_PROXY = "http_proxy"
HTTP_PORT = 80
"""Hosts of VirtualServices without any Service get a virtual host on this port."""


class Reachable(Protocol):
    """What routes ask about their destination hosts."""

    def parts_of(self, host: str) -> tuple[object, ...]:
        """All that routes to a host depend on."""

    def hash_of(self, host: str, subset: str, port: int) -> tuple[ir.Hash, ...]:
        """What decides which endpoint of a host a request goes to."""


@dataclass(frozen=True, kw_only=True)
class Tables:
    """Makes the tables of one kind of workload; virtual hosts of an earlier snapshot are used again."""

    namespace: str
    labels: Mapping[str, str]
    allows_unknown: bool
    reach: Reachable
    plan: Plan
    egress: tuple[Egress, ...]
    choices: tuple[Choice, ...]
    """The rules of each egress."""

    default_retries: ir.Retries | None
    has_http_proxy: bool
    """Whether apps may call their sidecar as an HTTP proxy: then one more table holds the hosts of all ports."""

    memo: Memo
    key: int

    def all(self) -> dict[str, ir.RouteTable]:
        """Every table by its name."""
        tables: dict[str, ir.RouteTable] = {}
        for group in self.plan.groups:
            for table in self._tables(group):
                tables.setdefault(table.name, table)
        if self.has_http_proxy:
            tables[HTTP_PROXY] = self._http_proxy()
        return tables

    def _http_proxy(self) -> ir.RouteTable:
        hosts = tuple(
            replace(host, domains=tuple(domains.with_port(host.domains, group.port)))
            for group in self.plan.groups
            for host in self._virtual_hosts(group)
        )
        return ir.RouteTable(name=HTTP_PROXY, hosts=hosts, allows_unknown=self.allows_unknown)

    def _parts_of(self, *rules: VirtualService) -> tuple[object, ...]:
        """Everything that the routes of VirtualServices depend on."""
        return (*rules, *(p for rule in rules for h in rule.destinations for p in self.reach.parts_of(h)))

    def _tables(self, group: Group) -> Iterator[ir.RouteTable]:
        hosts = self._virtual_hosts(group)
        for service, host in compress(zip(group.services, hosts, strict=True), group.is_sniffed):
            alone = self.memo.get(
                ("alone", self.key, service.host, group.port),
                (host,),
                lambda host=host: replace(host, is_by_content=False),  # type: ignore[misc]
            )
            yield ir.RouteTable(name=f"{service.host}:{group.port}", hosts=(alone,))
        if group.is_shared:
            yield ir.RouteTable(
                name=str(group.port),
                hosts=(*hosts, *self._without_service(group)),
                allows_unknown=self.allows_unknown,
            )

    def _virtual_hosts(self, group: Group) -> list[ir.VirtualHost]:
        def one(memo: Memo, service: Service, rule: VirtualService | None) -> ir.VirtualHost:
            parts = (service, rule, *self.reach.parts_of(service.host), *self._parts_of(*([rule] if rule else [])))
            return memo.get(service.host, parts, lambda: self._virtual_host(service, group.port, rule))

        choice = self.choices[group.egress]
        key = "hosts", self.key, group.egress, group.port
        context = self._context(group.port)
        rules = self.memo.get(
            ("rules", key),
            (choice, group),
            lambda: choice.http(group.hosts, lambda rule: http_routes.has_routes(rule, context)),
        )
        return self.memo.each(key, (group.services, rules), one, shared=(self.plan,))

    def _virtual_host(self, service: Service, port: int, rule: VirtualService | None) -> ir.VirtualHost:
        routes = self._routes(rule, port) if rule is not None else ()
        if not routes:
            # A rule of which this workload sees nothing is no rule.
            hashed = self.reach.hash_of(service.host, "", port)
            routes = (http_routes.default_route(service.host, port, hashed, retries=self.default_retries),)
        return ir.VirtualHost(
            name=f"{service.host}:{port}", domains=domains.of_service(service, self.namespace), routes=routes
        )

    def _routes(self, rule: VirtualService, port: int) -> tuple[ir.Route, ...]:
        return http_routes.routes(rule, self._context(port))

    def _context(self, port: int) -> http_routes.Context:
        return http_routes.Context(
            port=port,
            gateways={MESH},
            namespace=self.namespace,
            labels=self.labels,
            # Without a port of its own a destination means the port that was called.
            ports_of=lambda host: (),
            hash_of=self.reach.hash_of,
            default_retries=self.default_retries,
        )

    def _without_service(self, group: Group) -> Iterator[ir.VirtualHost]:
        """Virtual hosts for hosts without this port: beside a host of the same rule that has it, and on port 80."""
        rules = self.egress[group.egress].virtual_services
        key = "absent", self.key, group.egress, group.port
        absent = self.memo.each(key, (rules,), lambda _, rule: _absent(rule, group), shared=(self.plan,))
        taken = set()
        for rule, hosts in compress(zip(rules, absent, strict=True), absent):
            for host in hosts:
                if host in taken:
                    continue
                bare = self.memo.get(
                    ("bare", self.key, host, group.port),
                    self._parts_of(rule),
                    lambda rule=rule, host=host: self._bare(rule, host, group.port),  # type: ignore[misc]
                )
                if bare is not None:
                    taken.add(host)
                    yield bare

    def _bare(self, rule: VirtualService, host: str, port: int) -> ir.VirtualHost | None:
        routes = self._routes(rule, port)
        # Istio gives it no shorter names.
        return ir.VirtualHost(name=f"{host}:{port}", domains=(host,), routes=routes) if routes else None


def _absent(rule: VirtualService, group: Group) -> tuple[str, ...]:
    """Hosts of a VirtualService outside the group that still get a virtual host in its table."""
    if not rule.http or (rule.is_route and group.names.isdisjoint(rule.hosts)):
        return ()
    absent = tuple(h for h in rule.hosts if h not in group.names and not _is_any(h, group.names))
    return () if len(absent) == len(rule.hosts) and group.port != HTTP_PORT else absent


def _is_any(pattern: str, hosts: frozenset[str]) -> bool:
    return names.is_wildcard(pattern) and any(names.covers(pattern, h) for h in hosts)
