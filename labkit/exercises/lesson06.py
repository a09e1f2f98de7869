"""Lesson 06, request routing: who is answered by which version."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labkit.exercises import flows, verdict, written
from labkit.exercises.diagnosis import objects, refusals, way
from labkit.exercises.diagnosis.cause import Cause, undecided
from labkit.exercises.evidence import Evidence
from labkit.exercises.exercise import Exercise, Right, Wrong
from labkit.exercises.verdict import Verdict
from labkit.exercises.written import (
    backends,
    http_route,
    joined,
    split,
    subsets,
    version_services,
    virtual_service,
    when,
)
from labkit.traffic import results

if TYPE_CHECKING:
    import pandas as pd

COUNT = 20
"""Requests of each visitor: what the proxy is told is judged exactly, and these confirm it."""

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
OTHER_FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0"
SAFARI = "Mozilla/5.0 (Macintosh; Intel Mac OS X 15_1) Version/26.1 Safari/605.1.15"


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """Somebody who opens the page."""

    who: str
    version: str
    """Who should answer."""

    user: str = ""
    """Signed in as this."""

    agent: str = SAFARI


def seen(evidence: Evidence, *visitors: Visitor) -> Verdict:
    """Whether each visitor is answered by their version, and by no other."""
    expected = ", ".join(f"{visitor.who}: {visitor.version}" for visitor in visitors)
    frames = {visitor.who: _ask(evidence, visitor) for visitor in visitors}
    answers = {who: results.answered(frame) for who, frame in frames.items()}
    observed = ", ".join(f"{who}: {answer}" for who, answer in answers.items())
    mesh = objects.read(evidence)
    for visitor in visitors:
        hops = flows.to_reviews(evidence, {visitor.version: 100.0}, user=visitor.user, agent=visitor.agent)
        findings = way.follow(evidence, mesh, hops)
        if not findings.is_as_asked or answers[visitor.who] != visitor.version:
            bad = results.first_failure(frames[visitor.who])
            refused = refusals.causes(evidence, mesh, hops, status=bad) if bad is not None else []
            return verdict.because(expected, observed, [_told(visitor, [*findings.causes, *refused])])
    return verdict.passed(expected, observed)


def _told(visitor: Visitor, causes: Sequence[Cause]) -> Cause:
    """The first cause, and of which visitor it is."""
    if causes:
        return causes[0].about(visitor.who)
    return undecided(
        f"{visitor.who}: the proxies' configuration sends everything to {visitor.version}, and other answers came; "
        "check again, and look at what else changes the rules",
        "lab.analyze()",
    )


def _ask(evidence: Evidence, visitor: Visitor) -> "pd.DataFrame":
    return evidence.send(flows.REVIEWS, count=COUNT, user=visitor.user, headers={"User-Agent": visitor.agent})


JASON: Mapping[str, object] = {"end-user": {"exact": "jason"}}
FOX: Mapping[str, object] = {"user-agent": {"regex": ".*Firefox.*"}}
GIVEN = ("destination-rules.yaml", "reviews-v1.yaml")


def _user(**condition: str) -> Mapping[str, object]:
    return {"end-user": condition}


def _rules(*http: written.Rule, name: str = "reviews", host: str = "reviews", namespace: str = "") -> str:
    return virtual_service(host, *http, name=name, namespace=namespace)


BLACK_FOR_JASON = (when(JASON, **split(v2=None)), split(v3=None))
HEADER = {"matches": [{"headers": [{"name": "end-user", "value": "jason"}]}]}

EXERCISES = (
    Exercise(
        id="06-1",
        task="v2 draws black stars, v3 red ones. Give jason the black ones, and everybody else the red ones.",
        done_when="jason is answered by v2, and everybody else by v3",
        check=lambda evidence: seen(
            evidence,
            Visitor(who="jason", user="jason", version="v2"),
            Visitor(who="mary", user="mary", version="v3"),
            Visitor(who="not signed in", version="v3"),
        ),
        given=GIVEN,
        hints=(
            "You need two rules. Which of them has to come first?",
            "The first has a match on the header end-user, the second has none.",
            "In manifests/reviews-jason-v2.yaml the last subset becomes v3.",
        ),
        solution=_rules(*BLACK_FOR_JASON),
        right=(
            Right(
                how="other subsets",
                yaml=joined(
                    subsets("reviews", name="mine", black="v2", red="v3"),
                    _rules(when(JASON, **split(black=None)), split(red=None)),
                ),
            ),
            Right(how="by regex", yaml=_rules(when(_user(regex="^jason$"), **split(v2=None)), split(v3=None))),
            Right(
                how="the others named first",
                yaml=_rules(
                    {"match": [{"withoutHeaders": JASON}], **split(v3=None)},
                    split(v2=None),
                ),
            ),
            Right(
                how="the full host",
                yaml=_rules(*BLACK_FOR_JASON, host="reviews.default.svc.cluster.local"),
            ),
            Right(
                how="an HTTPRoute",
                deletes=_rules(split(v1=None)),
                yaml=joined(
                    version_services("v2", "v3"), http_route("reviews", {**HEADER, **backends(v2=1)}, backends(v3=1))
                ),
            ),
        ),
        wrong=(
            Wrong(
                why="everybody but jason",
                yaml=_rules({**split(v2=None), "match": [{"withoutHeaders": JASON}]}, split(v3=None)),
                says="the header end-user is jason, and the rule is for requests without it",
            ),
            Wrong(
                why="the wrong way round",
                yaml=_rules(split(v3=None), when(JASON, **split(v2=None))),
                says="rule 1 of VirtualService default/reviews has no match, so it takes every request, and rule 2 is "
                "never",
            ),
            Wrong(
                why="nobody else",
                yaml=_rules(when(JASON, **split(v2=None))),
                says="mary: no rule fits this request",
            ),
            Wrong(
                why="a capital letter",
                yaml=_rules(when(_user(exact="Jason"), **split(v2=None)), split(v3=None)),
                says="the header end-user is jason, and the rule asks for Jason: capital letters count",
            ),
            Wrong(
                why="the others kept",
                yaml=_rules(when(JASON, **split(v2=None)), split(v1=None)),
                says="mary: rule 2 of VirtualService default/reviews sends everything to reviews v1",
            ),
            Wrong(
                why="no such subset",
                yaml=_rules(when(JASON, **split(black=None)), split(v3=None)),
                says="sends to the subset black of reviews, which the proxy does not have: DestinationRule "
                "default/reviews has",
            ),
            Wrong(
                why="a misspelt header",
                yaml=_rules(when({"end-usr": {"exact": "jason"}}, **split(v2=None)), split(v3=None)),
                says="it asks for the header end-usr, which the request does not have; did you mean end-user?",
            ),
            Wrong(
                why="a second object for the host",
                yaml=_rules(*BLACK_FOR_JASON, name="reviews-jason"),
                says="two objects make rules for the host reviews: VirtualService default/reviews is older and decides",
            ),
            Wrong(
                why="bound to the gateway only",
                yaml=virtual_service("reviews", *BLACK_FOR_JASON, gateways=["bookinfo-gateway"]),
                says="holds at the gateway bookinfo-gateway only",
            ),
            Wrong(
                why="nearly everybody",
                yaml=_rules(when(JASON, **split(v2=None)), split(v3=97, v1=3)),
                says="sends 97 % to reviews v3, 3 % to reviews v1",
            ),
        ),
    ),
    Exercise(
        id="06-2",
        task="productpage hands on the user-agent. Give v3 to whoever comes with a Firefox, and v1 to everybody else.",
        done_when="a Firefox of any edition is answered by v3, and everything else by v1",
        check=lambda evidence: seen(
            evidence,
            Visitor(who="with a Firefox", agent=FIREFOX, version="v3"),
            Visitor(who="with another Firefox", agent=OTHER_FIREFOX, version="v3"),
            Visitor(who="with a Safari", version="v1"),
        ),
        given=GIVEN,
        hints=(
            "The name of the browser stands somewhere in the header user-agent.",
            "Neither exact nor prefix finds something in the middle; a regex does, if it fits the whole value.",
            'match: headers: user-agent: {regex: ".*Firefox.*"}',
        ),
        solution=_rules(when(FOX, **split(v3=None)), split(v1=None)),
        right=(
            Right(
                how="with its number",
                yaml=_rules(when({"user-agent": {"regex": ".*Firefox/[0-9.]+"}}, **split(v3=None)), split(v1=None)),
            ),
            Right(
                how="all others first",
                yaml=_rules({"match": [{"withoutHeaders": FOX}], **split(v1=None)}, split(v3=None)),
            ),
        ),
        wrong=(
            Wrong(
                why="part of a value",
                yaml=_rules(when({"user-agent": {"regex": "Firefox"}}, **split(v3=None)), split(v1=None)),
                says="a regex has to fit the whole value",
            ),
            Wrong(
                why="exact",
                yaml=_rules(when({"user-agent": {"exact": "Firefox"}}, **split(v3=None)), split(v1=None)),
                says="exact is the whole value",
            ),
            Wrong(
                why="every browser",
                yaml=_rules(when({"user-agent": {"prefix": "Mozilla"}}, **split(v3=None)), split(v1=None)),
                says="with a Safari: rule 1 of VirtualService default/reviews fits this request and sends everything "
                "to",
            ),
            Wrong(
                why="one edition",
                yaml=_rules(when({"user-agent": {"exact": FIREFOX}}, **split(v3=None)), split(v1=None)),
                says="with another Firefox: ",
            ),
            Wrong(
                why="a misspelt header",
                yaml=_rules(when({"useragent": {"regex": ".*Firefox.*"}}, **split(v3=None)), split(v1=None)),
                says="the header useragent, which the request does not have; did you mean user-agent?",
            ),
            Wrong(
                why="the wrong way round",
                yaml=_rules(split(v1=None), when(FOX, **split(v3=None))),
                says="rule 1 of VirtualService default/reviews has no match",
            ),
        ),
    ),
    Exercise(
        id="06-3",
        task="Give v2 to jason when he comes with a Firefox. Jason without it, and others with it, stay with v1.",
        done_when="jason with a Firefox is answered by v2; either alone by v1",
        check=lambda evidence: seen(
            evidence,
            Visitor(who="jason with a Firefox", user="jason", agent=FIREFOX, version="v2"),
            Visitor(who="jason with a Safari", user="jason", version="v1"),
            Visitor(who="mary with a Firefox", user="mary", agent=FIREFOX, version="v1"),
        ),
        given=GIVEN,
        hints=(
            "Both conditions have to hold for one request: they are joined by AND.",
            "One entry of match, with two headers in it.",
            'match: [{headers: {end-user: {exact: jason}, user-agent: {regex: ".*Firefox.*"}}}]',
        ),
        solution=_rules(when({**JASON, **FOX}, **split(v2=None)), split(v1=None)),
        right=(
            Right(
                how="the others first",
                yaml=_rules(
                    {"match": [{"withoutHeaders": JASON}, {"withoutHeaders": FOX}], **split(v1=None)},
                    split(v2=None),
                ),
            ),
            Right(
                how="jason without it first",
                yaml=_rules(
                    {"match": [{"headers": JASON, "withoutHeaders": FOX}], **split(v1=None)},
                    when(JASON, **split(v2=None)),
                    split(v1=None),
                ),
            ),
        ),
        wrong=(
            Wrong(
                why="OR",
                yaml=_rules(when(JASON, FOX, **split(v2=None)), split(v1=None)),
                says="jason with a Safari: rule 1 of VirtualService default/reviews fits this request and sends "
                "everything",
            ),
            Wrong(
                why="two rules",
                yaml=_rules(when(JASON, **split(v2=None)), when(FOX, **split(v2=None)), split(v1=None)),
                says="jason with a Safari: rule 1 of",
            ),
            Wrong(
                why="the browser alone",
                yaml=_rules(when(FOX, **split(v2=None)), split(v1=None)),
                says="mary with a Firefox: rule 1 of",
            ),
            Wrong(
                why="part of a value",
                yaml=_rules(when({**JASON, "user-agent": {"regex": "Firefox"}}, **split(v2=None)), split(v1=None)),
                says="a regex has to fit the whole value",
            ),
            Wrong(
                why="the others forgotten",
                yaml=_rules(when({**JASON, **FOX}, **split(v2=None))),
                says="jason with a Safari: no rule fits this request",
            ),
        ),
    ),
)
