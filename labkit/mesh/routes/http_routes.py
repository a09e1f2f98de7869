"""http rules as routes: which upstreams, with what on the way."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from labkit.mesh import blame, durations, ir, names
from labkit.mesh.envoy import routes as routes_of_envoy
from labkit.mesh.routes import actions, matches, tcp_routes
from labkit.mesh.routes.virtual_services import VirtualService

Rule = Mapping[str, Any]

UNKNOWN = "UnknownService"
"""The destination of a route of the Gateway API whose backend must not or cannot be used."""


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

    default_retries: Rule | None = None
    """``defaultHttpRetryPolicy`` of the mesh."""


def routes(service: VirtualService, context: Context) -> tuple[ir.Route, ...]:
    """The routes of a VirtualService for one port; nothing follows one that every request fits."""
    with blame.naming(f"VirtualService {service.namespace}/{service.name}"):
        return _routes(service, context)


def check(service: VirtualService) -> None:
    """Make every route once, for nobody: what cannot be translated is found when it comes, not when it is asked for."""
    context = Context(
        port=80, gateways=(), namespace="", labels={}, ports_of=lambda host: (), hash_of=lambda host, subset, port: ()
    )
    with blame.naming(f"VirtualService {service.namespace}/{service.name}"):
        for rule in service.http:
            for match in rule.get("match") or (None,):
                matches.is_seen(match, port=80, gateways=(), namespace="", labels={})
                routes_of_envoy.route(_route(service, rule, match, context))
        tcp_routes.check(service)


def _routes(service: VirtualService, context: Context) -> tuple[ir.Route, ...]:
    found: list[ir.Route] = []
    for rule in service.http:
        for match in rule.get("match") or (None,):
            if not matches.is_seen(
                match,
                port=context.port,
                gateways=context.gateways,
                namespace=context.namespace,
                labels=context.labels,
            ):
                continue
            found.append(_route(service, rule, match, context))
            if found[-1].match.is_catch_all:
                return tuple(found)
    return tuple(found)


def default_route(host: str, port: int, hashes: tuple[ir.Hash, ...] = (), retries: Rule | None = None) -> ir.Route:
    """What a host without rules gets."""
    upstream = names.upstream_name(port, "", host)
    return ir.Route(
        name="default",
        match=ir.Match(is_empty=True),
        operation=f"{host}:{port}/*",
        action=ir.Forward(
            destinations=(ir.Destination(upstream=upstream),), retries=actions.retries(retries), hashes=hashes
        ),
    )


def _route(service: VirtualService, rule: Rule, match: Rule | None, context: Context) -> ir.Route:
    name = actions.route_name(rule.get("name") or "", (match or {}).get("name") or "")
    fits = matches.request_match(match, by_elements=service.by_elements)
    headers = actions.headers(rule.get("headers"))
    if rule.get("redirect"):
        action: ir.Forward | ir.Redirect | ir.Reply = actions.redirect(rule["redirect"], context.port)
    elif rule.get("directResponse"):
        action = actions.reply(rule["directResponse"])
    else:
        action, headers = _forward(service, rule, headers, context)
        if not action.destinations:
            action = ir.Reply(status=503)  # Nothing was said, and Envoy takes no route without a destination.
    return ir.Route(
        name=name,
        match=fits,
        action=action,
        headers=headers,
        fault=actions.fault(rule.get("fault")),
        cors=actions.cors(rule.get("corsPolicy")),
        source=service.source,
        operation=_operation(service, rule, fits, context),
    )


def _forward(
    service: VirtualService, rule: Rule, headers: ir.Headers, context: Context
) -> tuple[ir.Forward, ir.Headers]:
    targets = list(rule.get("route") or ())
    if len(targets) == 1:
        # What a single destination does to headers is done by the route itself.
        headers = actions.joined(headers, actions.headers(targets[0].get("headers")))
        only = ir.Destination(upstream=_upstream(targets[0].get("destination"), service, context))
        destinations: tuple[ir.Destination, ...] = (only,)
    else:
        # A weight of 0 vanishes, and so does a destination without a weight beside others.
        destinations = tuple(
            ir.Destination(
                upstream=_upstream(t.get("destination"), service, context),
                weight=t["weight"],
                headers=actions.headers(t.get("headers")),
            )
            for t in targets
            if t.get("weight")
        )
    hashes = _hashes(targets, service, context)
    rewrite = rule.get("rewrite") or {}
    regex = rewrite.get("uriRegexRewrite") or {}
    said = rule.get("retries") if rule.get("retries") is not None else context.default_retries
    return ir.Forward(
        destinations=destinations,
        is_weighted=len(targets) > 1,
        timeout=durations.seconds(rule.get("timeout") or "0s"),
        retries=actions.retries(said, is_hashed=bool(hashes) and len(targets) == 1),
        mirrors=tuple(_mirrors(rule, service, context)),
        new_prefix="" if regex else rewrite.get("uri") or "",
        new_path=(regex["match"], regex.get("rewrite") or "") if regex.get("match") else None,
        authority=rewrite.get("authority") or headers.authority,
        hashes=hashes,
        missing_upstream_status="INTERNAL_SERVER_ERROR" if service.is_route else "",
    ), headers


def _upstream(destination: Rule | None, service: VirtualService, context: Context) -> str:
    said = destination or {}
    if service.is_route and said.get("host") == UNKNOWN:
        return UNKNOWN
    host = names.full_host(said.get("host") or "", service.namespace)
    return names.upstream_name(_port(said, host, context), said.get("subset") or "", host)


def _port(destination: Rule, host: str, context: Context) -> int:
    said = (destination.get("port") or {}).get("number")
    known = context.ports_of(host)
    return int(said or (known[0] if len(known) == 1 else context.port))


def _hashes(targets: list[Rule], service: VirtualService, context: Context) -> tuple[ir.Hash, ...]:
    """The hash policies of every destination that gets requests, one after the other."""
    hashes: list[ir.Hash] = []
    for target in targets:
        if len(targets) == 1 or target.get("weight"):
            said = target.get("destination") or {}
            host = names.full_host(said.get("host") or "", service.namespace)
            number = (said.get("port") or {}).get("number") or 0
            hashes += context.hash_of(host, said.get("subset") or "", number)
    return tuple(hashes)


def _mirrors(rule: Rule, service: VirtualService, context: Context) -> list[ir.Mirror]:
    found: list[tuple[Rule | None, float | None]] = []
    if rule.get("mirror"):
        share = actions.mirror_share(rule.get("mirrorPercentage"), rule.get("mirrorPercent"))
        found.append((rule["mirror"], share))
    found += [(m.get("destination"), actions.mirror_share(m.get("percentage"))) for m in rule.get("mirrors") or ()]
    return [
        ir.Mirror(upstream=_upstream(destination, service, context), percent=share)
        for destination, share in found
        if share != 0
    ]


def _operation(service: VirtualService, rule: Rule, match: ir.Match, context: Context) -> str:
    value = match.path.value
    path = {"prefix": f"{value}*", "elements": "/*"}.get(match.path.kind, value)
    targets = list(rule.get("route") or ())
    destination = (targets[0].get("destination") or {}) if len(targets) == 1 else {}
    if not destination or destination.get("host") == UNKNOWN:
        return f"{service.name}:{context.port}{path}"
    host = names.full_host(destination.get("host") or "", service.namespace)
    return f"{host}:{_port(destination, host, context)}{path}"
