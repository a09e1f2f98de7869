"""VirtualServices that should have a say about a request and have none, and why."""

import re
from collections.abc import Iterator, Sequence

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


def without_a_say(decision: Decision, mesh: Objects, host: str) -> list[Cause]:
    """Why VirtualServices about ``host`` have no route for this request at this proxy; newest first.

    ``host`` is the full name of the service that the check is about.
    """
    concerned = [rule for rule in reversed(mesh.virtual_services) if _concerns(rule, decision, mesh, host)]
    causes = [_why(rule, decision, mesh, host) for rule in concerned if not _has_a_say(rule, decision)]
    return cause.ranked([*causes, *_routes_without_a_say(decision, mesh, host)])


def is_at_gateway(decision: Decision) -> bool:
    """Whether the proxy is a gateway's."""
    return decision.ask.proxy.startswith(GATEWAY)


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
    if "~" in source.name and objects.MADE_FOR_ROUTES not in source.name:
        return f"the HTTPRoute for {objects.short(source.name.rpartition('~')[2])}"
    if objects.MADE_FOR_ROUTES in source.name:
        route = source.name.partition(objects.MADE_FOR_ROUTES)[0].rstrip("~-").rpartition("~")[2]
        return f"HTTPRoute {source.namespace}/{NUMBER.sub('', route)}"
    return str(source)


def _has_a_say(rule: Object, decision: Decision) -> bool:
    own = resources.namespace_of(rule), resources.name_of(rule)
    return any((source.namespace, source.name) == own for source in decision.sources)


def is_in_effect(rule: Object, decision: Decision) -> bool:
    """Whether the proxy has a route of it, for whatever host."""
    own = resources.namespace_of(rule), resources.name_of(rule)
    routes = [r for t in decision.config.routes.values() for h in t.get("virtual_hosts") or () for r in h["routes"]]
    sources = [decisions.source_of(route) for route in routes]
    return any((source.namespace, source.name) == own for source in sources if source is not None)


def _concerns(rule: Object, decision: Decision, mesh: Objects, host: str) -> bool:
    """Whether its hosts or its destinations are this service, or nearly."""
    own = objects.hosts_of(rule)
    if is_at_gateway(decision):
        sent_to, asked = objects.destinations_of(rule), decision.ask.host.partition(":")[0]
        if is_in_effect(rule, decision) and any(names.covers(other, asked) for other in own):
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
    return other == host or (not mesh.is_host(other) and (name == own or bool(objects.nearest(name, [own]))))


def _why(rule: Object, decision: Decision, mesh: Objects, host: str) -> Cause:
    why = _why_not_at_gateway(rule, decision, mesh) if is_at_gateway(decision) else _why_not_in_mesh(rule, mesh, host)
    return why or _why_not(rule, decision, mesh, host)


def _why_not_in_mesh(rule: Object, mesh: Objects, host: str) -> Cause | None:
    """What keeps it from the sidecars that call this host."""
    title, namespace = objects.title(rule), resources.namespace_of(rule)
    bound = [str(name) for name in objects.spec_of(rule).get("gateways") or []]
    if bound and MESH not in bound:
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
    existing = {f"{resources.namespace_of(g)}/{resources.name_of(g)}" for g in mesh.gateways}
    missing = [name for name in others if _full(name, namespace) not in existing]
    if len(missing) == len(others):
        return _missing_gateway(title, missing[0], namespace, existing)
    asked, hosts = decision.ask.host.partition(":")[0], [str(h) for h in objects.spec_of(rule).get("hosts") or []]
    if not any(names.covers(host, asked) for host in hosts):
        return cause.silent(f"{title} is for requests to the host {', '.join(hosts)}, and this one asks for {asked}")
    for gateway in mesh.gateways:
        if f"{resources.namespace_of(gateway)}/{resources.name_of(gateway)}" not in {
            _full(n, namespace) for n in others
        }:
            continue
        if fault := gateways.fault(gateway, mesh):
            return cause.silent(f"{title} is bound to {objects.title(gateway)}: {fault.sentence}", fault.next_step)
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


def _full(name: str, namespace: str) -> str:
    return name if "/" in name else f"{namespace}/{name}"


def _why_not(rule: Object, decision: Decision, mesh: Objects, host: str) -> Cause:
    """Bound and named rightly: then another object of the same host came first, or it is hidden or refused."""
    title = objects.title(rule)
    if decision.sources:
        return _other_decides(decision, mesh, rule, host)
    exported = objects.spec_of(rule).get("exportTo")
    if exported:
        return cause.silent(f"{title} is exported to {', '.join(map(str, exported))} only (`exportTo`)")
    if all(not _is_for(http, decision) for http in objects.http_of(rule)):
        return cause.silent(
            f"no rule of {title} is for this caller: see sourceLabels, gateways and port in its matches"
        )
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


def _created(obj: Object) -> str:
    return str(obj["metadata"].get("creationTimestamp") or "")


def _is_for(http: object, decision: Decision) -> bool:
    matches = (http.get("match") if isinstance(http, dict) else None) or [{}]
    return any(not {"sourceLabels", "gateways", "sourceNamespace", "port"} & match.keys() for match in matches)


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
        told = complaints(route)
        yield from (cause.silent(text, 'lab.kubectl("get httproutes -o yaml")') for text in told)
        if not told and decision.sources and _is_for_callers(route, host):
            yield _other_decides(decision, mesh, route, host)


def _is_for_callers(route: Object, host: str) -> bool:
    """Whether its parent is the Service, so that it speaks for the callers' sidecars."""
    parents = objects.spec_of(route).get("parentRefs") or []
    return any(p.get("kind") == "Service" and p.get("name") == objects.short(host) for p in parents)


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
