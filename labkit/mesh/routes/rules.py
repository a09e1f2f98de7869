"""Rules of VirtualServices, read: what they match, who sees them, and where they lead, in records."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from labkit.mesh import durations, ir, names
from labkit.mesh.routes import actions, matches

Spec = Mapping[str, Any]

UNKNOWN = "UnknownService"
"""The destination of a route of the Gateway API whose backend must not or cannot be used."""


@dataclass(frozen=True, kw_only=True)
class Callers:
    """The proxies that get a match at all: the control plane decides, Envoy never sees the others."""

    port: int = 0
    """0 for every port."""

    gateways: tuple[str, ...] = ()
    """``mesh`` or ``namespace/name``; empty for all that the VirtualService is bound to."""

    labels: tuple[tuple[str, str], ...] = ()
    namespace: str = ""

    def include(self, *, port: int, gateways: Collection[str], labels: Mapping[str, str], namespace: str) -> bool:
        """Whether a proxy is one of them; a match that names gateways asks for nothing else."""
        if self.port and self.port != port:
            return False
        if self.gateways:
            return any(gateway in gateways for gateway in self.gateways)
        return dict(self.labels).items() <= labels.items() and self.namespace in ("", namespace)


EVERYBODY = Callers()


@dataclass(frozen=True, kw_only=True)
class Target:
    """One destination of a rule."""

    host: str
    """The full name; ``UnknownService`` for a backend that must not be used."""

    port: int = 0
    """0 where none is named."""

    subset: str = ""
    weight: int = 0
    """As written: 0 where nothing is."""

    headers: ir.Headers = ir.NO_HEADERS


@dataclass(frozen=True, kw_only=True)
class Copies:
    """Where copies of requests go, and how many of a hundred; None for all."""

    target: Target
    percent: float | None


@dataclass(frozen=True, kw_only=True)
class HttpMatch:
    """One ``match`` of an http rule."""

    name: str = ""
    request: ir.Match
    callers: Callers = EVERYBODY


@dataclass(frozen=True, kw_only=True)
class HttpRule:
    """One http rule."""

    name: str
    matches: tuple[HttpMatch, ...]
    headers: ir.Headers
    targets: tuple[Target, ...]
    copies: tuple[Copies, ...]
    redirect: ir.Redirect | None
    takes_port: bool
    """Whether a redirect keeps the port that was called."""

    reply: ir.Reply | None
    timeout: float
    says_retries: bool
    retries: ir.Retries | None
    """None for none at all, if the rule says so."""

    new_prefix: str
    new_path: tuple[str, str] | None
    authority: str
    fault: ir.Fault | None
    cors: ir.Cors | None


@dataclass(frozen=True, kw_only=True)
class ConnectionMatch:
    """One ``match`` of a tcp or a tls rule."""

    server_names: tuple[str, ...] = ()
    ranges: tuple[str, ...] = ()
    callers: Callers = EVERYBODY


@dataclass(frozen=True, kw_only=True)
class ConnectionRule:
    """One tcp or tls rule."""

    matches: tuple[ConnectionMatch, ...]
    targets: tuple[Target, ...]


def http(rule: Spec, namespace: str, *, by_elements: bool, is_route: bool) -> HttpRule:
    """An http rule of a VirtualService in ``namespace``; ``is_route`` if it was made from the Gateway API."""
    rewrite = rule.get("rewrite") or {}
    regex = rewrite.get("uriRegexRewrite") or {}
    redirect = rule.get("redirect") or {}
    return HttpRule(
        name=rule.get("name") or "",
        matches=tuple(_http_match(m, namespace, by_elements=by_elements) for m in rule.get("match") or (None,)),
        headers=actions.headers(rule.get("headers")),
        targets=tuple(_targets(rule, namespace, is_route=is_route)),
        copies=tuple(_copies(rule, namespace, is_route=is_route)),
        redirect=actions.redirect(redirect) if redirect else None,
        takes_port=not redirect.get("port") and redirect.get("derivePort") == "FROM_REQUEST_PORT",
        reply=actions.reply(rule["directResponse"]) if rule.get("directResponse") else None,
        timeout=durations.seconds(rule.get("timeout") or "0s"),
        says_retries=rule.get("retries") is not None,
        retries=actions.retries(rule.get("retries")),
        new_prefix="" if regex else rewrite.get("uri") or "",
        new_path=(regex["match"], regex.get("rewrite") or "") if regex.get("match") else None,
        authority=rewrite.get("authority") or "",
        fault=actions.fault(rule.get("fault")),
        cors=actions.cors(rule.get("corsPolicy")),
    )


def tcp(rule: Spec, namespace: str) -> ConnectionRule:
    """A tcp rule; without a match it is for every connection."""
    return _connections(rule, namespace, rule.get("match") or (None,))


def tls(rule: Spec, namespace: str) -> ConnectionRule:
    """A tls rule; without a match it is for none."""
    return _connections(rule, namespace, rule.get("match") or ())


def _http_match(match: Spec | None, namespace: str, *, by_elements: bool) -> HttpMatch:
    spec = match or {}
    return HttpMatch(
        name=spec.get("name") or "",
        request=matches.request_match(match, by_elements=by_elements),
        callers=_callers(spec, namespace),
    )


def _connections(rule: Spec, namespace: str, given: Collection[Spec | None]) -> ConnectionRule:
    return ConnectionRule(
        matches=tuple(
            ConnectionMatch(
                server_names=tuple((m or {}).get("sniHosts") or ()),
                ranges=tuple((m or {}).get("destinationSubnets") or ()),
                callers=_callers(m or {}, namespace),
            )
            for m in given
        ),
        targets=tuple(_targets(rule, namespace, is_route=False)),
    )


def _callers(match: Spec, namespace: str) -> Callers:
    return Callers(
        port=match.get("port") or 0,
        gateways=tuple(names.gateway(g, namespace) for g in match.get("gateways") or ()),
        labels=tuple(sorted((match.get("sourceLabels") or {}).items())),
        namespace=match.get("sourceNamespace") or "",
    )


def _targets(rule: Spec, namespace: str, *, is_route: bool) -> Iterator[Target]:
    for route in rule.get("route") or ():
        yield _target(
            route.get("destination"),
            namespace,
            is_route=is_route,
            weight=route.get("weight") or 0,
            headers=actions.headers(route.get("headers")),
        )


def _copies(rule: Spec, namespace: str, *, is_route: bool) -> Iterator[Copies]:
    given: list[tuple[Spec | None, float | None]] = []
    if rule.get("mirror"):
        given.append((rule["mirror"], actions.mirror_share(rule.get("mirrorPercentage"), rule.get("mirrorPercent"))))
    given += [(m.get("destination"), actions.mirror_share(m.get("percentage"))) for m in rule.get("mirrors") or ()]
    for destination, percent in given:
        if percent != 0:
            yield Copies(target=_target(destination, namespace, is_route=is_route), percent=percent)


def _target(
    destination: Spec | None,
    namespace: str,
    *,
    is_route: bool,
    weight: int = 0,
    headers: ir.Headers = ir.NO_HEADERS,
) -> Target:
    spec = destination or {}
    host = spec.get("host") or ""
    is_unknown = is_route and host == UNKNOWN
    return Target(
        host=UNKNOWN if is_unknown else names.full_host(host, namespace),
        port=int((spec.get("port") or {}).get("number") or 0),
        subset=spec.get("subset") or "",
        weight=weight,
        headers=headers,
    )
