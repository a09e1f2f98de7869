"""Lesson 08, mirror: who is copied, and to whom.

v2 and v3 ask ratings for their stars and v1 does not, so where v1 answers, a line in the log of ratings is a copy.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from labkit.exercises import flows, verdict
from labkit.exercises.diagnosis import cause, destinations, matches, objects, policies, refusals, rules, way
from labkit.exercises.diagnosis import decision as decisions
from labkit.exercises.diagnosis.cause import Cause
from labkit.exercises.diagnosis.decision import Decision
from labkit.exercises.diagnosis.objects import Objects
from labkit.exercises.evidence import Evidence
from labkit.exercises.exercise import Exercise, Right, Wrong
from labkit.exercises.verdict import Verdict
from labkit.exercises.written import (
    Rule,
    backends,
    http_route,
    joined,
    split,
    subsets,
    version_services,
    virtual_service,
)
from labkit.traffic import judge, results

WITNESS, LINE = "ratings-v1", "GET /ratings"
SHADOW = "shadow"


@dataclass(frozen=True, kw_only=True)
class Callers:
    """Some requests, and the part of them that should be copied."""

    who: str
    share: float
    """0 to 1."""

    user: str = ""
    count: int = 20


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of their requests."""

    answered: str
    """``v1``, ``v1 and v2``, or ``status 503``."""

    failed: int | None
    """The status of the first that failed."""

    copies: int


def copied(evidence: Evidence, *callers: Callers, version: str, subset: str = "") -> Verdict:
    """Whether v1 answers everybody, and the right part is copied to a version; by a subset where one is named."""
    expected = "; ".join(
        f"{c.who}: answered by v1, about {c.count * c.share:.0f} of {c.count} copied to {version}" for c in callers
    )
    mesh = objects.read(evidence)
    outcomes = [(one, _outcome(evidence, one)) for one in callers]
    observed = "; ".join(
        f"{one.who}: answered by {seen.answered}, {seen.copies} of {one.count} copied" for one, seen in outcomes
    )
    for one, outcome in outcomes:
        causes = _causes(evidence, mesh, one, version=version, subset=subset)
        if not causes and outcome.failed is not None:
            hops = flows.to_reviews(evidence, {"v1": 100}, user=one.user)
            causes = refusals.causes(evidence, mesh, hops, status=outcome.failed)
        if causes:
            told = causes[0].about(one.who) if len(callers) > 1 else causes[0]
            return verdict.because(expected, observed, [told])
        if not _agrees(one, outcome):
            why = cause.undecided(
                f"{one.who}: the proxy of productpage is told to copy {one.share:.0%} to {version}, and traffic shows "
                "something else: check again, and look at what else changes the rules",
                "lab.analyze()",
            )
            return verdict.because(expected, observed, [why])
    return verdict.passed(expected, observed)


def silent(evidence: Evidence) -> Verdict:
    """Whether the subset shadow is v3, the rule as it was, and everything copied."""
    return copied(evidence, Callers(who="everybody", share=1.0), version="v3", subset=SHADOW)


def _outcome(evidence: Evidence, callers: Callers) -> Outcome:
    before = evidence.logged(WITNESS, LINE)
    frame = evidence.send(flows.REVIEWS, count=callers.count, user=callers.user)
    copies = evidence.logged(WITNESS, LINE) - before
    return Outcome(answered=results.answered(frame), failed=results.first_failure(frame), copies=copies)


def _agrees(callers: Callers, outcome: Outcome) -> bool:
    low, high = judge.band(callers.count, callers.share)
    return outcome.answered == "v1" and low <= outcome.copies <= high


def _causes(evidence: Evidence, mesh: Objects, callers: Callers, *, version: str, subset: str) -> list[Cause]:
    """Why these requests are not answered by v1, or not copied as they should be."""
    hops = flows.to_reviews(evidence, {"v1": 100}, user=callers.user)
    findings = way.follow(evidence, mesh, hops)
    if not findings.is_as_asked or findings.last is None:
        return [_beside(each, findings.last) for each in findings.causes]
    decision, share = findings.last, 100 * callers.share
    title = matches.rule_title(decision.route, decision, mesh)
    if subset and [target.subset for target in decision.mirrors] != [subset]:
        return [
            cause.shown(
                f"the mirror of {title} does not go to the subset {subset}: the VirtualService was changed, and the "
                "exercise keeps it as it was",
                'lab.apply("manifests/reviews-mirror-shadow.yaml")',
            )
        ]
    if not decision.mirrors:
        return [] if not share else _no_mirror(decision, mesh, hops[-1].host)
    return _other_copies(decision, mesh, title, {version: share} if share else {})


def _beside(each: Cause, decision: Decision | None) -> Cause:
    """Where the answers are shared instead of copied, say so: that is what is mixed up most."""
    if decision is None or decision.mirrors or len(decision.targets) < 2:
        return each
    is_route = decision.explanation.source is not None and rules.is_of_http_route(decision.explanation.source)
    answer, copy = ("`backendRefs`", "filter RequestMirror") if is_route else ("`route`", "`mirror`")
    return each.with_more(f": {answer} is who answers, and a copy is a {copy} beside it")


