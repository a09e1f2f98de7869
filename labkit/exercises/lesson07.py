"""Lesson 07, split traffic."""

from typing import Any

from labkit.exercises import verdict
from labkit.exercises.evidence import Evidence
from labkit.exercises.exercise import Exercise, Wrong
from labkit.exercises.verdict import Verdict
from labkit.kube import resources
from labkit.traffic import judge

REVIEWS = "/api/v1/products/0/reviews"
COUNT = 600
"""Requests of a judgement: 10 % and 20 % are told apart with a false alarm under 1e-4."""


def split_of(evidence: Evidence, expected: str, wanted: dict[str, int]) -> Verdict:
    """Whether reviews is shared as wanted: the rule first, then what traffic shows."""
    if evidence.resource(resources.DESTINATION_RULES, "reviews") is None:
        return verdict.not_yet(
            expected,
            "there is no DestinationRule reviews",
            cause="a VirtualService points at subsets, and nothing says which pods they are",
            next_step='lab.apply("manifests/destination-rules.yaml")',
        )
    rule = evidence.resource(resources.VIRTUAL_SERVICES, "reviews")
    if rule is None:
        return verdict.not_yet(
            expected, "there is no VirtualService reviews", cause="without one, requests go round all versions alike"
        )
    frame = evidence.send(REVIEWS, count=COUNT)
    counts = {str(k): int(v) for k, v in frame["version"].value_counts().items() if k}
    failed = int((frame["status"] != 200).sum())
    if failed:
        return verdict.not_yet(
            expected,
            f"{failed} of {COUNT} requests failed: {_first_error(frame)}",
            cause="the rule names a subset that no DestinationRule defines, or no pod is behind it",
            next_step='lab.kubectl("get destinationrule reviews -o yaml")',
        )
    judged = judge.split(counts, wanted)
    seen = ", ".join(f"{p.name} {p.count} ({p.low}–{p.high} expected)" for p in judged.parts)
    observed = f"of {COUNT} requests: {seen}"
    # The band of 600 requests is wide enough for 25 % instead of 20 %, so the rule has to say it too.
    if judged.agrees and _asks_for(rule, wanted):
        return verdict.passed(expected, observed)
    return verdict.not_yet(expected, observed, cause=_cause(rule, wanted))


def canary(evidence: Evidence) -> Verdict:
    """Whether the subset canary is defined as v3 and gets its tenth."""
    expected = "v1 90 %, v3 10 % by the subset canary, no failures"
    rule = evidence.resource(resources.VIRTUAL_SERVICES, "reviews")
    if "canary" not in _asked(rule or {"spec": {}}):
        return verdict.not_yet(
            expected,
            "the VirtualService reviews has no destination canary",
            cause="it was changed; the exercise wants it as it was",
            next_step='lab.apply("manifests/reviews-canary.yaml")',
        )
    labels = _subset_labels(evidence.resource(resources.DESTINATION_RULES, "reviews"), "canary")
    if labels is None:
        return verdict.not_yet(
            expected,
            "no DestinationRule for reviews defines a subset canary",
            cause="the VirtualService names it, and nothing says which pods it is",
        )
    found = split_of(evidence, expected, {"v1": 90, "v3": 10})
    said = ", ".join(f"{name}={value}" for name, value in labels.items()) or "every pod"
    is_there = any(labels.items() <= resources.labels_of(pod).items() for pod in evidence.resources(resources.PODS))
    cause = (
        found.cause if labels == {"version": "v3"} else f"subset canary is {said}{'' if is_there else ': no pod is'}"
    )
    return found if found.passed else verdict.not_yet(expected, found.observed, cause=cause)


def _subset_labels(rule: dict[str, Any] | None, name: str) -> dict[str, str] | None:
    for subset in ((rule or {}).get("spec") or {}).get("subsets") or []:
        if subset.get("name") == name:
            return dict(subset.get("labels") or {})
    return None


def _first_error(frame: Any) -> str:
    bad = frame[frame["status"] != 200].iloc[0]
    return f"{bad['status']} {bad['error']}".strip()


def _cause(rule: dict[str, Any], wanted: dict[str, int]) -> str:
    asked = _asked(rule)
    if judge.shares(asked) == judge.shares(wanted):
        return "the rule asks for the right shares, so it is not live everywhere yet, or another rule is in front"
    return f"the rule asks for {', '.join(f'{name} {weight}' for name, weight in asked.items())}"


