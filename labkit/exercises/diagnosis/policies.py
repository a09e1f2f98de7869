"""Timeouts, retries and delays: what the route that a request takes says, in Istio's words."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from labkit.exercises.diagnosis import cause, destinations, matches, objects, rules, way
from labkit.exercises.diagnosis import decision as decisions
from labkit.exercises.diagnosis.cause import Cause
from labkit.exercises.diagnosis.decision import Decision
from labkit.exercises.diagnosis.objects import Objects

Route = Mapping[str, Any]

RETRIES_ANSWERS = ("5xx", "gateway-error", "retriable-4xx")
"""Words of Envoy's ``retry_on`` by which an application's answer is tried again."""


def timeout(decision: Decision) -> float | None:
    """Seconds that the route gives a call with all its attempts; None without a limit."""
    seconds = decisions.seconds_of(decision.action.get("timeout"))
    return seconds or None


def per_try(decision: Decision) -> float | None:
    """Seconds that it gives each attempt; None without a limit."""
    return decisions.seconds_of((decision.action.get("retry_policy") or {}).get("per_try_timeout")) or None


def delay(decision: Decision) -> tuple[float, float]:
    """Seconds and per cent of the delay that the route injects; 0 and 0 when there is none."""
    fault = decision.fault.get("delay") or {}
    percent = way.fault_percent(decision, "delay")
    return (decisions.seconds_of(fault.get("fixed_delay")) or 0.0, percent) if percent else (0.0, 0.0)


def attempts(decision: Decision) -> int:
    """How often it tries again after the first time."""
    policy = decision.action.get("retry_policy") or {}
    return int(policy.get("num_retries", 1)) if policy else 0


def retries_on(decision: Decision) -> list[str]:
    """What is tried again, in Istio's words: ``["connect-failure", "503"]``."""
    policy = decision.action.get("retry_policy") or {}
    words = [word.strip() for word in str(policy.get("retry_on", "")).split(",") if word.strip()]
    codes = [str(code) for code in policy.get("retriable_status_codes") or []]
    return [word for word in words if word != "retriable-status-codes" or not codes] + codes


def elsewhere(decision: Decision, mesh: Objects, has: Callable[[Route], bool], *, what: str) -> list[Cause]:
    """Other routes of the host that have what the one taken lacks, and why the request does not take them."""
    causes = []
    for index, route in enumerate(decision.routes):
        if index == decision.explanation.index or not has(route):
            continue
        title, why = matches.rule_title(route, decision, mesh), matches.mismatch(route, decision)
        if why:
            causes.append(cause.shown(f"{title} has the {what}, and the request does not fit it: {why}"))
        else:
            taken = matches.rule_title(decision.route, decision, mesh)
            causes.append(
                cause.shown(
                    f"{taken} takes the request before {title}, which has the {what}: the first that fits decides"
                )
            )
    return causes


def dropped(decision: Decision, mesh: Objects, field: str) -> list[Cause]:
    """Rules with a field that stand behind one without match, which istiod drops."""
    rule = rules.rule_of(decision.explanation.source, mesh)
    http = objects.http_of(rule) if rule else []
    first = next((n for n, entry in enumerate(http, 1) if not entry.get("match")), 0)
    behind = [n for n, entry in enumerate(http, 1) if first and n > first and entry.get(field)]
    if rule is None or not behind:
        return []
    return [
        cause.shown(
            f"rule {first} of {objects.title(rule)} has no match, so it takes every request, and rule {behind[0]} with "
            f"its {field} is never reached"
        )
    ]


def for_others(decision: Decision, mesh: Objects, field: str) -> list[Cause]:
    """Rules with a field that istiod gives to other callers only."""
    rule = rules.rule_of(decision.explanation.source, mesh)
    return [
        cause.shown(f"{matches.not_for_this_caller(number, http, rule, decision)}; it has the {field}")
        for number, http in enumerate(objects.http_of(rule) if rule else [], 1)
        if rule is not None and http.get(field) and rules.for_callers(http)
    ]