def _no_mirror(decision: Decision, mesh: Objects, host: str) -> list[Cause]:
    rule = rules.rule_of(decision.explanation.source, mesh)
    if {"mirror", "mirrors"} & destinations.http_rule(rule, decision).keys():
        title = matches.rule_title(decision.route, decision, mesh)
        return [cause.shown(f"the mirror of {title} copies 0 % of the requests (mirrorPercentage)")]
    return policies.without(decision, mesh, host, field="mirror", has=policies.has_mirror, what="mirror")


def _other_copies(decision: Decision, mesh: Objects, title: str, asked: Mapping[str, float]) -> list[Cause]:
    """Why the copies are not as asked: they go nowhere, to others, too many or too few of them."""
    dead = destinations.dead_ends(decision.mirrors, mesh, what=f"the mirror of {title}")
    if dead and asked:
        return [each.with_more("; the copies are lost, and no caller notices") for each in dead]
    shares = decisions.versions(decision.mirrors, mesh)
    if way.is_split(shares, asked):
        return []
    percent = sum(target.percent for target in decision.mirrors)
    if not asked:
        return [cause.shown(f"{title} takes these requests too, and copies {percent:g} % of them")]
    if shares.keys() != asked.keys():
        where = ", ".join(decisions.place(target) for target in decision.mirrors)
        if not all("reviews" in target.host for target in decision.mirrors):
            return [cause.shown(f"the mirror of {title} goes to {where}, and the copies are for reviews")]
        have = " and ".join(sorted(name or "nobody" for name in shares))
        labels = destinations.labels_told(decision.mirrors, mesh)
        return [cause.shown(f"the mirror of {title} goes to {where}: its pods are {have}{labels}")]
    unit = "; mirrorPercentage counts in per cent, so 0.3 is three in a thousand" if 0 < percent < 1 else ""
    left_out = (
        "; without mirrorPercentage it is every request" if percent == 100 and _says_nothing(decision, mesh) else ""
    )
    return [cause.shown(f"the mirror of {title} copies {percent:g} % of the requests{unit}{left_out}")]


def _says_nothing(decision: Decision, mesh: Objects) -> bool:
    """Whether the rule leaves the percentage out."""
    rule = rules.rule_of(decision.explanation.source, mesh)
    return rule is not None and not any(entry.get("mirrorPercentage") for entry in objects.http_of(rule))


def _mirror(to: str, *, share: float | None = None, only: Rule | None = None, route: Rule | None = None) -> str:
    """Everything to v1, copies to a subset; ``only`` for requests that fit."""
    plain = route or split(v1=None)
    part = {"mirrorPercentage": {"value": share}} if share is not None else {}
    mirrored = {**plain, "mirror": {"host": "reviews", "subset": to}, **part}
    return _rules(*([{"match": [only], **mirrored}, plain] if only else [mirrored]))


def _rules(*http: Rule, name: str = "reviews", **more: object) -> str:
    return virtual_service("reviews", *http, name=name, **more)  # type: ignore[arg-type]


def _mirrors(share: float) -> str:
    """The other way to write it: a list of mirrors."""
    to = {"destination": {"host": "reviews", "subset": "v2"}, "percentage": {"value": share}}
    return _rules({**split(v1=None), "mirrors": [to]})


def _user(name: str, header: str = "end-user") -> Rule:
    return {"headers": {header: {"exact": name}}}


JASON = _user("jason")
COPY = {
    "filters": [
        {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "reviews-v2", "port": 9080}, "percent": 30}}
    ]
}
GIVEN = ("destination-rules.yaml", "reviews-v1.yaml")

