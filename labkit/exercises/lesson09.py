"""Lesson 09, faults, timeouts and retries: how long it takes, what comes of it, how often it is tried."""

from collections.abc import Mapping
from typing import Any

from labkit.exercises import flows, late_reviews, verdict
from labkit.exercises.diagnosis import cause, destinations, matches, objects, policies, refusals, rules, way
from labkit.exercises.diagnosis import decision as decisions
from labkit.exercises.diagnosis.cause import Cause
from labkit.exercises.diagnosis.decision import Ask, Decision
from labkit.exercises.diagnosis.objects import Objects
from labkit.exercises.evidence import Evidence
from labkit.exercises.exercise import Exercise, Right, Wrong
from labkit.exercises.verdict import Verdict
from labkit.exercises.written import all_to, http_route

HTTPBIN = "http://httpbin:8000"
CALLER = "curl"

NEEDS = 2.0
"""Seconds that httpbin takes for /delay/2."""

LIMIT = 0.4, 1.9
"""Seconds after which a limit of half a second shows, on a slow machine too."""

HALF = 0.5


def gives_up(evidence: Evidence) -> Verdict:
    """Whether callers of httpbin wait for half a second, and get what is quicker."""
    expected = "/delay/2: 504 after 0.5 s; /get: 200"
    mesh = objects.read(evidence)
    slow, quick = evidence.curl(f"{HTTPBIN}/delay/2"), evidence.curl(f"{HTTPBIN}/get")
    observed = f"/delay/2: {slow.status or slow.error} after {slow.seconds:.1f} s; /get: {quick.status or quick.error}"
    asked, other = _hop(evidence, "/delay/2"), _hop(evidence, "/get")
    to_slow = way.follow(evidence, mesh, [asked])
    if quick.status != 200:
        refused = refusals.causes(evidence, mesh, [other], status=quick.status)
        why = cause.undecided("the caller's proxy leads /get on to httpbin, and it is not answered by 200")
        return verdict.because(
            expected,
            observed,
            [c.about("/get") for c in policies.first(way.follow(evidence, mesh, [other]), [*refused, why])],
        )
    if not to_slow.is_as_asked or to_slow.last is None:
        return verdict.because(expected, observed, [c.about("/delay/2") for c in to_slow.causes])
    decision = to_slow.last
    if slow.status == 504 and policies.is_limit(decision, HALF) and LIMIT[0] <= slow.seconds <= LIMIT[1]:
        return verdict.passed(expected, observed)
    if slow.status == 504:
        return verdict.because(expected, observed, policies.other_limit(decision, mesh, asked=HALF))
    return verdict.because(expected, observed, policies.no_limit(decision, mesh, asked.host, needs=NEEDS))


def gives_up_on_delays(evidence: Evidence) -> Verdict:
    """The same, and other paths have no limit."""
    seen = gives_up(evidence)
    decision = decisions.of(evidence, _hop(evidence, "/get").ask)
    limit = policies.timeout(decision) if decision else None
    if not seen.passed or decision is None or limit is None:
        return seen
    title = matches.rule_title(decision.route, decision, objects.read(evidence))
    why = cause.shown(f"{title} limits /get to {limit:g} s too: only paths below /delay should have the timeout")
    return verdict.because(seen.expected, seen.observed, [why])


def _hop(evidence: Evidence, path: str) -> way.Hop:
    return way.Hop(ask=Ask(proxy=CALLER, host="httpbin:8000", path=path), host=flows.full("httpbin", evidence))


def tries(evidence: Evidence) -> Verdict:
    """Whether 503 is tried three times in all, and no other status again."""
    expected = "/status/503: 3 attempts; /status/500: 1"
    many, one = _attempts(evidence, "/status/503"), _attempts(evidence, "/status/500")
    observed = f"/status/503: {many}; /status/500: {one}"
    mesh = objects.read(evidence)
    for status in ("503", "500", "502", "504"):
        hop = _hop(evidence, f"/status/{status}")
        findings = way.follow(evidence, mesh, [hop])
        if not findings.is_as_asked or findings.last is None:
            return verdict.because(expected, observed, [c.about(hop.ask.path) for c in findings.causes])
        decision = findings.last
        causes = _not_twice(decision, mesh, hop) if status == "503" else _again(decision, mesh, status)
        if causes:
            return verdict.because(expected, observed, causes)
    if (many, one) == (3, 1):
        return verdict.passed(expected, observed)
    decided = decisions.of(evidence, _hop(evidence, "/status/503").ask)
    limit = policies.timeout(decided) or policies.per_try(decided) if decided else None
    if limit and many < 3:
        short = cause.shown(f"two retries of 503 are asked for, and a timeout of {limit:g} s ends the call before them")
        return verdict.because(expected, observed, [short])
    why = cause.undecided(
        "the caller's proxy is told two retries of 503 and of nothing else, and the log counts others"
    )
    return verdict.because(expected, observed, [why])


