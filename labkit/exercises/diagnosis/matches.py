"""Why a request takes this route and not the one that leads where it should go."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from labkit.exercises.diagnosis import cause, objects, rules
from labkit.exercises.diagnosis import decision as decisions
from labkit.exercises.diagnosis.cause import Cause
from labkit.exercises.diagnosis.decision import Ask, Decision, Target
from labkit.exercises.diagnosis.objects import Objects
from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import names

Leads = Callable[[Sequence[Target]], bool]
"""Whether targets are where the request should go."""


def other_routes(decision: Decision, mesh: Objects, leads: Leads) -> list[Cause]:
    """Why routes that lead where the request should go are not the one it takes."""
    return cause.ranked(
        [
            *_passed_over(decision, mesh, leads),
            *_for_other_callers(decision, mesh, leads),
            *_never_reached(decision, mesh, leads),
        ]
    )


FOR_CALLERS = ("sourceLabels", "sourceNamespace", "gateways", "port")
"""Fields of a match by which istiod decides which proxies get a rule at all."""


def _for_other_callers(decision: Decision, mesh: Objects, leads: Leads) -> Iterator[Cause]:
    """Rules that lead there and that istiod gives to other proxies only."""
    rule = rules.rule_of(decision.explanation.source, mesh)
    for number, http in enumerate(objects.http_of(rule) if rule else [], 1):
        matched = [{key: match[key] for key in FOR_CALLERS if key in match} for match in http.get("match") or []]
        if rule is None or not matched or not all(matched):
            continue
        title = f"rule {number} of {objects.title(rule)}"
        is_there = any(rule_title(route, decision, mesh) == title for route in decision.routes)
        if not is_there and leads([_written(entry, rule, decision) for entry in http.get("route") or []]):
            field, value = next(iter(matched[0].items()))
            told = objects.pairs(value) if isinstance(value, dict) else value
            yield cause.shown(f"{title} is for callers with {field} {told} only, which {decision.ask.proxy} is not")


def _written(entry: Mapping[str, Any], rule: Object, decision: Decision) -> Target:
    """Where a destination leads, as it is written."""
    to = entry.get("destination") or {}
    host = names.full_host(str(to.get("host", "")), resources.namespace_of(rule))
    port = int((to.get("port") or {}).get("number") or decision.ask.port)
    return decisions.target(names.upstream_name(port, str(to.get("subset", "")), host), decision.config, percent=100)


def none_fits(decision: Decision, mesh: Objects, leads: Leads) -> Cause | None:
    """Why no route of the host fits, told of one that leads where it should go; None when there is no route at all."""
    failures = [(why, route) for route in decision.routes if (why := mismatch(route, decision))]
    if not failures:
        return None
    leading = [failure for failure in failures if leads(decision.targets_of(failure[1]))]
    why, route = min(leading or failures, key=lambda failure: "the path" in failure[0])
    title = rule_title(route, decision, mesh)
    rest = " A rule without match, as the last one, takes all other requests." if decision.ask.headers else ""
    return cause.shown(
        f"no rule fits this request, so the answer is 404: {title} asks for something else: {why}.{rest}"
    )


def rule_title(route: Mapping[str, Any], decision: Decision, mesh: Objects) -> str:
    """``rule 2 of VirtualService default/reviews``."""
    source = decisions.source_of(route)
    if source is None:
        return "the Service's own route"
    same = [r for r in decision.routes if decisions.source_of(r) == source]
    number = rule_number(rules.rule_of(source, mesh), same.index(route))
    return f"rule {number} of {rules.name_of(source)}" if number else rules.name_of(source)


def rule_number(rule: Object | None, place: int) -> int:
    """The number of the http rule, from 1, that made the route at this place among those of its object; 0: unknown."""
    if rule is None:
        return 0
    numbers = [number for number, http in enumerate(objects.http_of(rule), 1) for _ in http.get("match") or [{}]]
    is_filtered = any(
        set(FOR_CALLERS) & match.keys() for http in objects.http_of(rule) for match in http.get("match") or []
    )
    return numbers[place] if not is_filtered and place < len(numbers) else 0


def _passed_over(decision: Decision, mesh: Objects, leads: Leads) -> Iterator[Cause]:
    """Routes before the one taken, or all when none fits, that lead there and ask for what the request lacks."""
    index = decision.explanation.index
    for route in decision.routes[: index if index >= 0 else None]:
        targets = decision.targets_of(route)
        if targets and leads(targets) and (why := mismatch(route, decision)):
            yield cause.shown(
                f"{rule_title(route, decision, mesh)} leads there, and the request does not fit it: {why}"
            )


def _never_reached(decision: Decision, mesh: Objects, leads: Leads) -> Iterator[Cause]:
    """Routes behind the one taken: in the proxy, or dropped by istiod behind a rule without match."""
    taken = decision.explanation.index
    if taken < 0:
        return
    title = rule_title(decision.route, decision, mesh)
    for route in decision.routes[taken + 1 :]:
        targets = decision.targets_of(route)
        if targets and leads(targets) and not mismatch(route, decision):
            yield cause.shown(
                f"{title} fits this request and sends {decisions.told(decision.targets)}; "
                f"{rule_title(route, decision, mesh)}, which leads where it should go, comes after it: the first rule "
                "that "
                "fits decides"
            )
    rule = rules.rule_of(decision.explanation.source, mesh)
    http = objects.http_of(rule) if rule else []
    first = next((n for n, entry in enumerate(http, 1) if not entry.get("match") or _is_for_all(entry)), 0)
    if rule and 0 < first < len(http) and title.startswith(f"rule {first} "):
        behind = "rule" if len(http) - first == 1 else "rules"
        numbers = ", ".join(str(n) for n in range(first + 1, len(http) + 1))
        yield cause.shown(
            f"rule {first} of {objects.title(rule)} has no match, so it takes every request, and {behind} {numbers} "
            f"{'is' if behind == 'rule' else 'are'} never reached"
        )


def _is_for_all(entry: Mapping[str, Any]) -> bool:
    return any(match in ({}, {"uri": {"prefix": "/"}}) for match in entry.get("match") or [])


def mismatch(route: Mapping[str, Any], decision: Decision) -> str:
    """What a route asks for that the request lacks, with what the request has; empty when it fits."""
    match, ask = route.get("match") or {}, decision.ask
    lacks = decisions.lacks(match, ask)
    if not lacks:
        return ""
    for condition in match.get("headers") or ():
        if "the path" not in lacks and decisions.lacks({"prefix": "/", "headers": [condition]}, ask):
            return _header(condition, lacks, ask)
    return lacks + _path(match, ask.path) if "the path" in lacks else lacks


PSEUDO = {":method": "method", ":authority": "host", ":scheme": "scheme"}
"""What HTTP/2 calls headers and people do not."""


def _header(condition: Mapping[str, Any], lacks: str, ask: Ask) -> str:
    name, headers = str(condition["name"]), ask.headers
    if name in PSEUDO:
        own = {":method": "GET", ":authority": ask.host, ":scheme": "http"}[name]
        return f"the {PSEUDO[name]} is {own}, and {lacks.replace(f'header {name} ', 'it ')}"
    value = next((v for n, v in headers.items() if n.lower() == name.lower()), None)
    if value is None:
        others = [n.lower() for n in headers]
        asked = objects.did_you_mean(name, others)
        return f"it asks for the header {name}, which the request does not have{asked}"
    if condition.get("invert_match"):
        return f"the header {name} is {value}, and the rule is for requests without it (`withoutHeaders`)"
    matcher = condition.get("string_match") or {}
    text = next((str(v) for k, v in matcher.items() if k in ("exact", "prefix", "suffix")), "")
    if text and text.lower() == value.lower():
        return f"the header {name} is {value}, and the rule asks for {text}: capital letters count"
    if text and text in value:
        kind = next(k for k in matcher if k in ("exact", "prefix", "suffix"))
        return f"{kind} {text} is not the header {name}, which is {value}: {_KINDS[kind]}"
    regex = (matcher.get("safe_regex") or {}).get("regex")
    if regex is not None:
        return f"the header {name} is {value}, and the regex {regex} does not fit it{_part_of(str(regex), value)}"
    return f"the header {name} is {value}; {lacks}"


_KINDS = {
    "exact": "exact is the whole value",
    "prefix": "prefix is its beginning",
    "suffix": "suffix is its end",
}


def _part_of(regex: str, value: str) -> str:
    try:
        is_part = re.search(regex, value) is not None
    except re.error:
        return ""
    return ": a regex has to fit the whole value, not a part of it" if is_part else ""


def _path(match: Mapping[str, Any], path: str) -> str:
    """How near the path is to what a route asks for."""
    asked = str(match.get("path") or match.get("path_separated_prefix") or match.get("prefix") or "")
    plain = path.partition("?")[0]
    if asked and asked.lower() != asked and plain.lower().startswith(asked.lower()):
        return " (capital letters count)"
    if asked and "path" in match and plain.startswith(asked):
        return " (exact is this path alone; prefix takes what is below it as well)"
    near = objects.nearest(asked, [plain]) if asked else ""
    return f" (nearly {near})" if near else ""
