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


OF_HTTP_ROUTE = re.compile(r"(?P<namespace>[^.]+)\.(?P<name>.+)\.(?P<place>\d+)")
"""What istiod names a route after that comes from an HTTPRoute: ``default.reviews.0`` is its first rule."""


def _for_other_callers(decision: Decision, mesh: Objects, leads: Leads) -> Iterator[Cause]:
    """Rules that lead there and that istiod gives to other proxies only."""
    rule = rules.rule_of(decision.explanation.source, mesh)
    for number, http in enumerate(objects.http_of(rule) if rule else [], 1):
        if rule is None or not rules.for_callers(http):
            continue
        title = f"rule {number} of {objects.title(rule)}"
        is_there = any(rule_title(route, decision, mesh) == title for route in decision.routes)
        if not is_there and leads([_written(entry, rule, decision) for entry in http.get("route") or []]):
            yield cause.shown(not_for_this_caller(number, http, rule, decision))


def not_for_this_caller(number: int, http: Mapping[str, Any], rule: Object, decision: Decision) -> str:
    """What a rule asks of the caller itself, for whom it is then."""
    field, value = rules.for_callers(http)[0]
    told = objects.pairs(value) if isinstance(value, dict) else value
    title = f"rule {number} of {objects.title(rule)}"
    return f"{title} is for callers with {field} {told} only, which {decision.ask.proxy} is not"


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
    if rules.is_of_http_route(source) and (own := OF_HTTP_ROUTE.fullmatch(str(route.get("name", "")))):
        return f"rule {int(own['place']) + 1} of HTTPRoute {own['namespace']}/{own['name']}"
    same = [r for r in decision.routes if decisions.source_of(r) == source]
    number = rule_number(rules.rule_of(source, mesh), same.index(route))
    return f"rule {number} of {rules.name_of(source)}" if number else rules.name_of(source)


def http_route_of(route: Mapping[str, Any], mesh: Objects) -> Object | None:
    """The HTTPRoute that a route in a proxy comes from."""
    own = OF_HTTP_ROUTE.fullmatch(str(route.get("name", "")))
    key = (own["namespace"], own["name"]) if own else None
    return next((r for r in mesh.http_routes if (resources.namespace_of(r), resources.name_of(r)) == key), None)


def http_route_rule(route: Mapping[str, Any], mesh: Objects) -> Mapping[str, Any]:
    """Its rule, as it is written; empty where the route comes from none."""
    obj, own = http_route_of(route, mesh), OF_HTTP_ROUTE.fullmatch(str(route.get("name", "")))
    written = objects.spec_of(obj or {}).get("rules") or []
    place = int(own["place"]) if own else len(written)
    rule: Mapping[str, Any] = written[place] if place < len(written) else {}
    return rule


def rule_number(rule: Object | None, place: int) -> int:
    """The number of the http rule, from 1, that made the route at this place among those of its object; 0: unknown."""
    if rule is None:
        return 0
    numbers = [number for number, http in enumerate(objects.http_of(rule), 1) for _ in http.get("match") or [{}]]
    is_filtered = any(
        set(rules.FOR_CALLERS) & match.keys() for http in objects.http_of(rule) for match in http.get("match") or []
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
                "that fits decides"
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


PSEUDO = {":method": "method", ":authority": "host", ":scheme": "scheme", "host": "host"}
"""What HTTP/2 calls headers and people do not. Envoy reads ``host`` as ``:authority``."""


def _header(condition: Mapping[str, Any], lacks: str, ask: Ask) -> str:
    name = str(condition["name"])
    title, value = _seen(name, ask)
    if value is None:
        asked = objects.did_you_mean(name, [other.lower() for other in ask.headers])
        return f"it asks for the header {name}, which the request does not have{asked}"
    if condition.get("invert_match"):
        return f"{title} is {value}, and the rule is for requests without it (`withoutHeaders`)"
    matcher = condition.get("string_match") or {}
    kind, text = next(((k, str(v)) for k, v in matcher.items() if k in _KINDS), ("", ""))
    if text and text.lower() == value.lower():
        return f"{title} is {value}, and the rule asks for {text}: capital letters count"
    if text and text.strip(QUOTES) == value:
        told = "blanks count" if text.strip() == value else "its quotes are part of it"
        return f"{title} is {value}, and the rule asks for '{text}': {told}"
    if text and text in value:
        return f"{kind} {text} is not {title}, which is {value}: {_KINDS[kind]}"
    regex = (matcher.get("safe_regex") or {}).get("regex")
    if regex is not None:
        return f"{title} is {value}, and the regex {regex} does not fit it{_part_of(str(regex), value)}"
    words = {"prefix": "something that begins with ", "suffix": "something that ends with "}
    return f"{title} is {value}, and the rule asks for {words.get(kind, '')}{text}" if text else f"{title}: {lacks}"


QUOTES = " \t'\"`"


def _seen(name: str, ask: Ask) -> tuple[str, str | None]:
    """A header of a request in words, and its value; None where it has none."""
    if name.lower() in PSEUDO:
        word = PSEUDO[name.lower()]
        own = {"method": ask.headers.get(":method", "GET"), "host": ask.host, "scheme": "http"}
        return f"the {word}", own[word]
    return f"the header {name}", next((v for n, v in ask.headers.items() if n.lower() == name.lower()), None)


_KINDS = {
    "exact": "exact is the whole value",
    "prefix": "prefix is its beginning",
    "suffix": "suffix is its end",
}


def _part_of(regex: str, value: str) -> str:
    try:
        is_part = re.search(regex, value) is not None
        is_alike = re.search(regex, value, re.IGNORECASE) is not None
    except re.error:
        return ""
    if is_part:
        return ": a regex has to fit the whole value, not a part of it"
    return ": capital letters count" if is_alike else ""


def paths_of(route: Mapping[str, Any]) -> str:
    """``paths below /api``, ``the path /productpage`` or ``every path``: what a route asks of the path."""
    match = route.get("match") or {}
    if "path" in match:
        return f"the path {match['path']}"
    if "safe_regex" in match:
        return f"paths like {match['safe_regex']['regex']}"
    prefix = str(match.get("path_separated_prefix") or match.get("prefix") or "/")
    return "every path" if prefix == "/" else f"paths below {prefix}"


def _path(match: Mapping[str, Any], path: str) -> str:
    """How near the path is to what a route asks for."""
    asked = str(match.get("path") or match.get("path_separated_prefix") or match.get("prefix") or "")
    plain = path.partition("?")[0]
    if asked and asked.lower() != asked and plain.lower().startswith(asked.lower()):
        return " (capital letters count)"
    if asked and "path" in match and plain.startswith(asked):
        return " (exact is this path alone; prefix takes what is below it as well)"
    if re.sub(r"\d+", "0", asked) == re.sub(r"\d+", "0", plain):
        return ""  # /status/503 is no misspelt /status/500
    return f" ({meant})" if (meant := objects.did_you_mean(asked, [plain]).removeprefix("; ")) else ""