def _on(decision: Decision, mesh: Objects) -> str:
    words = ", ".join(policies.retries_on(decision)) or "empty"
    title = matches.rule_title(decision.route, decision, mesh)
    written = destinations.http_rule(rules.rule_of(decision.explanation.source, mesh), decision).get("retries") or {}
    if written and not written.get("retryOn"):
        return f"{title} has no retryOn, and Istio's own is {words}"
    return f"retryOn of {title} is {words}"


def _again(decision: Decision, mesh: Objects, status: str) -> list[Cause]:
    """Why a status that should come back at once is tried again."""
    words = ("5xx", status, *(("gateway-error",) if status != "500" else ()))
    is_again = policies.attempts(decision) and set(words) & set(policies.retries_on(decision))
    return [cause.shown(f"{status} is tried again too: {_on(decision, mesh)}")] if is_again else []


def _not_twice(decision: Decision, mesh: Objects, hop: way.Hop) -> list[Cause]:
    """Why 503 is not tried again twice, by the policy of its route."""
    title, number = matches.rule_title(decision.route, decision, mesh), policies.attempts(decision)
    rule = rules.rule_of(decision.explanation.source, mesh)
    written = destinations.http_rule(rule, decision).get("retries")
    if written and not number:
        return [cause.shown(f"attempts of {title} is 0, which switches retries off")]
    if not {"503", "5xx", "gateway-error"} & set(policies.retries_on(decision)):
        if written:
            return [cause.shown(f"503 is not among what is tried again: {_on(decision, mesh)}")]
        return policies.without(decision, mesh, hop.host, field="retries", has=_has_retries, what="retries")
    if number == 2:
        return []
    return [
        cause.shown(
            f"attempts of {title} is {number}: it counts the tries after the first one, so there are {number + 1}"
        )
    ]


def _has_retries(route: Mapping[str, Any]) -> bool:
    """Whether a route tries answers of the application again."""
    policy = (route.get("route") or {}).get("retry_policy") or {}
    words = str(policy.get("retry_on", "")).split(",")
    return bool(policy.get("retriable_status_codes")) or any(word in policies.RETRIES_ANSWERS for word in words)


def _attempts(evidence: Evidence, path: str) -> int:
    before = evidence.logged("httpbin", path)
    evidence.curl(f"{HTTPBIN}{path}")
    return evidence.logged("httpbin", path) - before


ALWAYS = {"value": 100}
SLOW = {"match": [{"uri": {"prefix": "/delay"}}], "timeout": "0.5s"}


def _retries(**policy: object) -> Mapping[str, Any]:
    return {"retries": policy}


