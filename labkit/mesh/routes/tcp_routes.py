"""tcp and tls rules: where connections go that are not routed by request."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labkit.mesh import ir, names, protocols
from labkit.mesh.hosts.services import Port, Service
from labkit.mesh.routes.virtual_services import VirtualService

Rule = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Context:
    """For whom connections are routed."""

    port: int
    gateways: Collection[str]
    namespace: str
    labels: Mapping[str, str]
    ports_of: Callable[[str], tuple[int, ...]]


def routes(service: Service, port: Port, rules: Sequence[VirtualService], context: Context) -> tuple[ir.TcpRoute, ...]:
    """The routes of one port of a host: its rules' , else straight to it."""
    for rule in rules:
        found = tuple(_tls(rule, context) if port.protocol in protocols.TLS else _tcp(rule, context))
        if found:
            return found
    upstream = names.upstream_name(port.number, "", service.host)
    by_name = port.protocol in protocols.TLS and not service.addresses and not service.is_headless
    return (
        ir.TcpRoute(destinations=(ir.Destination(upstream=upstream),), server_names=(service.host,) if by_name else ()),
    )


def gateway_tcp(rule: VirtualService, context: Context) -> ir.TcpRoute | None:
    """The route of a gateway's TCP port."""
    return next(iter(_tcp(rule, context)), None)


def gateway_tls(rule: VirtualService, context: Context) -> Iterator[ir.TcpRoute]:
    """Routes by server name of a gateway's TLS port that it does not end itself."""
    yield from _tls(rule, context)


def check(service: VirtualService) -> None:
    """Take every rule apart once."""
    context = Context(port=0, gateways=(), namespace="", labels={}, ports_of=lambda host: ())
    for rule in (*service.tls, *service.tcp):
        for match in rule.get("match") or (None,):
            _is_seen(match, context)
        _destinations(rule, service, context)


def _tcp(service: VirtualService, context: Context) -> Iterator[ir.TcpRoute]:
    for rule in service.tcp:
        for match in rule.get("match") or (None,):
            if _is_seen(match, context):
                ranges = tuple((match or {}).get("destinationSubnets") or ())
                yield ir.TcpRoute(
                    destinations=_destinations(rule, service, context), ranges=ranges, source=service.source
                )
                if not ranges:
                    return


def _tls(service: VirtualService, context: Context) -> Iterator[ir.TcpRoute]:
    for rule in service.tls:
        for match in rule.get("match") or ():
            if _is_seen(match, context):
                yield ir.TcpRoute(
                    destinations=_destinations(rule, service, context),
                    server_names=tuple(match.get("sniHosts") or ()),
                    ranges=tuple(match.get("destinationSubnets") or ()),
                    source=service.source,
                )


def _is_seen(match: Rule | None, context: Context) -> bool:
    said = match or {}
    if said.get("port") and said["port"] != context.port:
        return False
    if said.get("gateways"):
        return any(g in context.gateways for g in said["gateways"])
    if not (said.get("sourceLabels") or {}).items() <= context.labels.items():
        return False
    return said.get("sourceNamespace") in (None, "", context.namespace)


def _destinations(rule: Rule, service: VirtualService, context: Context) -> tuple[ir.Destination, ...]:
    targets = rule.get("route") or ()
    found = []
    for target in targets:
        said = target.get("destination") or {}
        host = names.full_host(said.get("host") or "", service.namespace)
        known = context.ports_of(host)
        port = (said.get("port") or {}).get("number") or (known[0] if len(known) == 1 else context.port)
        weight = 100 if len(targets) == 1 else target.get("weight") or 0
        if weight:
            found.append(
                ir.Destination(upstream=names.upstream_name(port, said.get("subset") or "", host), weight=weight)
            )
    return tuple(found)
