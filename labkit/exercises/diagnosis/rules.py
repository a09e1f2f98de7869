"""VirtualServices that should have a say about a request and have none, and why."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from labkit.exercises.diagnosis import cause, gateways, objects
from labkit.exercises.diagnosis import decision as decisions
from labkit.exercises.diagnosis.cause import Cause
from labkit.exercises.diagnosis.decision import Decision
from labkit.exercises.diagnosis.objects import Objects
from labkit.exercises.evidence import GATEWAY
from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import names

NUMBER = re.compile(r"-\d+$")
"""Of a rule, at the end of the names that istiod gives."""

MESH = "mesh"
"""What ``gateways`` calls all sidecars."""

MADE_FOR_CLASS = "-istio"
"""How the names of the proxies end that Istio makes for a Gateway of the Gateway API."""

FOR_CALLERS = ("sourceLabels", "sourceNamespace", "gateways", "port")
"""Fields of a match by which istiod decides which proxies get a rule at all."""


def without_a_say(decision: Decision, mesh: Objects, host: str) -> list[Cause]:
    """Why VirtualServices about ``host`` have no route for this request at this proxy; newest first.

    ``host`` is the full name of the service that the check is about.
    """
    concerned = [rule for rule in reversed(mesh.virtual_services) if _concerns(rule, decision, mesh, host)]
    causes = [_why(rule, decision, mesh, host) for rule in concerned if not _has_a_say(rule, decision)]
    return cause.ranked([*causes, *_routes_without_a_say(decision, mesh, host)])


def is_at_gateway(decision: Decision) -> bool:
    """Whether the proxy is a gateway's."""
    return is_at_proxy_of_gateway(decision.ask.proxy)


def is_at_proxy_of_gateway(proxy: str) -> bool:
    """The same, by the beginning of the pod's name."""
    return proxy.startswith(GATEWAY) or proxy.endswith(MADE_FOR_CLASS)


def rule_of(source: decisions.Source | None, mesh: Objects) -> Object | None:
    """The VirtualService behind a route."""
    if source is None:
        return None
    return next(
        (
            rule
            for rule in mesh.virtual_services
            if (resources.namespace_of(rule), resources.name_of(rule)) == (source.namespace, source.name)
        ),
        None,
    )


def name_of(source: decisions.Source) -> str:
    """``VirtualService default/reviews``; the HTTPRoute behind one that istiod made for it."""
    if is_of_http_route(source) and objects.MADE_FOR_ROUTES not in source.name:
        return f"the HTTPRoute for {objects.short(source.name.rpartition('~')[2])}"
    if is_of_http_route(source):
        route = source.name.partition(objects.MADE_FOR_ROUTES)[0].rstrip("~-").rpartition("~")[2]
        return f"HTTPRoute {source.namespace}/{NUMBER.sub('', route)}"
    return str(source)


def is_of_http_route(source: decisions.Source) -> bool:
    """Whether istiod made this VirtualService for HTTPRoutes: a learner's own has no such name."""
    return "~" in source.name


def _has_a_say(rule: Object, decision: Decision) -> bool:
    own = resources.namespace_of(rule), resources.name_of(rule)
    return any((source.namespace, source.name) == own for source in decision.sources)


def is_in_effect(rule: Object, decision: Decision) -> bool:
    """Whether the table that the request is looked up in has a route of it, for whatever host."""
    own = resources.namespace_of(rule), resources.name_of(rule)
    table = decision.config.routes.get(decision.explanation.table) or {}
    routes = [route for host in table.get("virtual_hosts") or () for route in host["routes"]]
    sources = [decisions.source_of(route) for route in routes]
    return any((source.namespace, source.name) == own for source in sources if source is not None)


def _concerns(rule: Object, decision: Decision, mesh: Objects, host: str) -> bool:
    """Whether its hosts or its destinations are this service, or nearly."""
    own = objects.hosts_of(rule)
    if is_at_gateway(decision):
        sent_to, asked = objects.destinations_of(rule), decision.ask.host.partition(":")[0]
        is_covered = any(names.covers(other, asked) for other in own)
        if decision.virtual_host and is_in_effect(rule, decision) and is_covered:
            return False  # a rule for any host, beside one for this very host
        return any(_is_like(other, host, mesh) for other in sent_to) or not sent_to
    bound = objects.spec_of(rule).get("gateways") or [MESH]
    if MESH not in bound and any("*" in other for other in own):
        return False  # a rule of the gateway for any host, such as Bookinfo's own
    is_about = any(names.covers(other, host) or _is_like(other, host, mesh) for other in own)
    return is_about or host in objects.destinations_of(rule)


