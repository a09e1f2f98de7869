"""Lesson 09, faults, timeouts and retries: how long it takes, what comes of it, how often it is tried."""

from collections.abc import Mapping
from typing import Any

from labkit.exercises import flows, verdict
from labkit.exercises.diagnosis import cause, destinations, matches, objects, policies, rules, way
from labkit.exercises.diagnosis import decision as decisions
from labkit.exercises.diagnosis.cause import Cause
from labkit.exercises.diagnosis.decision import Ask, Decision
from labkit.exercises.diagnosis.objects import Objects
from labkit.exercises.evidence import Evidence
from labkit.exercises.exercise import Exercise, Right, Wrong
from labkit.exercises.verdict import Verdict
from labkit.exercises.written import http_route, virtual_service

HTTPBIN = "http://httpbin:8000"
CALLER = "curl"

LATE = 1.9, 2.9
"""Seconds of an answer that is two seconds late; from three on productpage gives up."""

DELAY = 2.0
GIVES_UP = 3.0
"""Seconds that productpage waits for reviews."""

AT_ONCE = 1.0
"""Seconds that an answer without a fault never needs."""

LIMIT = 0.4, 1.0
"""Seconds after which a limit of half a second shows, on a slow machine too."""

HALF = 0.5
UNAVAILABLE = "unavailable"
"""In the answer of reviews where ratings did not answer it."""


def late_for_jason(evidence: Evidence) -> Verdict:
    """Whether the reviews are two seconds late for jason, whole, and for nobody else."""
    expected = "jason: 200 after 2 s; others: 200 at once; all with their stars"
    users = {"mary": "mary", "not signed in": "", "jason": "jason"}
    answers = {who: _reviews(evidence, user) for who, user in users.items()}
    observed = "; ".join(f"{who}: {told}" for who, (_, _, told) in answers.items())
    mesh = objects.read(evidence)
    for who, user in users.items():
        status, seconds, told = answers[who]
        hops = (
            *flows.to_reviews(evidence, {"v2": 100}, user=user),
            flows.to_ratings(evidence, version="v2", user=user),
        )
        decided = [d for hop in hops if (d := decisions.of(evidence, hop.ask)) is not None]
        delays = [(d, *policies.delay(d)) for d in decided if policies.delay(d)[1]]
        if user == "jason":
            causes = _not_late(evidence, mesh, hops, delays, status, seconds)
        else:
            causes = _late(evidence, mesh, hops, delays)
        if not causes and (status != 200 or UNAVAILABLE in told):
            causes = [cause.undecided("the proxies lead everything on, and the answer is not whole: look at the logs")]
        if not causes and user != "jason" and seconds > AT_ONCE:
            causes = [cause.undecided("no proxy delays these requests, and they are late all the same: check again")]
        if causes:
            return verdict.not_yet(
                expected, observed, cause=f"{who}: {causes[0].sentence}", next_step=causes[0].next_step
            )
    return verdict.passed(expected, observed)


def _reviews(evidence: Evidence, user: str) -> tuple[int, float, str]:
    """Status and seconds of the first that failed, else of the slowest of three, and what a person sees of them."""
    frame = evidence.send(flows.REVIEWS, count=3, user=user)
    worst = frame.sort_values(["status", "latency_ms"]).iloc[-1]
    status, seconds = int(worst["status"]), float(worst["latency_ms"]) / 1000
    text = evidence.fetch(flows.REVIEWS, user=user).text if status == 200 else ""
    without = f", ratings {UNAVAILABLE}" if UNAVAILABLE in text else ""
    return status, seconds, f"{status} after {seconds:.1f} s{without}"


Delays = list[tuple[Decision, float, float]]
"""A proxy's decision, and the seconds and per cent of the delay it injects."""


def _late(evidence: Evidence, mesh: Objects, hops: tuple[way.Hop, ...], delays: Delays) -> list[Cause]:
    """Why somebody who is not jason does not get whole reviews at once."""
    findings = way.follow(evidence, mesh, hops)
    if not findings.is_as_asked:
        return list(findings.causes)
    return [
        cause.shown(
            f"{matches.rule_title(decision.route, decision, mesh)} takes these requests too, and delays {percent:g} % "
            "of "
            f"them by {seconds:g} s: no match keeps them out"
        )
        for decision, seconds, percent in delays
    ]


