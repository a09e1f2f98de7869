"""One view of the mesh, for all proxies that see the same: what they reach, their tables, their listeners."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from labkit.mesh import ir
from labkit.mesh.envoy import listeners as envoy_listeners
from labkit.mesh.envoy import routes as envoy_routes
from labkit.mesh.listeners import outbound
from labkit.mesh.listeners.entrance import normalization
from labkit.mesh.memo import Memo
from labkit.mesh.model import Resource
from labkit.mesh.routes import actions, plan, scopes, tcp_routes
from labkit.mesh.routes.choice import Choice
from labkit.mesh.routes.tables import Tables
from labkit.mesh.routes.virtual_services import MESH, VirtualService
from labkit.mesh.upstream_sets import Reach


class View:
    """What one kind of workload sees."""

    def __init__(
        self,
        scope: scopes.Scope,
        *,
        reach: Reach,
        labels: Mapping[str, str],
        memo: Memo,
        key: int,
        mesh_config: Mapping[str, Any],
    ) -> None:
        self.scope, self.reach, self.labels, self.memo, self.key = scope, reach, labels, memo, key
        self.default_retries: ir.Retries | None = actions.retries(mesh_config.get("defaultHttpRetryPolicy"))
        """What the mesh says about retries of rules that say nothing."""

        self._http_proxy_port = int(mesh_config.get("proxyHttpPort") or 0)
        self._normalization = normalization(mesh_config)

        # What speaks of a port alone comes before what speaks of all others.
        self._egress = tuple(sorted(scope.egress, key=lambda e: e.port is None))

    @cached_property
    def _plan(self) -> plan.Plan:
        parts = (self.reach, *(egress.services for egress in self._egress))
        return self.memo.get(("plan", self.key), parts, lambda: plan.of(self._egress))

    @cached_property
    def _choices(self) -> tuple[Choice, ...]:
        return tuple(
            self.memo.get(
                ("choice", self.key, number),
                (egress.virtual_services,),
                lambda egress=egress: Choice(egress.virtual_services),  # type: ignore[misc]
            )
            for number, egress in enumerate(self._egress)
        )

    def rules(self, host: str) -> Sequence[VirtualService]:
        """The VirtualServices that speak for a host to the mesh, the best first."""
        return self._choices[-1].every(host) if self._choices else ()

    @cached_property
    def tables(self) -> Mapping[str, ir.RouteTable]:
        """Istio's tables by port."""
        return Tables(
            namespace=self.scope.namespace,
            labels=self.labels,
            allows_unknown=self.scope.allows_unknown,
            reach=self.reach,
            plan=self._plan,
            egress=self._egress,
            choices=self._choices,
            default_retries=self.default_retries,
            has_http_proxy=bool(self._http_proxy_port),
            memo=self.memo,
            key=self.key,
        ).all()

    @cached_property
    def routes(self) -> Mapping[str, Resource]:
        """The tables in Envoy's words; the very same mapping for all proxies, and while nothing in it changes."""
        asked = self._asked
        tables = {name: self._table(table) for name, table in self.tables.items() if name in asked}
        return self.memo.get(("routes", self.key), tuple(tables.values()), lambda: tables)

    def _table(self, table: ir.RouteTable) -> Resource:
        memo, key = self.memo, (self.key, table.name)
        hosts = memo.each(("envoy hosts", key), (table.hosts,), lambda _, host: envoy_routes.virtual_host(host))
        every = [host["domains"] for host in hosts]
        free = memo.alike(("free", key), every, lambda: envoy_routes.free(every))
        named = memo.each(("named", key), (hosts, free), lambda _, host, names: envoy_routes.under(host, names))
        last = memo.alike(("unknown", key), table.allows_unknown, lambda: envoy_routes.unknown(table.allows_unknown))
        parts = (*(host for host in named if host is not None), *last)
        return memo.get(("table", key), parts, lambda: envoy_routes.route_config(table.name, parts))

    def listeners(self, telemetry: ir.Telemetry) -> dict[str, Resource]:
        """The listeners for other hosts in Envoy's words; the very same mapping while nothing in it changes."""
        return self.memo.get(
            ("listeners", self.key, telemetry),
            self._parts,
            lambda: {listener.name: envoy_listeners.listener(listener) for listener in self._listeners(telemetry)},
        )

    @cached_property
    def _parts(self) -> tuple[object, ...]:
        """All that listeners depend on: of rules only those that speak of connections."""
        rules = [rule for choice in self._choices for rule in choice.of_connections]
        hosts = (host for rule in rules for host in rule.destinations)
        parts = (part for host in hosts for part in self.reach.parts_of(host))
        return (self._plan, self.scope.allows_unknown, self.reach.looks_up_hosts, *rules, *parts)

    @cached_property
    def _asked(self) -> frozenset[str]:
        """Tables that a listener asks for: of two hosts with one address and port the first comer's alone."""
        return self.memo.get(
            ("asked", self.key), self._parts, lambda: frozenset(_tables(self._listeners(ir.Telemetry())))
        )

    def _listeners(self, telemetry: ir.Telemetry) -> list[ir.Listener]:
        context = outbound.Context(
            connections=tcp_routes.Context(
                port=0,
                gateways={MESH},
                namespace=self.scope.namespace,
                labels=self.labels,
                ports_of=self.reach.ports_of,
            ),
            allows_unknown=self.scope.allows_unknown,
            looks_up_hosts=self.reach.looks_up_hosts,
            normalization=self._normalization,
            http_proxy_port=self._http_proxy_port,
            telemetry=telemetry,
        )
        return list(outbound.listeners(self._plan.ports, self._egress, self._choices, context))


def _tables(listeners: Iterable[ir.Listener]) -> Iterator[str]:
    for listener in listeners:
        for chain in listener.chains:
            if isinstance(chain.carries, ir.Http):
                yield chain.carries.table
