"""Where a route leads: clusters that do not exist or reach nobody, and shares that are not the ones asked for."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from labkit.exercises.diagnosis import cause, matches, objects, outside, rules
from labkit.exercises.diagnosis import decision as decisions
from labkit.exercises.diagnosis.cause import Cause
from labkit.exercises.diagnosis.decision import Decision, Target
from labkit.exercises.diagnosis.objects import Objects
from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import names


def dead_ends(targets: Sequence[Target], mesh: Objects, *, what: str) -> list[Cause]:
    """Why some of the targets reach nobody; ``what`` sends there, ``rule 1 of VirtualService default/reviews``."""
    failing = [target for target in targets if target.percent and not (target.exists and target.endpoints)]
    return cause.ranked(cause for target in failing for cause in _dead_end(target, mesh, what))


def _dead_end(target: Target, mesh: Objects, what: str) -> Iterator[Cause]:
    if not target.host:
        yield cause.shown(f"{what} sends to a host that the mesh does not know")
    elif not mesh.is_host(target.host):
        yield _no_service(target, mesh, what)
    elif not target.exists and target.port not in _ports_of(target, mesh):
        yield _no_port(target, mesh, what)
    elif target.subset and not target.exists:
        yield _no_subset(target, mesh, what)
    elif not target.exists:
        yield cause.undecided(f"{what} sends to {target.host}, port {target.port}, which the proxy does not have")
    elif target.subset:
        yield _nobody_in_subset(target, mesh, what)
    else:
        yield _nobody_behind(target, mesh)


def _no_service(target: Target, mesh: Objects, what: str) -> Cause:
    name, parts = objects.short(target.host), target.host.split(".")
    same = [h for h in mesh.hosts if objects.short(h) == name]
    if same and target.host.endswith(".svc.cluster.local"):
        where = same[0].split(".")[1]
        if "HTTPRoute" in what:
            return cause.shown(f"{what} sends to {name} in namespace {parts[1]}, and Service {name} is in {where}")
        return cause.shown(
            f"{what} sends to {target.host}: a short host is one of the rule's own namespace, and Service {name} is in "
            f"{where}"
        )
    full = next((h for h in mesh.hosts if h.startswith(f"{parts[0]}.") and h.endswith(".svc.cluster.local")), "")
    if full and name == target.host:
        return cause.shown(
            f"{what} sends to the host {name}: a host with a dot is taken as it stands, and no Service or ServiceEntry "
            f"has that name; {objects.short(full)} or {full} has"
        )
    written = name if parts[1:2] in ([], [mesh.namespace]) else target.host
    asked = objects.did_you_mean(name, {objects.short(h) for h in mesh.hosts})
    return cause.shown(f"{what} sends to the host {written}, and no Service or ServiceEntry has that name{asked}")


def _no_subset(target: Target, mesh: Objects, what: str) -> Cause:
    name, show = objects.short(target.host), 'lab.kubectl("get destinationrules -A -o yaml")'
    about = mesh.rules_for(target.host)
    defined = [str(s.get("name")) for rule in about for s in objects.spec_of(rule).get("subsets") or []]
    told = f"{what} sends to the subset {target.subset} of {name}, which the proxy does not have"
    if target.subset in defined:
        where = next(r for r in about if target.subset in _subsets(r))
        return cause.shown(
            f"{told}: {objects.title(where)} defines it, and has no effect on this caller: see its namespace, exportTo "
            "and workloadSelector",
            show,
        )
    near = _misplaced_subset(target, mesh)
    if near:
        return cause.shown(f"{told}: {near}", show)
    if not about:
        return cause.shown(f"{told}: there is no DestinationRule for the host {name}", show)
    titles = " and ".join(objects.title(rule) for rule in about)
    verb = "have" if len(about) > 1 else "has"
    has = f"{verb} {', '.join(defined)}" if defined else f"{verb} no subsets"
    return cause.shown(f"{told}: {titles} {has}{objects.did_you_mean(target.subset, defined)}", show)


def _subsets(rule: Object) -> dict[str, Mapping[str, str]]:
    """Labels by subset."""
    return {str(s.get("name")): s.get("labels") or {} for s in objects.spec_of(rule).get("subsets") or []}


def _misplaced_subset(target: Target, mesh: Objects) -> str:
    """A DestinationRule that has the subset for another host: one that is no Service, or the only one of that name."""
    others = [(rule, _host(rule)) for rule in mesh.destination_rules if target.subset in _subsets(rule)]
    nowhere = [(rule, host) for rule, host in others if not mesh.is_host(host)]
    if nowhere:
        rule, host = nowhere[-1]
        where = host if objects.short(host) == objects.short(target.host) else objects.short(host)
        return f"{objects.title(rule)} defines it for the host {where}, and that is no Service"
    if len(others) == 1:
        rule, host = others[0]
        return f"{objects.title(rule)} defines it for the host {objects.short(host)}"
    return ""


def _host(rule: Object) -> str:
    return names.full_host(str(objects.spec_of(rule).get("host", "")), resources.namespace_of(rule))


def _no_port(target: Target, mesh: Objects, what: str) -> Cause:
    service, entry = mesh.service(target.host), outside.entry_of(target, mesh)
    owner = f"Service {resources.name_of(service)}" if service else objects.title(entry) if entry else "no object"
    ports = ", ".join(_ports_of(target, mesh)) or "none"
    return cause.shown(
        f"{what} sends to port {target.port} of {objects.short(target.host)}, and {owner} has port {ports}"
    )


def _ports_of(target: Target, mesh: Objects) -> list[str]:
    """Ports of the Service or ServiceEntry of a host."""
    service = mesh.service(target.host)
    if service is not None:
        return [str(port.get("port")) for port in objects.spec_of(service).get("ports") or []]
    entry = outside.entry_of(target, mesh)
    return [str(port.get("number")) for port in objects.spec_of(entry or {}).get("ports") or []]


def _nobody_in_subset(target: Target, mesh: Objects, what: str) -> Cause:
    for rule in mesh.rules_for(target.host):
        labels = _subsets(rule).get(target.subset)
        if labels is not None:
            return cause.shown(
                f"{what} sends to the subset {target.subset}, which {objects.title(rule)} gives the labels "
                f"{objects.pairs(labels)}, and no ready pod has them: no pod is {objects.pairs(labels)}",
                'lab.kubectl("get pods --show-labels")',
            )
    return cause.shown(f"no ready pod is behind the subset {target.subset} of {objects.short(target.host)}")


def _nobody_behind(target: Target, mesh: Objects) -> Cause:
    service = mesh.service(target.host)
    if service is None:
        entry = outside.entry_of(target, mesh)
        return outside.nobody(entry, mesh) if entry else cause.shown(f"nobody stands behind {target.host}")
    selector = objects.spec_of(service).get("selector") or {}
    name, place = resources.name_of(service), resources.namespace_of(service)
    return cause.shown(
        f"no ready pod is behind Service {place}/{name}, whose selector is {objects.pairs(selector)}",
        f'lab.kubectl("get pods -n {place} --show-labels")',
    )


def shares(decision: Decision, mesh: Objects, asked: Mapping[str, float], host: str) -> list[Cause]:
    """Why the shares of the versions are not the ones asked for."""
    title = matches.rule_title(decision.route, decision, mesh)
    rule = rules.rule_of(decision.explanation.source, mesh)
    if rule is None and decision.explanation.source is None:
        return [
            cause.shown(
                f"no rule for {objects.short(host)} is in the proxy of {decision.ask.proxy}, so requests go round all "
                "pods alike"
            )
        ]
    causes = [*_no_weight(decision, rule, asked), *_wrong_subset(decision, mesh, asked)]
    more = _default_weight(decision, mesh)
    if decision.mirrors:
        more = "; it mirrors to others too, and nobody gets the answers to those copies"
    elif any(not target.subset and len(decisions.versions([target], mesh)) > 1 for target in decision.targets):
        more = "; a destination without a subset is every version"
    return [*causes, cause.shown(f"{title} sends {decisions.told(decision.targets)}{more}")]


def unheard(targets: Sequence[Target], mesh: Objects) -> Cause | None:
    """A Service that leads to a port of its pods which none of their containers names."""
    for target in targets:
        service = mesh.service(target.host)
        for endpoint in target.endpoints if service is not None else ():
            port = endpoint.rpartition(":")[2]
            containers = objects.spec_of(mesh.pod_at(endpoint) or {}).get("containers") or []
            named = sorted({str(p.get("containerPort")) for c in containers for p in c.get("ports") or []})
            if named and port not in named and service is not None:
                return cause.shown(
                    f"{objects.title(service)} leads to port {port} of its pods (`targetPort`), and they listen at "
                    f"{', '.join(named)}"
                )
    return None


def labels_told(targets: Sequence[Target], mesh: Objects) -> str:
    """``, by version=v2 of DestinationRule default/reviews``: what makes these pods the subset; or nothing."""
    for target in targets:
        for rule in mesh.rules_for(target.host):
            if target.subset in _subsets(rule):
                return f", by {objects.pairs(_subsets(rule)[target.subset])} of {objects.title(rule)}"
    return ""


def http_rule(rule: Object | None, decision: Decision) -> Mapping[str, Any]:
    """The http rule that the request takes, as it is written; empty where that is not defined."""
    source = decision.explanation.source
    same = [r for r in decision.routes if decisions.source_of(r) == source]
    number = matches.rule_number(rule, same.index(decision.route)) if decision.route in same else 0
    http = objects.http_of(rule) if rule else []
    return http[number - 1] if 0 < number <= len(http) else {}


def _no_weight(decision: Decision, rule: Object | None, asked: Mapping[str, float]) -> Iterator[Cause]:
    """Beside others, a destination without a weight gets none: Istio's API says 0 is the default."""
    entries = http_rule(rule, decision).get("route") or []
    missing = [e.get("destination") or {} for e in entries if "weight" not in e]
    nothing = [e.get("destination") or {} for e in entries if e.get("weight") == 0]
    if rule is None or len(entries) < 2:
        return
    if missing:
        without = " and ".join(str(to.get("subset") or to.get("host")) for to in missing)
        yield cause.shown(
            f"the destination {without} of {objects.title(rule)} has no weight: among several destinations that is 0, "
            "so it gets no request"
        )
    elif any(str(to.get("subset")) in asked for to in nothing):
        without = " and ".join(str(to.get("subset")) for to in nothing)
        yield cause.shown(f"the destination {without} of {objects.title(rule)} has the weight 0, so it gets no request")