EXERCISES = (
    late_reviews.EXERCISE,
    Exercise(
        id="09-2",
        task="httpbin needs two seconds for /delay/2. Let its callers wait for half a second and no longer.",
        done_when="/delay/2 is answered with 504 after half a second, and /get as before",
        check=gives_up,
        hints=(
            "A limit belongs to a rule, so httpbin needs a VirtualService.",
            "timeout stands beside route.",
            "In manifests/httpbin-retries.yaml the line with retries becomes timeout: 0.5s.",
        ),
        solution=all_to("httpbin", {"timeout": "0.5s"}),
        right=(
            Right(how="for the slow path alone", yaml=all_to("httpbin", SLOW, {})),
            Right(how="in milliseconds", yaml=all_to("httpbin", {"timeout": "500ms"})),
            Right(
                how="an HTTPRoute",
                yaml=http_route(
                    "httpbin",
                    {"timeouts": {"request": "500ms"}, "backendRefs": [{"name": "httpbin", "port": 8000}]},
                    port=8000,
                ),
            ),
        ),
        wrong=(
            Wrong(
                why="too patient",
                yaml=all_to("httpbin", {"timeout": "5s"}),
                says="is 5 s, and the answer comes after 2 s",
            ),
            Wrong(
                why="each attempt",
                yaml=all_to("httpbin", _retries(attempts=2, perTryTimeout="0.5s", retryOn="5xx")),
                says="which bounds each of up to 3 attempts",
            ),
            Wrong(
                why="a fault instead",
                yaml=all_to("httpbin", {"fault": {"abort": {"httpStatus": 504, "percentage": ALWAYS}}}),
                says="answers 100 % of these requests itself, with 504 (`fault.abort`)",
            ),
            Wrong(
                why="the slow path alone, and no rule for the rest",
                yaml=all_to("httpbin", SLOW),
                says="/get: no rule fits this request, so the answer is 404",
            ),
            Wrong(
                why="the wrong way round",
                yaml=all_to("httpbin", {}, SLOW),
                says="rule 2 with its timeout is never reached",
            ),
            Wrong(
                why="too hasty", yaml=all_to("httpbin", {"timeout": "0.1s"}), says="is 0.1 s, and 0.5 s is asked for"
            ),
            Wrong(
                why="a misspelt host",
                yaml=all_to("httpbin", {"timeout": "0.5s"}).replace("- httpbin\n", "- htpbin\n"),
                says="`hosts` of VirtualService default/httpbin names htpbin, and no Service",
            ),
        ),
    ),
    Exercise(
        id="09-3",
        task="Let httpbin's 503 be tried again, twice, and no other status.",
        done_when="/status/503 makes three attempts, and /status/500 makes one",
        check=tries,
        hints=(
            "attempts counts what comes after the first one.",
            "retryOn takes words such as 5xx, and single statuses too.",
            'retries: {attempts: 2, retryOn: "503"}',
        ),
        solution=all_to("httpbin", _retries(attempts=2, retryOn="503")),
        right=(
            Right(
                how="with connections too", yaml=all_to("httpbin", _retries(attempts=2, retryOn="connect-failure,503"))
            ),
            Right(
                how="for its path alone",
                yaml=all_to(
                    "httpbin",
                    {"match": [{"uri": {"exact": "/status/503"}}], **_retries(attempts=2, retryOn="5xx")},
                    {},
                ),
            ),
        ),
        wrong=(
            Wrong(
                why="one too many",
                yaml=all_to("httpbin", _retries(attempts=3, retryOn="503")),
                says="is 3: it counts the tries after the first one",
            ),
            Wrong(
                why="every error",
                yaml=all_to("httpbin", _retries(attempts=2, retryOn="5xx")),
                says="500 is tried again too: retryOn of rule 1 of VirtualService default/httpbin is 5xx",
            ),
            Wrong(
                why="codes, and none named",
                yaml=all_to("httpbin", _retries(attempts=2, retryOn="retriable-status-codes")),
                says="503 is not among what is tried again: retryOn of rule 1 of VirtualService default/httpbin is "
                "retriable-status-codes",
            ),
            Wrong(
                why="nothing said",
                yaml=all_to("httpbin", _retries(attempts=2)),
                says="default/httpbin has no retryOn, and Istio's own is connect-failure",
            ),
            Wrong(
                why="all of the gateway's",
                yaml=all_to("httpbin", _retries(attempts=2, retryOn="gateway-error")),
                says="502 is tried again too: retryOn of rule 1 of VirtualService default/httpbin is gateway-error",
            ),
            Wrong(
                why="switched off",
                yaml=all_to("httpbin", _retries(attempts=0)),
                says="is 0, which switches retries off",
            ),
            Wrong(
                why="a rule without retries",
                yaml=all_to("httpbin", {"timeout": "3s"}),
                says="takes the request, and has no retries",
            ),
            Wrong(
                why="another namespace",
                yaml=all_to("httpbin", _retries(attempts=2, retryOn="503"), namespace="istio-system"),
                says="VirtualService istio-system/httpbin is in namespace istio-system",
            ),
        ),
    ),
)
