"""Lesson 06, request routing: who is answered by which version."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labkit.exercises import verdict
from labkit.exercises.evidence import Evidence
from labkit.exercises.exercise import Exercise, Wrong
from labkit.exercises.verdict import Verdict
from labkit.kube import manifests, resources

REVIEWS = "/api/v1/products/0/reviews"
COUNT = 20
"""Requests of each visitor: no share is judged here, every one of them has to fit."""

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
SAFARI = "Mozilla/5.0 (Macintosh; Intel Mac OS X 15_1) Version/26.1 Safari/605.1.15"

Rule = Mapping[str, Any]


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
    rule = evidence.resource(resources.VIRTUAL_SERVICES, "reviews")
    if rule is None:
        return verdict.not_yet(
            expected, "there is no VirtualService reviews", cause="without one, requests go round all versions alike"
        )
    found = {visitor.who: _answer(evidence, visitor) for visitor in visitors}
    observed = ", ".join(f"{who}: {answer}" for who, answer in found.items())
    if all(found[visitor.who] == visitor.version for visitor in visitors):
        return verdict.passed(expected, observed)
    return verdict.not_yet(expected, observed, cause=cause(rule["spec"].get("http") or [], observed))


def _answer(evidence: Evidence, visitor: Visitor) -> str:
    """``v2``, ``v1 and v3``, or ``status 503`` of the first that failed."""
    frame = evidence.send(REVIEWS, count=COUNT, user=visitor.user, headers={"User-Agent": visitor.agent})
    bad = frame[frame["status"] != 200]
    if len(bad):
        return f"status {bad['status'].iloc[0]}"
    return " and ".join(sorted(set(frame["version"])))


def cause(rules: Sequence[Rule], observed: str) -> str:
    """The likely reason, from the rules in their order and what came of them."""
    open_ones = [number for number, rule in enumerate(rules, 1) if not rule.get("match")]
    if open_ones and open_ones[0] < len(rules):
        return f"rule {open_ones[0]} has no match: it fits every request, and what stands behind it is dropped"
    if "status 404" in observed:
        return "some requests fit no rule: the last one has no match"
    if "status 503" in observed:
        return "a rule names a subset that no DestinationRule makes"
    said = "; ".join(f"{_conditions(rule)} → {_subsets(rule)}" for rule in rules)
    return f"the rules say: {said}{'; a regex has to fit the whole value' if 'regex' in said else ''}"


def _conditions(rule: Rule) -> str:
    """``end-user exact jason AND user-agent regex .*Firefox.* OR …``, or ``the rest``."""
    entries = [" AND ".join(_entry(entry)) for entry in rule.get("match") or []]
    return " OR ".join(entries) or "the rest"


def _entry(entry: Rule) -> list[str]:
    """Each condition of one entry; headers and parameters by name, the others by what they look at."""
    found = []
    for part, wanted in entry.items():
        named = wanted if part in ("headers", "queryParams", "withoutHeaders") else {part: wanted}
        for name, condition in named.items():
            kinds = condition if isinstance(condition, Mapping) else {"is": condition}
            found.append(" ".join([name, *(f"{kind} {value}" for kind, value in (kinds or {}).items())]))
    return found


def _subsets(rule: Rule) -> str:
    return " and ".join((entry.get("destination") or {}).get("subset", "any") for entry in rule.get("route") or [])


def _rules(*rules: tuple[Sequence[Rule], str]) -> str:
    """A VirtualService from rules ``([{header: condition, …}, …], subset)``."""
    http = [
        ({"match": [{"headers": dict(entry)} for entry in entries]} if entries else {})
        | {"route": [{"destination": {"host": "reviews", "subset": subset}}]}
        for entries, subset in rules
    ]
    return manifests.dump(
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": "reviews"},
            "spec": {"hosts": ["reviews"], "http": http},
        }
    )


JASON, FOX = {"end-user": {"exact": "jason"}}, {"user-agent": {"regex": ".*Firefox.*"}}
GIVEN = ("destination-rules.yaml", "reviews-v1.yaml")

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
            "Two rules: which of them belongs first?",
            "The first has a match on the header end-user, the second has none.",
            "In manifests/reviews-jason-v2.yaml the last subset becomes v3.",
        ),
        solution=_rules(([JASON], "v2"), ([], "v3")),
        wrong=(
            Wrong(why="the wrong way round", yaml=_rules(([], "v3"), ([JASON], "v2")), says="rule 1 has no match"),
            Wrong(why="nobody else", yaml=_rules(([JASON], "v2")), says="fit no rule"),
            Wrong(
                why="a capital letter",
                yaml=_rules(([{"end-user": {"exact": "Jason"}}], "v2"), ([], "v3")),
                says="end-user exact Jason → v2",
            ),
            Wrong(why="the others kept", yaml=_rules(([JASON], "v2"), ([], "v1")), says="the rest → v1"),
            Wrong(why="no such subset", yaml=_rules(([JASON], "black"), ([], "v3")), says="no DestinationRule makes"),
        ),
    ),
    Exercise(
        id="06-2",
        task="productpage hands on the user-agent. Give v3 to whoever comes with a Firefox, and v1 to everybody else.",
        done_when="a Firefox of any edition is answered by v3, and everything else by v1",
        check=lambda evidence: seen(
            evidence,
            Visitor(who="with a Firefox", agent=FIREFOX, version="v3"),
            Visitor(who="with a Safari", version="v1"),
        ),
        given=GIVEN,
        hints=(
            "The name of the browser stands somewhere in the header user-agent.",
            "Neither exact nor prefix finds something in the middle; a regex does, if it fits the whole value.",
            'match: headers: user-agent: {regex: ".*Firefox.*"}',
        ),
        solution=_rules(([FOX], "v3"), ([], "v1")),
        wrong=(
            Wrong(
                why="part of a value",
                yaml=_rules(([{"user-agent": {"regex": "Firefox"}}], "v3"), ([], "v1")),
                says="has to fit the whole value",
            ),
            Wrong(
                why="exact",
                yaml=_rules(([{"user-agent": {"exact": "Firefox"}}], "v3"), ([], "v1")),
                says="user-agent exact Firefox",
            ),
            Wrong(
                why="every browser",
                yaml=_rules(([{"user-agent": {"prefix": "Mozilla"}}], "v3"), ([], "v1")),
                says="with a Safari: v3",
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
            "Both conditions have to hold: AND.",
            "One entry of match, with two headers in it.",
            'match: [{headers: {end-user: {exact: jason}, user-agent: {regex: ".*Firefox.*"}}}]',
        ),
        solution=_rules(([{**JASON, **FOX}], "v2"), ([], "v1")),
        wrong=(
            Wrong(why="OR", yaml=_rules(([JASON, FOX], "v2"), ([], "v1")), says="jason OR user-agent"),
            Wrong(
                why="two rules",
                yaml=_rules(([JASON], "v2"), ([FOX], "v2"), ([], "v1")),
                says="jason with a Safari: v2",
            ),
        ),
    ),
)