def _asks_for(rule: dict[str, Any], wanted: dict[str, int]) -> bool:
    """Whether the shares are the wanted ones, under whatever names: the traffic has shown who got them."""
    asked = sorted(share for share in judge.shares(_asked(rule)).values() if share)
    shares = sorted(judge.shares(wanted).values())
    return len(asked) == len(shares) and all(abs(a - w) < 0.005 for a, w in zip(asked, shares, strict=True))


def _asked(rule: dict[str, Any]) -> dict[str, int]:
    return {
        (entry.get("destination") or {}).get("subset", "?"): entry.get("weight", 100)
        for http in rule["spec"].get("http") or []
        if not http.get("match")
        for entry in http.get("route") or []
    }


def _split(**weights: int) -> str:
    rows = "".join(
        f"    - destination: {{host: reviews, subset: {name}}}\n      weight: {weight}\n"
        for name, weight in weights.items()
    )
    return (
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: reviews}\n"
        f"spec:\n  hosts: [reviews]\n  http:\n  - route:\n{rows}"
    )


def _subsets(**versions: str) -> str:
    rows = "".join(f"  - {{name: {name}, labels: {{version: {version}}}}}\n" for name, version in versions.items())
    return (
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: reviews}\n"
        f"spec:\n  host: reviews\n  subsets:\n{rows}"
    )


EXERCISES = (
    Exercise(
        id="07-1",
        task="Give one request in five to reviews v2, the others to v1.",
        done_when="of 600 requests about 120 are answered by v2 and the others by v1",
        check=lambda evidence: split_of(evidence, "v1 80 %, v2 20 %", {"v1": 80, "v2": 20}),
        hints=(
            "The shares are weights in the VirtualService reviews.",
            "One route with two destinations, subsets v1 and v2, each with its weight.",
            "In manifests/reviews-90-10.yaml change 90 and 10 to 80 and 20, and apply it.",
        ),
        solution=_split(v1=80, v2=20),
        wrong=(
            Wrong(why="one in ten", yaml=_split(v1=90, v2=10), says="asks for v1 90, v2 10"),
            Wrong(why="one in four, as near as it gets", yaml=_split(v1=3, v2=1), says="asks for v1 3, v2 1"),
            Wrong(why="the wrong way round", yaml=_split(v1=20, v2=80), says="asks for v1 20, v2 80"),
            Wrong(why="another version", yaml=_split(v1=80, v3=20), says="asks for v1 80, v3 20"),
        ),
    ),
    Exercise(
        id="07-2",
        task="Half of the requests to v1, three in ten to v2, the rest to v3.",
        done_when="of 600 requests about 300 are answered by v1, 180 by v2 and 120 by v3",
        check=lambda evidence: split_of(evidence, "v1 50 %, v2 30 %, v3 20 %", {"v1": 50, "v2": 30, "v3": 20}),
        hints=(
            "A route may have any number of destinations.",
            "The rest is 20 in a hundred.",
            "Three destinations under one route: v1 50, v2 30, v3 20.",
        ),
        solution=_split(v1=50, v2=30, v3=20),
        wrong=(
            Wrong(why="the rest forgotten", yaml=_split(v1=50, v2=30), says="asks for v1 50, v2 30"),
            Wrong(why="a subset that nobody knows", yaml=_split(v1=50, v2=30, three=20), says="names a subset"),
        ),
    ),
    Exercise(
        id="07-3",
        task="The VirtualService gives 10 % to a subset canary, which should be v3. Add what is missing.",
        done_when="about 60 of 600 requests are answered by v3, the others by v1, and none fails",
        check=canary,
        given=("reviews-canary.yaml",),
        hints=(
            "Which object defines subsets?",
            "Add one named canary to the DestinationRule reviews, and keep the others.",
            "- {name: canary, labels: {version: v3}}",
        ),
        solution=_subsets(v1="v1", v2="v2", v3="v3", canary="v3"),
        wrong=(
            Wrong(why="labels of nobody", yaml=_subsets(v1="v1", canary="canary"), says="no pod"),
            Wrong(why="another version", yaml=_subsets(v1="v1", canary="v2"), says="subset canary is version=v2"),
            Wrong(why="the rule rewritten", yaml=_split(v1=90, v3=10), says="no destination canary"),
        ),
    ),
)