def several_rules(decision: Decision, mesh: Objects, asked: Mapping[str, float]) -> list[Cause]:
    """Shares written as several rules: the first without match takes every request."""
    rule, by_route = rules.rule_of(decision.explanation.source, mesh), matches.http_route_of(decision.route, mesh)
    owner = rule or by_route
    field, word = ("match", "http rules") if rule else ("matches", "rules")
    every = objects.http_of(rule) if rule else objects.spec_of(by_route or {}).get("rules") or []
    open_ones = [n for n, entry in enumerate(every, 1) if not entry.get(field)]
    if owner is None or sum(bool(share) for share in asked.values()) < 2 or len(open_ones) < 2:
        return []
    where = "destinations in the `route`" if rule else "entries in `backendRefs`"
    return [
        cause.shown(
            f"{objects.title(owner)} has {len(every)} {word}, and rule {open_ones[0]} has no match, so it takes every "
            f"request: shares are several {where} of one rule, each with its weight"
        )
    ]


def _default_weight(decision: Decision, mesh: Objects) -> str:
    """A backend of an HTTPRoute without a weight has the weight 1, whatever the others have."""
    written = matches.http_route_rule(decision.route, mesh).get("backendRefs") or []
    silent = [str(backend.get("name")) for backend in written if "weight" not in backend]
    if not silent or len(silent) == len(written):
        return ""
    return f"; {' and '.join(silent)} in `backendRefs` has no weight, which counts as 1"


def wrong_versions(decision: Decision, mesh: Objects, asked: Mapping[str, float]) -> list[Cause]:
    """Subsets that are named as the versions asked for, and whose pods are of others."""
    named = {target.subset for target in decision.targets}
    return list(_wrong_subset(decision, mesh, asked)) if named and named == {n for n, s in asked.items() if s} else []


def _wrong_subset(decision: Decision, mesh: Objects, asked: Mapping[str, float]) -> Iterator[Cause]:
    """Subsets whose pods are of another version than their name says, or of several."""
    for target in decision.targets:
        have = sorted({decisions.version_at(endpoint, mesh) for endpoint in target.endpoints})
        if not target.subset or not have or (have == [target.subset]):
            continue
        if len(have) == 1 and have[0] in asked and target.subset not in asked:
            continue
        for rule in mesh.rules_for(target.host):
            labels = _subsets(rule).get(target.subset)
            if labels is not None:
                told = f"is {objects.pairs(labels)}" if labels else "has no labels, which every pod fits"
                yield cause.shown(
                    f"subset {target.subset} of {objects.title(rule)} {told}: its pods are {' and '.join(have)}"
                )
