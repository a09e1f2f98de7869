"""Lesson 07, split traffic."""

from collections.abc import Mapping
from typing import Any

from labkit.exercises import flows, verdict
from labkit.exercises.diagnosis import cause, objects, refusals, way
from labkit.exercises.diagnosis import decision as decisions
from labkit.exercises.diagnosis.decision import Decision
from labkit.exercises.evidence import Evidence
from labkit.exercises.exercise import Exercise, Right, Wrong
from labkit.exercises.verdict import Verdict
from labkit.exercises.written import (
    backends,
    http_route,
    joined,
    split,
    subsets,
    to,
    version_services,
    virtual_service,
)
from labkit.traffic import judge, results

COUNT = 600
"""Requests of a judgement: 10 % and 20 % are told apart with a false alarm under 1e-4."""


def split_of(evidence: Evidence, expected: str, shares: Mapping[str, float]) -> Verdict:
    """Whether reviews is shared so: by what the caller's proxy is told, and by what traffic shows."""
    mesh = objects.read(evidence)
    hops = flows.to_reviews(evidence, shares)
    findings = way.follow(evidence, mesh, hops)
    frame = evidence.send(flows.REVIEWS, count=COUNT)
    counts = {str(k): int(v) for k, v in frame["version"].value_counts().items() if k}
    failed = int((frame["status"] != 200).sum())
    judged = judge.split(counts, shares)
    parts = ", ".join(f"{p.name} {p.count} ({p.low}–{p.high} expected)" for p in judged.parts)
    lost = f"{failed} of {COUNT} requests failed: {_first_error(frame)}" if failed else ""
    observed = lost or f"of {COUNT} requests: {parts}"
    if not findings.is_as_asked:
        return verdict.because(expected, observed, findings.causes)
    if judged.agrees and not failed:
        astray = way.follow(evidence, mesh, [flows.to_details(evidence)])
        if astray.is_as_asked:
            return verdict.passed(expected, observed)
        return verdict.because(expected, f"{observed}; and requests for details go elsewhere", astray.causes)
    bad = results.first_failure(frame)
    refused = refusals.causes(evidence, mesh, hops, status=bad) if bad is not None else []
    why = cause.undecided(
        "the proxy of productpage is told the right shares, and traffic shows others: check again, and see whether "
        "something else changes the rules or the pods",
        "lab.analyze()",
    )
    return verdict.because(expected, observed, [*refused, why])


def canary(evidence: Evidence) -> Verdict:
    """Whether the subset canary is v3 and gets its tenth."""
    expected = "v1 90 %, v3 10 % by the subset canary, no failures"
    mesh = objects.read(evidence)
    last = way.follow(evidence, mesh, flows.to_reviews(evidence, {"v1": 90, "v3": 10})).last
    if last is not None and last.ask.proxy == "productpage" and not _names(last, "canary"):
        told = decisions.told(last.targets) if last.targets else "nothing"
        return verdict.not_yet(
            expected,
            f"the rule in productpage's proxy sends {told}, and nothing to a subset canary",
            cause="the VirtualService reviews was changed; the exercise keeps it and adds what is missing",
            next_step='lab.apply("manifests/reviews-canary.yaml")',
        )
    return split_of(evidence, expected, {"v1": 90, "v3": 10})


def _names(decision: Decision, subset: str) -> bool:
    return any(target.subset == subset for target in decision.targets)


def _first_error(frame: Any) -> str:
    bad = frame[frame["status"] != 200].iloc[0]
    return f"{bad['status']} {bad['error']}".strip()