def _is_like(other: str, host: str, mesh: Objects) -> bool:
    """Whether it is this service, or no service and nearly this one: misspelt, or in another namespace."""
    name, own = objects.short(other), objects.short(host)
    is_near = name == own or own.startswith(f"{name}.") or bool(objects.nearest(name, [own]))
    return other == host or (not mesh.is_host(other) and is_near)


def _why(rule: Object, decision: Decision, mesh: Objects, host: str) -> Cause:
    why = _why_not_at_gateway(rule, decision, mesh) if is_at_gateway(decision) else _why_not_in_mesh(rule, mesh, host)
    return why or _why_not(rule, decision, mesh, host)


def _why_not_in_mesh(rule: Object, mesh: Objects, host: str) -> Cause | None:
    """What keeps it from the sidecars that call this host."""
    title, namespace = objects.title(rule), resources.namespace_of(rule)
    bound = [str(name) for name in objects.spec_of(rule).get("gateways") or []]
    if bound and MESH not in bound:
        unknown = [name for name in bound if _full(name, namespace) not in map(_name_of, mesh.gateways)]
        if meant := next(filter(None, (objects.did_you_mean(name, [MESH]) for name in unknown)), ""):
            return cause.silent(
                f"`gateways` of {title} names {unknown[0]}, and there is no Gateway of that name{meant}"
            )
        return cause.silent(
            f"{title} holds at the gateway {', '.join(bound)} only: its list `gateways` leaves out mesh, which stands "
            "for every sidecar"
        )
    own = objects.hosts_of(rule)
    if any(names.covers(other, host) for other in own):
        return None
    # A short host in the wrong namespace is the same word there: the namespace is the cause, not the spelling.
    if any(objects.short(other) == objects.short(host) and not mesh.is_host(other) for other in own):
        return cause.silent(
            f"{title} is in namespace {namespace}, where the host {objects.short(host)} stands for {own[0]}, "
            f"and that is no Service; it belongs into namespace {host.split('.')[1]}, or needs the full name {host}"
        )
    strange = [other for other in own if not mesh.is_host(other)]
    if strange:
        written = objects.short(strange[0])
        asked = objects.did_you_mean(written, {objects.short(h) for h in mesh.hosts})
        return cause.silent(f"`hosts` of {title} names {written}, and no Service or ServiceEntry has that name{asked}")
    return cause.silent(
        f"{title} is for the host {', '.join(map(objects.short, own))}, and not for {objects.short(host)}"
    )


def _why_not_at_gateway(rule: Object, decision: Decision, mesh: Objects) -> Cause | None:
    """What keeps it from the gateway's proxy."""
    title, namespace = objects.title(rule), resources.namespace_of(rule)
    bound = [str(name) for name in objects.spec_of(rule).get("gateways") or []]
    others = [name for name in bound if name != MESH]
    if not others:
        word = "names only mesh in `gateways`" if bound else "has no line `gateways`"
        return cause.silent(f"{title} is not bound to a gateway: it {word}, so it holds for sidecars alone")
    existing = set(map(_name_of, mesh.gateways))
    missing = [name for name in others if _full(name, namespace) not in existing]
    if len(missing) == len(others):
        return _missing_gateway(title, missing[0], namespace, existing)
    asked, hosts = decision.ask.host.partition(":")[0], [str(h) for h in objects.spec_of(rule).get("hosts") or []]
    if not any(names.covers(host, asked) for host in hosts):
        return cause.silent(f"{title} is for requests to the host {', '.join(hosts)}, and this one asks for {asked}")
    for gateway in mesh.gateways:
        if _name_of(gateway) not in {_full(name, namespace) for name in others}:
            continue
        if fault := gateways.fault(gateway, mesh):
            return cause.silent(f"{fault.sentence}; {title} is bound to it", fault.next_step)
        if not any(names.covers(host, asked) for host in gateways.hosts_of(gateway)):
            served = ", ".join(gateways.hosts_of(gateway))
            return cause.silent(f"{objects.title(gateway)} is for the host {served}, and the request asks for {asked}")
    return None


