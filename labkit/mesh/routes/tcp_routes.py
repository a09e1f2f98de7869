"""tcp and tls rules: where connections go that are not routed by request."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from labkit.mesh import ir, names, protocols
from labkit.mesh.hosts.services import Port, Service
from labkit.mesh.routes.rules import ConnectionMatch, ConnectionRule
from labkit.mesh.routes.virtual_services import VirtualService


@dataclass(frozen=True, kw_only=True)
class Context:
    """For whom connections are routed."""

    port: int
    gateways: Collection[str]
    namespace: str
    labels: Mapping[str, str]
    ports_of: Callable[[str], tuple[int, ...]]
    name_of: Callable[[int, str, str], str] = names.upstream_name
    """(port, subset, host) → the upstream that is meant."""


def routes(service: Service, port: Port, rules: Sequence[VirtualService], context: Context) -> tuple[ir.TcpRoute, ...]:
    """The routes of one port of a host: those of the first rule that has some, else straight to it."""
    for rule in rules:
        of_rule = tuple(by_server_name(rule, context) if port.protocol in protocols.TLS else _tcp(rule, context))
        if of_rule:
            return of_rule
    upstream = names.upstream_name(port.number, "", service.host)
    by_name = port.protocol in protocols.TLS and not service.addresses and not service.is_headless
    return (
        ir.TcpRoute(destinations=(ir.Destination(upstream=upstream),), server_names=(service.host,) if by_name else ()),
    )


def gateway_tcp(rule: VirtualService, context: Context) -> ir.TcpRoute | None:
    """The route of a gateway's TCP port."""
    return next(_tcp(rule, context), None)


def by_server_name(service: VirtualService, context: Context) -> Iterator[ir.TcpRoute]:
    """Routes by server name."""
    for rule, match in _seen(service.tls, context):
        yield _route(rule, match, service, context)


def _tcp(service: VirtualService, context: Context) -> Iterator[ir.TcpRoute]:
    for rule, match in _seen(service.tcp, context):
        yield _route(rule, match, service, context)
        if not match.ranges:
            return


def _seen(rules: Sequence[ConnectionRule], context: Context) -> Iterator[tuple[ConnectionRule, ConnectionMatch]]:
    for rule in rules:
        for match in rule.matches:
            if match.callers.include(
                port=context.port, gateways=context.gateways, labels=context.labels, namespace=context.namespace
            ):
                yield rule, match


def _route(rule: ConnectionRule, match: ConnectionMatch, service: VirtualService, context: Context) -> ir.TcpRoute:
    return ir.TcpRoute(
        destinations=tuple(_destinations(rule, context)),
        server_names=match.server_names,
        ranges=match.ranges,
        source=service.source,
    )


def _destinations(rule: ConnectionRule, context: Context) -> Iterator[ir.Destination]:
    for target in rule.targets:
        of_host = context.ports_of(target.host)
        port = target.port or (of_host[0] if len(of_host) == 1 else context.port)
        weight = 100 if len(rule.targets) == 1 else target.weight
        if weight:
            yield ir.Destination(upstream=context.name_of(port, target.subset, target.host), weight=weight)