EXERCISES = (
    Exercise(
        id="08-1",
        task="Copy three of ten requests for reviews to v2; v1 answers all of them.",
        done_when="of 200 requests all are answered by v1, and about 60 are copied",
        check=lambda evidence: copied(evidence, Callers(who="everybody", share=0.3, count=200), version="v2"),
        given=GIVEN,
        hints=(
            "The manifest of section 4 is nearly right.",
            "mirrorPercentage stands beside mirror and route, and its value is in per cent.",
            "In manifests/reviews-mirror-quarter.yaml 25 becomes 30.",
        ),
        solution=_mirror("v2", share=30),
        right=(
            Right(how="as a list", yaml=_mirrors(30)),
            Right(
                how="an HTTPRoute",
                deletes=_rules(split(v1=None)),
                yaml=joined(version_services("v1", "v2"), http_route("reviews", {**backends(v1=1), **COPY})),
            ),
            Right(
                how="another subset",
                yaml=joined(subsets("reviews", name="more", copies="v2"), _mirror("copies", share=30)),
            ),
        ),
        wrong=(
            Wrong(why="all of them", yaml=_mirror("v2"), says="copies 100 % of the requests; without mirrorPercentage"),
            Wrong(why="a fraction", yaml=_mirror("v2", share=0.3), says="copies 0.3 % of the requests"),
            Wrong(
                why="a split",
                yaml=_rules(split(v1=70, v2=30)),
                says="30 % to reviews v2: `route` is who answers, and a copy is a `mirror` beside it",
            ),
            Wrong(why="another version", yaml=_mirror("v3", share=30), says="goes to reviews v3: its pods are v3"),
            Wrong(
                why="a subset that nobody defines",
                yaml=_mirror("v4", share=30),
                says="sends to the subset v4 of reviews, which the proxy does not have",
            ),
            Wrong(
                why="a second object for the host",
                yaml=_mirror("v2", share=30).replace("name: reviews\n", "name: reviews-mirror\n", 1),
                says="two objects make rules for the host reviews",
            ),
        ),
    ),
    Exercise(
        id="08-2",
        task="Copy the requests of jason to v2, and nobody else's; v1 answers everybody.",
        done_when="everybody is answered by v1, every request of jason is copied, and no other",
        check=lambda evidence: copied(
            evidence,
            Callers(who="jason", user="jason", share=1.0),
            Callers(who="mary", user="mary", share=0.0),
            Callers(who="not signed in", share=0.0),
            version="v2",
        ),
        given=GIVEN,
        hints=(
            "Two rules, as in lesson 06: one for jason and one for the rest.",
            "Both route to v1; only jason's has a mirror.",
            "In manifests/reviews-jason-v2.yaml both routes go to v1, and below the first stands mirror: "
            "{host: reviews, subset: v2}.",
        ),
        solution=_mirror("v2", only=JASON),
        right=(
            Right(how="with its percentage", yaml=_mirror("v2", only=JASON, share=100)),
            Right(
                how="the others first",
                yaml=_rules(
                    {"match": [{"withoutHeaders": JASON["headers"]}], **split(v1=None)},
                    {**split(v1=None), "mirror": {"host": "reviews", "subset": "v2"}},
                ),
            ),
        ),
        wrong=(
            Wrong(
                why="everybody", yaml=_mirror("v2"), says="mary: rule 1 of VirtualService default/reviews takes these"
            ),
            Wrong(
                why="routed instead",
                yaml=_rules({"match": [JASON], **split(v2=None)}, split(v1=None)),
                says="jason: rule 1 of VirtualService default/reviews fits this request and sends everything to "
                "reviews v2",
            ),
            Wrong(
                why="a capital letter",
                yaml=_mirror("v2", only=_user("Jason")),
                says="has the mirror, and the request does not fit it: the header end-user is jason",
            ),
            Wrong(
                why="a misspelt header",
                yaml=_mirror("v2", only=_user("jason", "end-usr")),
                says="the header end-usr, which the request does not have; did you mean end-user?",
            ),
            Wrong(
                why="the wrong way round",
                yaml=_rules(
                    split(v1=None),
                    {"match": [JASON], **split(v1=None), "mirror": {"host": "reviews", "subset": "v2"}},
                ),
                says="rule 2 with its mirror is never reached",
            ),
            Wrong(
                why="nobody else",
                yaml=_rules({"match": [JASON], **split(v1=None), "mirror": {"host": "reviews", "subset": "v2"}}),
                says="mary: no rule fits this request",
            ),
        ),
    ),
    Exercise(
        id="08-3",
        task="The VirtualService copies everything to a subset shadow, which should be v3. Make the copies arrive.",
        done_when="everybody is answered by v1, and every request is copied to v3",
        check=silent,
        given=(GIVEN[0], "reviews-mirror-shadow.yaml"),
        hints=(
            "Where would you see the subsets that there are?",
            "Add one named shadow to the DestinationRule reviews, and keep the others.",
            "- {name: shadow, labels: {version: v3}}",
        ),
        solution=subsets("reviews", v1="v1", v2="v2", v3="v3", shadow="v3"),
        right=(Right(how="in a second DestinationRule", yaml=subsets("reviews", name="shadow", shadow="v3")),),
        wrong=(
            Wrong(
                why="another version",
                yaml=subsets("reviews", v1="v1", shadow="v2"),
                says="goes to reviews shadow: its pods are v2, by version=v2 of DestinationRule default/reviews",
            ),
            Wrong(why="the rule changed", yaml=_mirror("v3"), says="does not go to the subset shadow"),
            Wrong(
                why="the other subsets lost",
                yaml=subsets("reviews", shadow="v3"),
                says="sends to the subset v1 of reviews, which the proxy does not have",
            ),
            Wrong(
                why="labels of nobody",
                yaml=subsets("reviews", v1="v1", shadow="shadow"),
                says="gives the labels version=shadow, and no ready pod has them",
            ),
            Wrong(
                why="a misspelt subset",
                yaml=subsets("reviews", v1="v1", shaddow="v3"),
                says="has v1, shaddow; the copies are lost, and no caller notices; did you mean shaddow?",
            ),
        ),
    ),
)