def without(
    decision: Decision, mesh: Objects, host: str, *, field: str, has: Callable[[Route], bool], what: str
) -> list[Cause]:
    """Why the route that a request takes lacks a field: other rules, silent objects, or none at all."""
    causes = elsewhere(decision, mesh, has, what=what) + dropped(decision, mesh, field)
    causes += for_others(decision, mesh, field)
    causes += rules.without_a_say(decision, mesh, host)
    if decision.explanation.source is None:
        name = objects.short(host)
        causes.append(cause.shown(f"no VirtualService for {name} is in the proxy of {decision.ask.proxy}"))
    else:
        title = matches.rule_title(decision.route, decision, mesh)
        causes.append(cause.shown(f"{title} takes the request, and has no {what} (`{field}`)"))
    return causes


def has_timeout(route: Route) -> bool:
    """Whether a route limits the call."""
    return bool(decisions.seconds_of((route.get("route") or {}).get("timeout")))


def has_fault(kind: str) -> Callable[[Route], bool]:
    """Whether a route injects a fault of a kind."""
    return lambda route: kind in ((route.get("typed_per_filter_config") or {}).get(decisions.FAULT) or {})


def has_mirror(route: Route) -> bool:
    """Whether a route copies."""
    return bool((route.get("route") or {}).get("request_mirror_policies"))


def no_limit(decision: Decision, mesh: Objects, host: str, *, needs: float) -> list[Cause]:
    """Why a call that needs ``needs`` seconds is not cut off."""
    limit = timeout(decision)
    title = matches.rule_title(decision.route, decision, mesh)
    if limit is not None and limit >= needs:
        return [cause.shown(f"the timeout of {title} is {limit:g} s, and the answer comes after {needs:g} s")]
    if limit is not None:
        return [cause.undecided(f"{title} has a timeout of {limit:g} s, and the answer came all the same")]
    rule = rules.rule_of(decision.explanation.source, mesh)
    if written := destinations.http_rule(rule, decision).get("timeout"):
        return [cause.shown(f"the timeout of {title} is {written}, which means no limit")]
    return without(decision, mesh, host, field="timeout", has=has_timeout, what="timeout")


ROUNDING = 0.05
"""Seconds by which a limit may differ from the one asked for."""


def ends_after(decision: Decision) -> float | None:
    """Seconds after which a call that nobody answers ends, by its timeout or by that of all attempts; None: never."""
    limit, each = timeout(decision), per_try(decision)
    every = each * (attempts(decision) + 1) if each is not None else None
    return min((seconds for seconds in (limit, every) if seconds is not None), default=None)


def is_limit(decision: Decision, asked: float) -> bool:
    """Whether that is as asked."""
    seconds = ends_after(decision)
    return seconds is not None and abs(seconds - asked) <= ROUNDING


def other_limit(decision: Decision, mesh: Objects, *, asked: float) -> list[Cause]:
    """Why a call is cut off after another time than ``asked`` seconds."""
    title, limit, each = matches.rule_title(decision.route, decision, mesh), timeout(decision), per_try(decision)
    if each is not None and (limit is None or each < limit):
        tries = attempts(decision) + 1
        return [
            cause.shown(
                f"{title} has a perTryTimeout of {each:g} s, which bounds each of up to {tries} attempts; timeout "
                "bounds "
                "the call with all of them"
            )
        ]
    if limit is not None:
        return [cause.shown(f"the timeout of {title} is {limit:g} s, and {asked:g} s is asked for")]
    return [cause.undecided(f"{title} has no timeout, and the answer was 504 all the same: what answered it?")]


def first(findings: way.Findings, others: Sequence[Cause]) -> list[Cause]:
    """The causes of the way, else the others."""
    return list(findings.causes) or list(others)
