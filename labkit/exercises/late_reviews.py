"""Exercise 09-1: the reviews of one user are late, and whole; those of all others come at once."""

from collections.abc import Mapping
from typing import Any

from labkit.exercises import flows, verdict
from labkit.exercises.diagnosis import cause, matches, objects, policies, refusals, rules, way
from labkit.exercises.diagnosis import decision as decisions
from labkit.exercises.diagnosis.cause import Cause
from labkit.exercises.diagnosis.decision import Decision
from labkit.exercises.diagnosis.objects import Objects
from labkit.exercises.evidence import Evidence
from labkit.exercises.exercise import Exercise, Right, Wrong
from labkit.exercises.verdict import Verdict
from labkit.exercises.written import all_to, virtual_service

LATE = 1.9, 2.9
"""Seconds of an answer that is two seconds late; from three on productpage gives up."""

DELAY = 2.0
GIVES_UP = 3.0
"""Seconds that productpage waits for reviews."""

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
            causes = [*_cut_off(decided, mesh, delays), *refusals.causes(evidence, mesh, hops, status=status)]
        if not causes and (status != 200 or UNAVAILABLE in told):
            causes = [cause.undecided("the proxies lead everything on, and the answer is not whole: look at the logs")]
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


def _cut_off(decided: list[Decision], mesh: Objects, delays: Delays) -> list[Cause]:
    """Timeouts on the way that end before a delay does."""
    late = sum(seconds for _, seconds, _ in delays)
    limits = [(each, limit) for each in decided if (limit := policies.timeout(each)) is not None and limit <= late]
    return [
        cause.shown(
            f"the timeout of {matches.rule_title(each.route, each, mesh)} is {limit:g} s, which ends the call before "
            f"the delay of {late:g} s is over"
        )
        for each, limit in limits
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
        causes += _for_other_callers(decision, mesh, hop.host)
        causes += rules.without_a_say(decision, mesh, hop.host)
    last = way.follow(evidence, mesh, hops)
    return causes or list(last.causes) or [cause.shown(f"no rule on the way has a delay (`fault.delay`){_aside(mesh)}")]


def _for_other_callers(decision: Decision, mesh: Objects, host: str) -> list[Cause]:
    """Delays for this service that its caller does not get, since they are for other callers."""
    return [
        cause.shown(matches.not_for_this_caller(number, http, rule, decision))
        for rule in mesh.virtual_services
        if host in objects.hosts_of(rule)
        for number, http in enumerate(objects.http_of(rule), 1)
        if (http.get("fault") or {}).get("delay") and rules.for_callers(http)
    ]


def _aside(mesh: Objects) -> str:
    """A delay for a service that nobody asks on the way to the reviews."""
    for rule in mesh.virtual_services:
        if any((http.get("fault") or {}).get("delay") for http in objects.http_of(rule)):
            hosts = ", ".join(map(objects.short, objects.hosts_of(rule)))
            if objects.spec_of(rule).get("gateways"):
                return f": the one of {objects.title(rule)} delays what comes in at the gateway, not the reviews"
            return f": the one of {objects.title(rule)} is for {hosts}, which the reviews do not ask"
    return ""


def _late_rule(seconds: int, *, user: str = "jason", header: str = "end-user", **more: object) -> Mapping[str, Any]:
    """A delay; for everybody when there is no user."""
    fault = {"fault": {"delay": {"fixedDelay": f"{seconds}s", **more}}}
    return {"match": [{"headers": {header: {"exact": user}}}], **fault} if user else fault


ALWAYS = {"value": 100}

EXERCISE = Exercise(
    id="09-1",
    task="Everybody gets reviews v2. Make the reviews of jason two seconds late, and nobody else's.",
    done_when="jason's reviews come whole after two seconds, and those of all others at once",
    check=late_for_jason,
    given=("destination-rules.yaml", "reviews-0-100.yaml"),
    hints=(
        "Which service does reviews v2 ask? Delay the calls to it.",
        "A VirtualService ratings: a rule for jason with a fault, and one for the rest.",
        "manifests/ratings-delay-2s.yaml is one way.",
    ),
    solution=all_to("ratings", _late_rule(2, percentage=ALWAYS), {}),
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
            yaml=all_to(
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
            yaml=all_to("ratings", _late_rule(2, user="", percentage=ALWAYS)),
            says="mary: rule 1 of VirtualService default/ratings takes these requests too, and delays 100 %",
        ),
        Wrong(why="no percentage", yaml=all_to("ratings", _late_rule(2), {}), says="so it is never injected"),
        Wrong(
            why="a capital letter",
            yaml=all_to("ratings", _late_rule(2, user="Jason", percentage=ALWAYS), {}),
            says="has the delay, and the request does not fit it: the header end-user is jason",
        ),
        Wrong(
            why="too late",
            yaml=all_to("ratings", _late_rule(4, percentage=ALWAYS), {}),
            says="is 4 s, and productpage gives up after 3 s",
        ),
        Wrong(
            why="nobody else is answered",
            yaml=all_to("ratings", _late_rule(2, percentage=ALWAYS)),
            says="mary: no rule fits this request",
        ),
        Wrong(
            why="half of the time",
            yaml=all_to("ratings", _late_rule(2, percentage={"value": 50}), {}),
            says="delays 50 % of his requests",
        ),
        Wrong(
            why="an abort",
            yaml=all_to(
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
            yaml=all_to("ratings", {}, _late_rule(2, percentage=ALWAYS)),
            says="rule 2 with its fault is never reached",
        ),
        Wrong(
            why="a misspelt header",
            yaml=all_to("ratings", _late_rule(2, header="enduser", percentage=ALWAYS), {}),
            says="the header enduser, which the request does not have; did you mean end-user?",
        ),
    ),
)
