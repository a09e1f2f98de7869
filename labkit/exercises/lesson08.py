"""Lesson 08, mirror: who is copied, and to whom.

v2 and v3 ask ratings for their stars and v1 does not, so where v1 answers, a line in the log of ratings is a copy.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labkit.exercises import verdict
from labkit.exercises.evidence import Evidence
from labkit.exercises.exercise import Exercise, Wrong
from labkit.exercises.verdict import Verdict
from labkit.kube import manifests, resources
from labkit.traffic import judge

REVIEWS = "/api/v1/products/0/reviews"
WITNESS, LINE = "ratings-v1", "GET /ratings"

Rule = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Callers:
    """Some requests, and the part of them that should be copied."""

    who: str
    share: float
    """0 to 1."""

    user: str = ""
    count: int = 20


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What became of their requests."""

    answered: str
    """``v1``, ``v1 and v2``, or ``status 503``."""

    copies: int


def copied(evidence: Evidence, *callers: Callers, subset: str) -> Verdict:
    """Whether v1 answers everybody, and the right part is copied to the subset."""
    expected = "; ".join(f"{c.who}: answered by v1, about {c.count * c.share:.0f} of {c.count} copied" for c in callers)
    rule = evidence.resource(resources.VIRTUAL_SERVICES, "reviews")
    if rule is None:
        return verdict.not_yet(
            expected, "there is no VirtualService reviews", cause="without one, requests go round all versions alike"
        )
    rules = rule["spec"].get("http") or []
    found = [(one, _seen(evidence, one)) for one in callers]
    observed = "; ".join(
        f"{one.who}: answered by {seen.answered}, {seen.copies} of {one.count} copied" for one, seen in found
    )
    wrong = [one.who for one, seen in found if not _agrees(one, seen)]
    targets = {target for each in rules for target, _ in mirrors(each)}
    if not wrong and targets == {subset}:
        return verdict.passed(expected, observed)
    made = evidence.resource(resources.DESTINATION_RULES, "reviews")
    is_v1 = all(seen.answered == "v1" for _, seen in found)
    cause = _cause(rules, subset=subset, made=_made(made), is_v1=is_v1)
    return verdict.not_yet(expected, observed, cause=cause)


def _seen(evidence: Evidence, callers: Callers) -> Seen:
    before = evidence.logged(WITNESS, LINE)
    frame = evidence.send(REVIEWS, count=callers.count, user=callers.user)
    copies = evidence.logged(WITNESS, LINE) - before
    bad = frame[frame["status"] != 200]
    answered = f"status {bad['status'].iloc[0]}" if len(bad) else " and ".join(sorted(set(frame["version"])))
    return Seen(answered=answered, copies=copies)


def _agrees(callers: Callers, seen: Seen) -> bool:
    low, high = judge.band(callers.count, callers.share)
    return seen.answered == "v1" and low <= seen.copies <= high


def mirrors(rule: Rule) -> list[tuple[str, float]]:
    """Each mirror of a rule: subset (or host, where there is none) and per cent."""
    found = [(mirror["destination"], mirror.get("percentage")) for mirror in rule.get("mirrors") or []]
    if rule.get("mirror"):
        found.append((rule["mirror"], rule.get("mirrorPercentage")))
    return [(to.get("subset") or to.get("host", "?"), float((share or {}).get("value", 100))) for to, share in found]


def _made(rule: Rule | None) -> Mapping[str, Mapping[str, str]]:
    """Labels by subset."""
    subsets = ((rule or {}).get("spec") or {}).get("subsets") or []
    return {subset.get("name", ""): subset.get("labels") or {} for subset in subsets}


def _cause(rules: Sequence[Rule], *, subset: str, made: Mapping[str, Mapping[str, str]], is_v1: bool) -> str:
    asked = [(target, share, bool(rule.get("match"))) for rule in rules for target, share in mirrors(rule)]
    if not is_v1:
        return "callers get what route says: v1 is its only destination, defined, and a mirror stands beside it"
    if not asked:
        return "no rule has a mirror"
    target, share, is_special = asked[0]
    if target not in made:
        return f"no DestinationRule makes a subset {target}: the copies vanish, and nobody says so"
    if target != subset:
        return f"the copies go to {target}"
    where = "a rule with a match" if is_special else "a rule that fits everybody"
    return f"the mirror copies {share:g} per cent, and stands in {where}"


