"""Lesson 07, split traffic."""

from typing import Any

from labkit.exercises import verdict
from labkit.exercises.evidence import Evidence
from labkit.exercises.exercise import Exercise
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
    if judged.agrees:
        return verdict.passed(expected, observed)
    return verdict.not_yet(expected, observed, cause=_cause(rule, wanted))


def _first_error(frame: Any) -> str:
    bad = frame[frame["status"] != 200].iloc[0]
    return f"{bad['status']} {bad['error']}".strip()


def _cause(rule: dict[str, Any], wanted: dict[str, int]) -> str:
    asked = {
        (entry.get("destination") or {}).get("subset", "?"): entry.get("weight", 100)
        for http in rule["spec"].get("http") or []
        if not http.get("match")
        for entry in http.get("route") or []
    }
    if judge.shares(asked) == judge.shares(wanted):
        return "the rule asks for the right shares, so it is not live everywhere yet, or another rule is in front"
    return f"the rule asks for {', '.join(f'{name} {weight}' for name, weight in asked.items())}"


SOLUTION_1 = """apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
  - route:
    - destination: {host: reviews, subset: v1}
      weight: 80
    - destination: {host: reviews, subset: v2}
      weight: 20
"""

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
        solution=SOLUTION_1,
    ),
)
