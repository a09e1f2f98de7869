"""http rules as routes: which upstreams, with what on the way."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from labkit.mesh import ir, names
from labkit.mesh.routes import actions
from labkit.mesh.routes.rules import UNKNOWN, HttpMatch, HttpRule, Target
from labkit.mesh.routes.virtual_services import VirtualService

DEFAULT_PORTS = (80, 443)
"""Of HTTP and HTTPS."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """For whom routes are made."""

    port: int
    """The port that is listened on."""

    gateways: Collection[str]
    """``{"mesh"}``, or the gateway's ``namespace/name``."""

    namespace: str
    """Of the proxy."""

    labels: Mapping[str, str]
    """Of the proxy."""

    ports_of: Callable[[str], tuple[int, ...]]
    """The ports of a host that a destination without a port may mean."""

    hash_of: Callable[[str, str, int], tuple[ir.Hash, ...]]
    """(host, subset, port that a destination names or 0) → what decides which endpoint, where the host has a hash."""

    default_retries: ir.Retries | None = actions.DEFAULT_RETRIES
    """What the mesh says for rules that say nothing."""

    name_of: Callable[[int, str, str], str] = names.upstream_name
    """(port, subset, host) → the upstream that is meant."""

    serves_everybody: bool = False
    """Whether calls of all workloads come through: a waypoint cannot tell callers apart by their labels."""


def routes(service: VirtualService, context: Context) -> tuple[ir.Route, ...]:
    """The routes of a VirtualService for one port; nothing follows one that every request fits."""
    every: list[ir.Route] = []
    for rule, match in _seen(service, context):
        every.append(_route(service, rule, match, context))
        if match.request.is_catch_all:
            break
    return tuple(every)


def has_routes(service: VirtualService, context: Context) -> bool:
    """Whether any rule of a VirtualService is for this workload and port."""
    return next(_seen(service, context), None) is not None


def _seen(service: VirtualService, context: Context) -> Iterator[tuple[HttpRule, HttpMatch]]:
    for rule in service.http:
        for match in rule.matches:
            if context.serves_everybody:
                is_seen = match.callers.port in (0, context.port)
            else:
                is_seen = match.callers.include(
                    port=context.port, gateways=context.gateways, labels=context.labels, namespace=context.namespace
                )
            if is_seen:
                yield rule, match


def default_route(
    host: str,
    port: int,
    hashes: tuple[ir.Hash, ...] = (),
    retries: ir.Retries | None = actions.DEFAULT_RETRIES,
    upstream: str = "",
) -> ir.Route:
    """What a host without rules gets."""
    upstream = upstream or names.upstream_name(port, "", host)
    return ir.Route(
        name="default",
        match=ir.Match(is_empty=True),
        operation=f"{host}:{port}/*",
        action=ir.Forward(destinations=(ir.Destination(upstream=upstream),), retries=retries, hashes=hashes),
    )


def _route(service: VirtualService, rule: HttpRule, match: HttpMatch, context: Context) -> ir.Route:
    headers = rule.headers
    if len(rule.targets) == 1 and rule.redirect is None and rule.reply is None:
        # What a single destination does to headers is done by the route itself.
        headers = actions.joined(headers, rule.targets[0].headers)
    return ir.Route(
        name=actions.route_name(rule.name, match.name),
        match=match.request,
        action=_action(service, rule, headers, context),
        headers=headers,
        fault=rule.fault,
        cors=rule.cors,
        source=service.source,
        operation=_operation(service, rule, match.request, context),
    )


def _action(
    service: VirtualService, rule: HttpRule, headers: ir.Headers, context: Context
) -> ir.Forward | ir.Redirect | ir.Reply:
    if rule.redirect is not None:
        # A route of the Gateway API leaves the port out where the scheme says it.
        says_port = rule.takes_port and not (service.is_route and context.port in DEFAULT_PORTS)
        return replace(rule.redirect, port=context.port) if says_port else rule.redirect
    if rule.reply is not None:
        return rule.reply
    destinations = tuple(_destinations(rule, context))
    # Envoy takes no route without a destination: nobody is there to answer.
    return _forward(service, rule, headers, destinations, context) if destinations else ir.Reply(status=503)


def _destinations(rule: HttpRule, context: Context) -> Iterator[ir.Destination]:
    if len(rule.targets) == 1:
        yield ir.Destination(upstream=_upstream(rule.targets[0], context))
        return
    for target in rule.targets:
        # A weight of 0 vanishes, and so does a destination without a weight beside others.
        if target.weight:
            yield ir.Destination(upstream=_upstream(target, context), weight=target.weight, headers=target.headers)


def _forward(
    service: VirtualService,
    rule: HttpRule,
    headers: ir.Headers,
    destinations: tuple[ir.Destination, ...],
    context: Context,
) -> ir.Forward:
    hashes = tuple(_hashes(rule, context))
    of_target = rule.targets[0].headers.authority if len(rule.targets) == 1 else ""
    retries = rule.retries if rule.says_retries else context.default_retries
    if retries is not None and hashes and len(rule.targets) == 1:
        # A hash decides for the same endpoint again: whoever avoids it finds none.
        retries = replace(retries, avoids_previous_hosts=False)
    return ir.Forward(
        destinations=destinations,
        is_weighted=len(rule.targets) > 1,
        timeout=rule.timeout,
        retries=retries,
        mirrors=tuple(ir.Mirror(upstream=_upstream(c.target, context), percent=c.percent) for c in rule.copies),
        new_prefix=rule.new_prefix,
        new_path=rule.new_path,
        # What the single destination says of the Host comes last, so it counts.
        authority=of_target or rule.authority or headers.authority,
        hashes=hashes,
        missing_upstream_status="INTERNAL_SERVER_ERROR" if service.is_route else "",
    )


def _hashes(rule: HttpRule, context: Context) -> Iterator[ir.Hash]:
    """The hashes of every destination that gets requests, one after the other."""
    for target in rule.targets:
        if len(rule.targets) == 1 or target.weight:
            yield from context.hash_of(target.host, target.subset, target.port)


def _upstream(target: Target, context: Context) -> str:
    if target.host == UNKNOWN:
        return UNKNOWN
    return context.name_of(_port(target, context), target.subset, target.host)


def _port(target: Target, context: Context) -> int:
    of_host = context.ports_of(target.host)
    return target.port or (of_host[0] if len(of_host) == 1 else context.port)


def _operation(service: VirtualService, rule: HttpRule, match: ir.Match, context: Context) -> str:
    value = match.path.value
    path = {"prefix": f"{value}*", "elements": "/*"}.get(match.path.kind, value)
    target = rule.targets[0] if len(rule.targets) == 1 else None
    if target is None or target.host == UNKNOWN:
        return f"{service.name}:{context.port}{path}"
    return f"{target.host}:{_port(target, context)}{path}"