def silent(evidence: Evidence) -> Verdict:
    """Whether the subset shadow is made of v3, the rule as it was, and everything copied."""
    expected = "everybody: answered by v1, 20 of 20 copied to the subset shadow, which is v3"
    rule = evidence.resource(resources.VIRTUAL_SERVICES, "reviews")
    rules = ((rule or {}).get("spec") or {}).get("http") or []
    if [target for each in rules for target, _ in mirrors(each)] != ["shadow"]:
        return verdict.not_yet(
            expected,
            "the VirtualService reviews does not mirror to shadow",
            cause="it was changed; the exercise wants it as it was",
            next_step='lab.apply("manifests/reviews-mirror-shadow.yaml")',
        )
    labels = _made(evidence.resource(resources.DESTINATION_RULES, "reviews")).get("shadow")
    found = copied(evidence, Callers(who="everybody", share=1.0), subset="shadow")
    if labels in (None, {"version": "v3"}):
        return found
    said = ", ".join(f"{name}={value}" for name, value in (labels or {}).items()) or "every pod"
    return verdict.not_yet(expected, found.observed, cause=f"subset shadow is {said}")


def _mirror(to: str, *, share: float | None = None, only: Rule | None = None) -> str:
    """Everything to v1, copies to a subset; ``only`` for requests that fit."""
    plain = {"route": [{"destination": {"host": "reviews", "subset": "v1"}}]}
    part = {"mirrorPercentage": {"value": share}} if share is not None else {}
    mirrored = {**plain, "mirror": {"host": "reviews", "subset": to}, **part}
    return _rules(*([{"match": [only], **mirrored}, plain] if only else [mirrored]))


def _rules(*http: Rule) -> str:
    return manifests.dump(
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": "reviews"},
            "spec": {"hosts": ["reviews"], "http": list(http)},
        }
    )


def _to(**weights: int) -> Rule:
    return {"route": [{"destination": {"host": "reviews", "subset": s}, "weight": w} for s, w in weights.items()]}


def _subsets(**versions: str) -> str:
    return manifests.dump(
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "DestinationRule",
            "metadata": {"name": "reviews"},
            "spec": {
                "host": "reviews",
                "subsets": [{"name": name, "labels": {"version": version}} for name, version in versions.items()],
            },
        }
    )


JASON = {"headers": {"end-user": {"exact": "jason"}}}
GIVEN = ("destination-rules.yaml", "reviews-v1.yaml")

EXERCISES = (
    Exercise(
        id="08-1",
        task="Copy three of ten requests for reviews to v2; v1 answers all of them.",
        done_when="of 200 requests all are answered by v1, and about 60 are copied",
        check=lambda evidence: copied(evidence, Callers(who="everybody", share=0.3, count=200), subset="v2"),
        given=GIVEN,
        hints=(
            "The file of section 4 is nearly it.",
            "mirrorPercentage stands beside mirror and route, and its value is in per cent.",
            "In manifests/reviews-mirror-quarter.yaml 25 becomes 30.",
        ),
        solution=_mirror("v2", share=30),
        wrong=(
            Wrong(why="all of them", yaml=_mirror("v2"), says="copies 100 per cent"),
            Wrong(why="a fraction", yaml=_mirror("v2", share=0.3), says="copies 0.3 per cent"),
            Wrong(why="a split", yaml=_rules(_to(v1=70, v2=30)), says="a mirror stands beside it"),
            Wrong(why="another version", yaml=_mirror("v3", share=30), says="the copies go to v3"),
        ),
    ),
    Exercise(
        id="08-2",
        task="Copy the requests of jason to v2, and nobody else's; v1 answers everybody.",
        done_when="everybody is answered by v1, every request of jason is copied, and no other",
        check=lambda evidence: copied(
            evidence,
            Callers(who="jason", user="jason", share=1.0),
            Callers(who="others", share=0.0),
            subset="v2",
        ),
        given=GIVEN,
        hints=(
            "Two rules, as in lesson 06: one for jason and one for the rest.",
            "Both route to v1; only jason's has a mirror.",
            "In manifests/reviews-jason-v2.yaml both routes go to v1, and below the first stands mirror: "
            "{host: reviews, subset: v2}.",
        ),
        solution=_mirror("v2", only=JASON),
        wrong=(
            Wrong(why="everybody", yaml=_mirror("v2"), says="a rule that fits everybody"),
            Wrong(
                why="routed instead",
                yaml=_rules({"match": [JASON], **_to(v2=100)}, _to(v1=100)),
                says="a mirror stands beside it",
            ),
            Wrong(
                why="a capital letter",
                yaml=_mirror("v2", only={"headers": {"end-user": {"exact": "Jason"}}}),
                says="0 of 20 copied",
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
        solution=_subsets(v1="v1", v2="v2", v3="v3", shadow="v3"),
        wrong=(
            Wrong(why="another version", yaml=_subsets(v1="v1", shadow="v2"), says="subset shadow is version=v2"),
            Wrong(why="the rule changed", yaml=_mirror("v3"), says="does not mirror to shadow"),
            Wrong(why="the other subsets lost", yaml=_subsets(shadow="v3"), says="answered by status 503"),
        ),
    ),
)