def _not_late(
    evidence: Evidence, mesh: Objects, hops: tuple[way.Hop, ...], delays: Delays, status: int, seconds: float
) -> list[Cause]:
    """Why jason does not get whole reviews after two seconds."""
    if not delays:
        return _no_delay(evidence, mesh, hops)
    decision, late, percent = max(delays, key=lambda delay: delay[1])
    title = matches.rule_title(decision.route, decision, mesh)
    if percent < 100:
        return [
            cause.shown(f"{title} delays {percent:g} % of his requests (`fault.delay.percentage`), not all of them")
        ]
    findings = way.follow(evidence, mesh, hops)
    if not findings.is_as_asked:
        return list(findings.causes)
    if late >= GIVES_UP:
        return [cause.shown(f"the delay of {title} is {late:g} s, and productpage gives up after {GIVES_UP:g} s")]
    if sum(d[1] for d in delays) != DELAY or not (status != 200 or LATE[0] <= seconds <= LATE[1]):
        at = [matches.rule_title(d.route, d, mesh) for d, _, _ in delays]
        if sum(d[1] for d in delays) != DELAY:
            told = " and ".join(f"the delay of {name} is {d[1]:g} s" for name, d in zip(at, delays, strict=True))
            return [cause.shown(f"{told}, and {DELAY:g} s are asked for")]
        return [
            cause.undecided(f"{title} delays by {late:g} s, and the answer came after {seconds:.1f} s: check again")
        ]
    return []


def _no_delay(evidence: Evidence, mesh: Objects, hops: tuple[way.Hop, ...]) -> list[Cause]:
    """No proxy on the way delays: a fault that is never injected, another fault, a rule for others, or none."""
    causes: list[Cause] = []
    for hop in reversed(hops[1:]):
        decision = decisions.of(evidence, hop.ask)
        if decision is None:
            return [way.no_proxy(hop.ask.proxy, mesh)]
        title = matches.rule_title(decision.route, decision, mesh)
        if decision.fault.get("delay"):
            return [cause.shown(f"the delay of {title} has no percentage, or 0, so it is never injected")]
        if decision.fault.get("abort"):
            return [cause.shown(f"the fault of {title} is an abort, and no delay")]
        causes += policies.elsewhere(decision, mesh, policies.has_fault("delay"), what="delay")
        causes += policies.dropped(decision, mesh, "fault")
        causes += rules.without_a_say(decision, mesh, hop.host)
    last = way.follow(evidence, mesh, hops)
    return causes or list(last.causes) or [cause.shown(f"no rule on the way has a delay (`fault.delay`){_aside(mesh)}")]


def _aside(mesh: Objects) -> str:
    """A delay for a service that nobody asks on the way to the reviews."""
    for rule in mesh.virtual_services:
        if any((http.get("fault") or {}).get("delay") for http in objects.http_of(rule)):
            hosts = ", ".join(map(objects.short, objects.hosts_of(rule)))
            return f": the one of {objects.title(rule)} is for {hosts}, which the reviews do not ask"
    return ""


def gives_up(evidence: Evidence) -> Verdict:
    """Whether callers of httpbin wait for half a second, and get what is quicker."""
    expected = "/delay/2: 504 after 0.5 s; /get: 200"
    mesh = objects.read(evidence)
    slow, quick = evidence.curl(f"{HTTPBIN}/delay/2"), evidence.curl(f"{HTTPBIN}/get")
    observed = f"/delay/2: {slow.status or slow.error} after {slow.seconds:.1f} s; /get: {quick.status or quick.error}"
    asked, other = _hop(evidence, "/delay/2"), _hop(evidence, "/get")
    to_slow = way.follow(evidence, mesh, [asked])
    if quick.status != 200:
        why = cause.undecided("the caller's proxy leads /get on to httpbin, and it is not answered by 200")
        return verdict.because(
            expected, observed, [_about("/get", c) for c in policies.first(way.follow(evidence, mesh, [other]), [why])]
        )
    if not to_slow.is_as_asked or to_slow.last is None:
        return verdict.because(expected, observed, [_about("/delay/2", c) for c in to_slow.causes])
    decision = to_slow.last
    if slow.status == 504 and LIMIT[0] <= slow.seconds <= LIMIT[1]:
        return verdict.passed(expected, observed)
    if slow.status == 504:
        return verdict.because(expected, observed, policies.other_limit(decision, mesh, asked=HALF))
    return verdict.because(expected, observed, policies.no_limit(decision, mesh, asked.host, needs=DELAY))