def _split(name: str = "reviews", namespace: str = "", host: str = "reviews", **weights: int | None) -> str:
    return virtual_service(host, split("reviews", **weights), name=name, namespace=namespace)


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
        right=(
            Right(how="four to one", yaml=_split(v1=4, v2=1)),
            Right(
                how="another subset",
                yaml=joined(
                    subsets("reviews", name="more", stable="v1", fresh="v2"),
                    virtual_service("reviews", split(stable=80, fresh=20)),
                ),
            ),
            Right(
                how="the full host",
                yaml=virtual_service(
                    "reviews.default.svc.cluster.local",
                    split("reviews.default.svc.cluster.local", v1=80, v2=20),
                    name="reviews",
                ),
            ),
            Right(how="one with weight 0", yaml=_split(v1=80, v2=20, v3=0)),
            Right(
                how="an HTTPRoute",
                deletes=_split(v1=None),
                yaml=joined(version_services("v1", "v2"), http_route("reviews", backends(v1=80, v2=20))),
            ),
            Right(
                how="Services of versions",
                yaml=joined(
                    version_services("v1", "v2"),
                    virtual_service("reviews", {"route": [to("reviews-v1", weight=80), to("reviews-v2", weight=20)]}),
                ),
            ),
        ),
        wrong=(
            Wrong(why="one in ten", yaml=_split(v1=90, v2=10), says="sends 90 % to reviews v1, 10 % to reviews v2"),
            Wrong(
                why="one in four, as near as it gets", yaml=_split(v1=3, v2=1), says="sends 75 % to reviews v1, 25 %"
            ),
            Wrong(why="the wrong way round", yaml=_split(v1=20, v2=80), says="sends 20 % to reviews v1, 80 %"),
            Wrong(
                why="another version", yaml=_split(v1=80, v3=20), says="sends 80 % to reviews v1, 20 % to reviews v3"
            ),
            Wrong(why="a weight left out", yaml=_split(v1=80, v2=None), says="the destination v2 of VirtualService"),
            Wrong(
                why="two rules",
                yaml=virtual_service("reviews", split(v1=80), split(v2=20)),
                says="shares are several destinations in the `route` of one rule",
            ),
            Wrong(
                why="another namespace",
                yaml=_split(namespace="istio-system", v1=80, v2=20),
                says="VirtualService istio-system/reviews is in namespace istio-system, where the host reviews stands "
                "for",
            ),
            Wrong(
                why="a second object for the host",
                yaml=_split(name="reviews-split", v1=80, v2=20),
                says="VirtualService default/reviews is older and decides, VirtualService default/reviews-split has no",
            ),
            Wrong(
                why="other weights in an HTTPRoute",
                yaml=joined(version_services("v1", "v2"), http_route("reviews", backends(v1=90, v2=10))),
                says="sends 90 % to reviews-v1, 10 % to reviews-v2",
            ),
            Wrong(
                why="subsets of another version",
                yaml=joined(subsets("reviews", v1="v1", v2="v3", v3="v3"), _split(v1=80, v2=20)),
                says="subset v2 of DestinationRule default/reviews is version=v3: its pods are v3",
            ),
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
        right=(Right(how="five, three and two", yaml=_split(v1=5, v2=3, v3=2)),),
        wrong=(
            Wrong(why="the rest forgotten", yaml=_split(v1=50, v2=30), says="sends 62.5 % to reviews v1, 37.5 %"),
            Wrong(
                why="a subset that nobody knows",
                yaml=_split(v1=50, v2=30, three=20),
                says="sends to the subset three of reviews, which the proxy does not have",
            ),
            Wrong(
                why="a host that is no Service",
                yaml=virtual_service(
                    "reviews",
                    {"route": [to("reviews", subset="v1", weight=50), to("review", subset="v2", weight=50)]},
                ),
                says="sends to the host review, and no Service or ServiceEntry has that name; did you mean reviews?",
            ),
            Wrong(
                why="a host of the rule that is no Service",
                yaml=_split(name="reveiws", host="reveiws", v1=50, v2=30, v3=20),
                says="`hosts` of VirtualService default/reveiws names reveiws, and no Service",
            ),
            Wrong(
                why="bound to the gateway only",
                yaml=virtual_service("reviews", split(v1=50, v2=30, v3=20), gateways=["bookinfo-gateway"]),
                says="holds at the gateway bookinfo-gateway only",
            ),
            Wrong(why="the rest without a weight", yaml=_split(v1=50, v2=30, v3=None), says="the destination v3 of"),
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
        solution=subsets("reviews", v1="v1", v2="v2", v3="v3", canary="v3"),
        right=(
            Right(how="in a second DestinationRule", yaml=subsets("reviews", name="reviews-canary", canary="v3")),
            Right(
                how="with more labels",
                yaml=subsets("reviews", v1="v1", labels={"canary": {"app": "reviews", "version": "v3"}}),
            ),
        ),
        wrong=(
            Wrong(
                why="labels of nobody",
                yaml=subsets("reviews", v1="v1", canary="canary"),
                says="gives the labels version=canary, and no ready pod has them",
            ),
            Wrong(
                why="another version",
                yaml=subsets("reviews", v1="v1", canary="v2"),
                says="subset canary of DestinationRule default/reviews is version=v2: its pods are v2",
            ),
            Wrong(why="the rule rewritten", yaml=_split(v1=90, v3=10), says="and nothing to a subset canary"),
            Wrong(
                why="a misspelt subset",
                yaml=subsets("reviews", v1="v1", v2="v2", v3="v3", canery="v3"),
                says="has v1, v2, v3, canery; did you mean canery?",
            ),
            Wrong(
                why="another host",
                yaml=subsets("review", name="canary", canary="v3"),
                says="DestinationRule default/canary defines it for the host review, and that is no Service",
            ),
            Wrong(
                why="another namespace",
                yaml=subsets("reviews", name="canary", namespace="istio-system", canary="v3"),
                says="defines it for the host reviews.istio-system.svc.cluster.local, and that is no Service",
            ),
        ),
    ),
)