def _missing_gateway(title: str, name: str, namespace: str, existing: set[str]) -> Cause:
    own = name.rpartition("/")[2]
    elsewhere = sorted(other for other in existing if other.rpartition("/")[2] == own)
    if elsewhere:
        return cause.silent(
            f"{title} is bound to the Gateway {_full(name, namespace)}, which does not exist; the one of that name is "
            f"{elsewhere[0]}: write it with its namespace in `gateways`, or move the VirtualService"
        )
    asked = objects.did_you_mean(own, {other.rpartition("/")[2] for other in existing})
    return cause.silent(f"{title} is bound to the Gateway {name}, and there is none of that name{asked}")


def _name_of(obj: Object) -> str:
    return f"{resources.namespace_of(obj)}/{resources.name_of(obj)}"


def _full(name: str, namespace: str) -> str:
    return name if "/" in name else f"{namespace}/{name}"


def _why_not(rule: Object, decision: Decision, mesh: Objects, host: str) -> Cause:
    """Bound and named rightly: then another object of the same host came first, or it is hidden or refused."""
    title = objects.title(rule)
    if is_at_gateway(decision) and (why := _for_no_request(rule, decision, mesh)):
        return why  # at a gateway, objects of one host are merged: none of them keeps another away
    if decision.sources and not is_at_gateway(decision):
        return _other_decides(decision, mesh, rule, host)
    exported = objects.spec_of(rule).get("exportTo")
    if exported:
        return cause.silent(f"{title} is exported to {', '.join(map(str, exported))} only (`exportTo`)")
    if why := _for_no_request(rule, decision, mesh):
        return why
    return cause.undecided(
        f"{title} has no route in the proxy of {decision.ask.proxy}, though its host and gateways fit",
        next_step="lab.analyze()",
    )


def _other_decides(decision: Decision, mesh: Objects, rule: Object, host: str) -> Cause:
    """Another object has all routes of the host."""
    source = min(decision.sources, key=str)
    deciding = rule_of(source, mesh)
    is_older = deciding is not None and _created(deciding) < _created(rule)
    routes = [_created(route) for route in mesh.http_routes if _is_for_callers(route, host)]
    # An HTTPRoute that came later is meant to decide; that it does is then no cause of anything.
    is_meant = deciding is None and bool(routes) and max(routes) > _created(rule)
    return (cause.undecided if is_meant else cause.shown)(
        f"two objects make rules for the host {objects.short(host)}: {name_of(source)} "
        f"{'is older and ' if is_older else ''}"
        f"decides, {objects.title(rule)} has no effect; put the rules into one of them, and delete the other"
    )


def _for_no_request(rule: Object, decision: Decision, mesh: Objects) -> Cause | None:
    """Why none of its rules is one that this proxy could follow: no http rule, a delegate, or other callers only."""
    http, title = objects.http_of(rule), objects.title(rule)
    if not http:
        kinds = " and ".join(kind for kind in ("tcp", "tls") if objects.spec_of(rule).get(kind))
        return cause.silent(f"{title} has {f'{kinds} rules' if kinds else 'no rules'}, and HTTP requests follow `http`")
    for number, entry in enumerate(http, 1):
        if delegate := entry.get("delegate"):
            return _delegated(f"rule {number} of {title}", delegate, rule, mesh)
    if any(_is_for(entry) for entry in http):
        return None
    field, value = for_callers(http[0])[0]
    told = objects.pairs(value) if isinstance(value, dict) else value
    if field == "port":
        return cause.silent(
            f"rule 1 of {title} is for requests that come to port {told} (`port` of its match), and these come to port "
            f"{decision.ask.port if not is_at_gateway(decision) else 80}"
        )
    return cause.silent(f"rule 1 of {title} is for callers with {field} {told} only, which {decision.ask.proxy} is not")