def _about(path: str, each: Cause) -> Cause:
    return Cause(sentence=f"{path}: {each.sentence}", directness=each.directness, next_step=each.next_step)


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
            return verdict.because(expected, observed, [_about(hop.ask.path, c) for c in findings.causes])
        decision = findings.last
        causes = _not_twice(decision, mesh, hop) if status == "503" else _again(decision, mesh, status)
        if causes:
            return verdict.because(expected, observed, causes)
    if (many, one) == (3, 1):
        return verdict.passed(expected, observed)
    why = cause.undecided(
        "the caller's proxy is told two retries of 503 and of nothing else, and the log counts others"
    )
    return verdict.because(expected, observed, [why])


def _on(decision: Decision, mesh: Objects) -> str:
    words = ", ".join(policies.retries_on(decision)) or "empty"
    return f"retryOn of {matches.rule_title(decision.route, decision, mesh)} is {words}"


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


def _rules(host: str, *http: Mapping[str, Any], name: str = "", namespace: str = "", **spec: Any) -> str:
    """Rules of a host, all to its one version."""
    to = {"route": [{"destination": {"host": host}}]}
    return virtual_service(host, *({**entry, **to} for entry in http), name=name, namespace=namespace, **spec)


def _late_rule(seconds: int, *, user: str = "jason", header: str = "end-user", **more: object) -> Mapping[str, Any]:
    """A delay; for everybody when there is no user."""
    fault = {"fault": {"delay": {"fixedDelay": f"{seconds}s", **more}}}
    return {"match": [{"headers": {header: {"exact": user}}}], **fault} if user else fault


ALWAYS = {"value": 100}
SLOW = {"match": [{"uri": {"prefix": "/delay"}}], "timeout": "0.5s"}


def _retries(**policy: object) -> Mapping[str, Any]:
    return {"retries": policy}