def _delegated(what: str, delegate: Mapping[str, Any], rule: Object, mesh: Objects) -> Cause:
    """A rule that hands the request on to another VirtualService, and that one does not take it."""
    name, place = str(delegate.get("name", "")), str(delegate.get("namespace") or resources.namespace_of(rule))
    every = {_name_of(other): other for other in mesh.virtual_services}
    other = every.get(f"{place}/{name}")
    told = f"{what} hands requests on to VirtualService {place}/{name} (`delegate`)"
    if other is None:
        near = objects.did_you_mean(f"{place}/{name}", every.keys() - {_name_of(rule)})
        return cause.silent(f"{told}, and there is none of that name{near}")
    if objects.spec_of(other).get("hosts"):
        return cause.silent(f"{told}, which has `hosts` of its own: a delegate has none")
    return cause.undecided(f"{told}, and none of its matches lies within those of the rule")


def for_callers(http: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """What each match of an http rule asks of the caller itself; empty where one of them asks nothing."""
    own = [[(key, match[key]) for key in FOR_CALLERS if key in match] for match in http.get("match") or [{}]]
    return [asked[0] for asked in own] if all(own) else []


def _created(obj: Object) -> str:
    return str(obj["metadata"].get("creationTimestamp") or "")


def _is_for(http: Mapping[str, Any]) -> bool:
    return not for_callers(http)


def _routes_without_a_say(decision: Decision, mesh: Objects, host: str) -> Iterator[Cause]:
    """HTTPRoutes about a service that have no route in the proxy: what they say of themselves, or who decides."""
    for route in mesh.http_routes:
        own = f"HTTPRoute {resources.namespace_of(route)}/{resources.name_of(route)}"
        if objects.short(host) not in _named_by(route) or own in map(name_of, decision.sources):
            continue
        # All routes of a Service become one: it is told by the Service's name.
        if _is_for_callers(route, host) and f"the HTTPRoute for {objects.short(host)}" in map(
            name_of, decision.sources
        ):
            continue
        told = complaints(route) or _without_parent(route, mesh)
        yield from (cause.silent(text, 'lab.kubectl("get httproutes -o yaml")') for text in told)
        if not told and decision.sources and _is_for_callers(route, host):
            yield _other_decides(decision, mesh, route, host)


API_GROUP = "gateway.networking.k8s.io"


def _without_parent(route: Object, mesh: Objects) -> list[str]:
    """Parents of an HTTPRoute that do not exist; Istio's own Gateway is none."""
    own, told = f"HTTPRoute {resources.namespace_of(route)}/{resources.name_of(route)}", []
    for parent in objects.spec_of(route).get("parentRefs") or []:
        kind, group, name = parent.get("kind", "Gateway"), parent.get("group", API_GROUP), str(parent.get("name", ""))
        place = parent.get("namespace") or resources.namespace_of(route)
        if kind == "Service" and group:
            told.append(f'parentRefs of {own} names Service {name} without `group: ""`, and a Service is of that group')
        elif kind == "Gateway" and f"{place}/{name}" not in map(_name_of, mesh.kube_gateways):
            is_istios = f"{place}/{name}" in map(_name_of, mesh.gateways)
            why = (
                "that one is of Istio's API; an HTTPRoute needs one of the Gateway API"
                if is_istios
                else "there is none"
            )
            told.append(f"{own} is bound to the Gateway {name}, and {why}")
    return told


def speaks_for(route: Object, service: str) -> bool:
    """Whether its parent is the Service, so that it holds for the sidecars of callers."""
    parents = objects.spec_of(route).get("parentRefs") or []
    return any((p.get("kind"), p.get("group"), p.get("name")) == ("Service", "", service) for p in parents)


def _is_for_callers(route: Object, host: str) -> bool:
    return speaks_for(route, objects.short(host))


def _named_by(route: Object) -> set[str]:
    spec = objects.spec_of(route)
    backends = [b for rule in spec.get("rules") or [] for b in rule.get("backendRefs") or []]
    return {str(ref.get("name", "")) for ref in [*backends, *(spec.get("parentRefs") or [])]}


def complaints(route: Object, *, parent: str = "") -> list[str]:
    """Conditions of an HTTPRoute that are not true; of one parent, or of all."""
    parents: Sequence[Object] = (route.get("status") or {}).get("parents") or []
    return [
        f"HTTPRoute {resources.name_of(route)} says {c['type']}={c['status']}: {c.get('message', '')}"
        for entry in parents
        if not parent or (entry.get("parentRef") or {}).get("name") == parent
        for c in entry.get("conditions") or []
        if c.get("status") == "False"
    ]