EXERCISES = (
    Exercise(
        id="09-1",
        task="Everybody gets reviews v2. Make the reviews of jason two seconds late, and nobody else's.",
        done_when="jason's reviews come whole after two seconds, and those of all others at once",
        check=late_for_jason,
        given=("destination-rules.yaml", "reviews-0-100.yaml"),
        hints=(
            "Who is asked by reviews v2? Make that one late.",
            "A VirtualService ratings: a rule for jason with a fault, and one for the rest.",
            "manifests/ratings-delay-2s.yaml is one way.",
        ),
        solution=_rules("ratings", _late_rule(2, percentage=ALWAYS), {}),
        right=(
            Right(
                how="at the reviews",
                yaml=virtual_service(
                    "reviews",
                    {
                        **_late_rule(2, percentage=ALWAYS),
                        "route": [{"destination": {"host": "reviews", "subset": "v2"}}],
                    },
                    {"route": [{"destination": {"host": "reviews", "subset": "v2"}}]},
                ),
            ),
            Right(
                how="by regex",
                yaml=_rules(
                    "ratings",
                    {
                        "match": [{"headers": {"end-user": {"regex": "jas.*"}}}],
                        "fault": {"delay": {"fixedDelay": "2s", "percentage": ALWAYS}},
                    },
                    {},
                ),
            ),
        ),
        wrong=(
            Wrong(
                why="everybody",
                yaml=_rules("ratings", _late_rule(2, user="", percentage=ALWAYS)),
                says="mary: rule 1 of VirtualService default/ratings takes these requests too, and delays 100 %",
            ),
            Wrong(why="no percentage", yaml=_rules("ratings", _late_rule(2), {}), says="so it is never injected"),
            Wrong(
                why="a capital letter",
                yaml=_rules("ratings", _late_rule(2, user="Jason", percentage=ALWAYS), {}),
                says="has the delay, and the request does not fit it: the header end-user is jason",
            ),
            Wrong(
                why="too late",
                yaml=_rules("ratings", _late_rule(4, percentage=ALWAYS), {}),
                says="is 4 s, and productpage gives up after 3 s",
            ),
            Wrong(
                why="nobody else is answered",
                yaml=_rules("ratings", _late_rule(2, percentage=ALWAYS)),
                says="mary: no rule fits this request",
            ),
            Wrong(
                why="half of the time",
                yaml=_rules("ratings", _late_rule(2, percentage={"value": 50}), {}),
                says="delays 50 % of his requests",
            ),
            Wrong(
                why="an abort",
                yaml=_rules(
                    "ratings",
                    {
                        "match": [{"headers": {"end-user": {"exact": "jason"}}}],
                        "fault": {"abort": {"httpStatus": 500, "percentage": ALWAYS}},
                    },
                    {},
                ),
                says="is an abort, and no delay",
            ),
            Wrong(
                why="the wrong way round",
                yaml=_rules("ratings", {}, _late_rule(2, percentage=ALWAYS)),
                says="rule 2 with its fault is never reached",
            ),
            Wrong(
                why="a misspelt header",
                yaml=_rules("ratings", _late_rule(2, header="enduser", percentage=ALWAYS), {}),
                says="the header enduser, which the request does not have; did you mean end-user?",
            ),
        ),
    ),
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
        solution=_rules("httpbin", {"timeout": "0.5s"}),
        right=(
            Right(how="for the slow path alone", yaml=_rules("httpbin", SLOW, {})),
            Right(how="in milliseconds", yaml=_rules("httpbin", {"timeout": "500ms"})),
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
                yaml=_rules("httpbin", {"timeout": "5s"}),
                says="is 5 s, and the answer comes after 2 s",
            ),
            Wrong(
                why="each attempt",
                yaml=_rules("httpbin", _retries(attempts=2, perTryTimeout="0.5s", retryOn="5xx")),
                says="which bounds each of up to 3 attempts",
            ),
            Wrong(
                why="a fault instead",
                yaml=_rules("httpbin", {"fault": {"abort": {"httpStatus": 504, "percentage": ALWAYS}}}),
                says="answers 100 % of these requests itself, with 504 (`fault.abort`)",
            ),
            Wrong(
                why="the slow path alone, and no rule for the rest",
                yaml=_rules("httpbin", SLOW),
                says="/get: no rule fits this request, so the answer is 404",
            ),
            Wrong(
                why="the wrong way round",
                yaml=_rules("httpbin", {}, SLOW),
                says="rule 2 with its timeout is never reached",
            ),
            Wrong(
                why="too hasty", yaml=_rules("httpbin", {"timeout": "0.1s"}), says="is 0.1 s, and 0.5 s is asked for"
            ),
            Wrong(
                why="a misspelt host",
                yaml=_rules("httpbin", {"timeout": "0.5s"}).replace("- httpbin\n", "- htpbin\n"),
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
        solution=_rules("httpbin", _retries(attempts=2, retryOn="503")),
        right=(
            Right(
                how="with connections too", yaml=_rules("httpbin", _retries(attempts=2, retryOn="connect-failure,503"))
            ),
            Right(
                how="for its path alone",
                yaml=_rules(
                    "httpbin",
                    {"match": [{"uri": {"exact": "/status/503"}}], **_retries(attempts=2, retryOn="5xx")},
                    {},
                ),
            ),
        ),
        wrong=(
            Wrong(
                why="one too many",
                yaml=_rules("httpbin", _retries(attempts=3, retryOn="503")),
                says="is 3: it counts the tries after the first one",
            ),
            Wrong(
                why="every error",
                yaml=_rules("httpbin", _retries(attempts=2, retryOn="5xx")),
                says="500 is tried again too: retryOn of rule 1 of VirtualService default/httpbin is 5xx",
            ),
            Wrong(
                why="nothing said",
                yaml=_rules("httpbin", _retries(attempts=2)),
                says="503 is not among what is tried again: retryOn of rule 1",
            ),
            Wrong(
                why="all of the gateway's",
                yaml=_rules("httpbin", _retries(attempts=2, retryOn="gateway-error")),
                says="502 is tried again too: retryOn of rule 1 of VirtualService default/httpbin is gateway-error",
            ),
            Wrong(
                why="switched off",
                yaml=_rules("httpbin", _retries(attempts=0)),
                says="is 0, which switches retries off",
            ),
            Wrong(
                why="a rule without retries",
                yaml=_rules("httpbin", {"timeout": "3s"}),
                says="takes the request, and has no retries",
            ),
            Wrong(
                why="another namespace",
                yaml=_rules("httpbin", _retries(attempts=2, retryOn="503"), namespace="istio-system"),
                says="VirtualService istio-system/httpbin is in namespace istio-system",
            ),
        ),
    ),
)
