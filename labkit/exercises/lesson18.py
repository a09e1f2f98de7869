"""Lesson 18, the service graph: who is slow, which way fails, how many ways there are."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from labkit.exercises import verdict
from labkit.exercises.evidence import Evidence
from labkit.exercises.exercise import Exercise, Right, Wrong
from labkit.exercises.verdict import Verdict

WORKLOADS = ("productpage", "details", "reviews-v1", "reviews-v2", "reviews-v3", "ratings")
FAULT = "envoy.filters.http.fault"
WAYS = 7
"""gateway → productpage → details and three versions of reviews, of which two call ratings."""

WAITS = {
    "productpage": "productpage waits for others: its time includes that of the services that it calls",
    "reviews": "reviews is as quick as ever: 95 of 100 calls of any version take a few milliseconds",
    "ratings": "ratings is as quick as ever: look at the numbers on the ways to it",
    "gateway": "the gateway waits for productpage, and that waits for somebody else",
}


def slow_one(evidence: Evidence) -> Verdict:
    """Whether the filed workload is the one that takes its time itself."""
    expected = "the workload that is slow itself, and not for waiting on another one"
    answer = evidence.answer("18-1")
    slow = [name for name in WORKLOADS if _fault(evidence, name, "INBOUND", "delay")]
    if problem := _unasked(answer, slow, "18-1", "slow-one.yaml"):
        return verdict.not_yet(expected, problem[0], cause=problem[1], next_step=problem[2])
    if strange := _unknown_versions(answer):
        return verdict.not_yet(expected, f"{answer!r} is filed", cause=strange)
    filed = _apps(answer)
    if filed == {_app(slow[0])}:
        return verdict.passed(expected, f"{slow[0]}: what it calls is quick, and so is whoever does not call it")
    if len(filed) != 1:
        return verdict.not_yet(expected, f"{answer!r} is filed", cause=_not_one(answer, filed))
    return verdict.not_yet(expected, f"{answer!r} is filed", cause=WAITS.get(filed.pop(), "it is as quick as ever"))


def failing_way(evidence: Evidence) -> Verdict:
    """Whether the filed way is the one whose requests fail."""
    expected = "the way whose requests fail, as source → target"
    answer = evidence.answer("18-2")
    failing = [name for name in WORKLOADS if _fault(evidence, name, "OUTBOUND", "abort")]
    if problem := _unasked(answer, failing, "18-2", "failing-for-some.yaml"):
        return verdict.not_yet(expected, problem[0], cause=problem[1], next_step=problem[2])
    ends = _ends(str(answer))
    observed = f"{answer!r} is filed"
    if strange := _unknown_versions(answer):
        return verdict.not_yet(expected, observed, cause=strange)
    if len(ends) != 2:
        return verdict.not_yet(
            expected, observed, cause='a way has two ends: lab.answer("18-2", "productpage-v1 → details-v1")'
        )
    source, target = ends
    if (target, source) == (failing[0], "ratings"):
        return verdict.not_yet(expected, observed, cause="it is the other way round: the caller comes first")
    if target != "ratings":
        return verdict.not_yet(
            expected, observed, cause=f"no request to {target} fails: the failing number stands on another line"
        )
    if source == "reviews":
        return verdict.not_yet(
            expected, observed, cause="reviews has three versions, and only one of them gets failures: file it"
        )
    if source != failing[0]:
        return verdict.not_yet(expected, observed, cause=f"{source} gets its stars, or asks for none")
    return verdict.passed(expected, f"{source} → ratings: the other version's requests to the same pod are answered")


def ways(evidence: Evidence) -> Verdict:
    """Whether the filed number is that of the ways in use."""
    causes: dict[float, str] = {
        4: "that is one way for each service: versions are workloads of their own, with ways of their own",
        5: "that counts the versions of reviews as one caller or as one target",
        6: "one is missing: two versions of reviews call ratings",
        8: "reviews v1 calls nobody: it has no stars",
        9: "a way that nobody takes is no line",
    }
    shows = "gateway → productpage, productpage → details and three reviews, two reviews → ratings"
    return verdict.number(evidence.answer("18-3"), WAYS, what="ways in use", shows=shows, causes=causes)


def _unasked(answer: object, affected: list[str], id: str, manifest: str) -> tuple[str, str, str] | None:
    if not affected:
        where = f'lab.apply("manifests/{manifest}")'
        return "nothing is wrong in this mesh", "the mystery is not applied, or is gone already", where
    if answer is None:
        return "nothing is filed", f'lab.answer("{id}", …) files it', ""
    return None


def _not_one(answer: object, filed: set[str]) -> str:
    if filed:
        return "only one workload is slow itself: file one"
    return f"{answer!r} names no workload: file one of {', '.join(WORKLOADS)}"


NAME = re.compile(r"(productpage|details|ratings|gateway|reviews(?:-?v[123])?)")


VERSION = re.compile(r"(productpage|details|ratings|reviews)\s*-?\s*v(\d+)")


def _unknown_versions(answer: object) -> str:
    """A version that there is no workload of."""
    for app, number in VERSION.findall(str(answer).lower()):
        if number not in ("1", "2", "3") or (app != "reviews" and number != "1"):
            return f"there is no workload {app}-v{number}: they are {', '.join(WORKLOADS)}"
    return ""


def _apps(answer: object) -> set[str]:
    return {_app(match) for match in NAME.findall(str(answer).lower())}


def _app(name: str) -> str:
    return re.sub(r"-?v\d$", "", name)


def _ends(answer: str) -> list[str]:
    """Source and target of a text; a version only where it matters, at reviews."""
    text = re.sub(r"reviews\s*,?\s*-?\s*v(\d)", r"reviews-v\1", answer.lower())
    return [name.replace("reviewsv", "reviews-v") for name in NAME.findall(text)]


def _fault(evidence: Evidence, pod: str, direction: str, kind: str) -> bool:
    """Whether a proxy's own fault filter, on one side, delays or aborts."""
    config = evidence.config(pod)
    listeners = dict(config.listeners).values() if config else ()
    sides = (listener for listener in listeners if listener.get("traffic_direction") == direction)
    return any(kind in fault for listener in sides for fault in _faults(listener))


def _faults(part: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(part, Mapping):
        if part.get("name") == FAULT:
            yield part.get("typed_config") or {}
        for value in part.values():
            yield from _faults(value)
    elif isinstance(part, list):
        for value in part:
            yield from _faults(value)


EXERCISES = (
    Exercise(
        id="18-1",
        task="One of the six workloads is slow itself; others only wait for it. Find it.",
        done_when="you have filed the workload that is slow itself",
        check=slow_one,
        hints=(
            "lab.graph(), then Send: read the milliseconds on the lines, from the right to the left.",
            "A caller is at least as slow as what it waits for. Which slow workload calls no slow one?",
            "productpage calls two services. The ways to reviews are fast; the way to the other service is slow.",
        ),
        answer="details-v1",
        given=("slow-one.yaml",),
        right=(
            Right(how="the app", answer="details"),
            Right(how="with its namespace", answer="default/details-v1"),
            Right(how="as kubectl has it", answer="deployment/details-v1"),
        ),
        wrong=(
            Wrong(why="who waits", answer="productpage-v1", says="productpage waits for others"),
            Wrong(why="the entrance", answer="istio-ingressgateway", says="the gateway waits for productpage"),
            Wrong(why="the other callee", answer="reviews-v3", says="reviews is as quick as ever"),
            Wrong(why="the last one", answer="ratings-v1", says="ratings is as quick as ever"),
            Wrong(why="two of them", answer="productpage and details", says="only one workload is slow itself"),
            Wrong(why="no workload", answer="the database", says="names no workload"),
        ),
    ),
    Exercise(
        id="18-2",
        task="Some pages have no stars. On which way between two workloads do requests fail?",
        done_when="you have filed source and target of the failing way",
        check=failing_way,
        hints=(
            "A failing line is dashed and has a ✗ and a number.",
            "Three versions of reviews stand one below the other; compare the lines that leave them.",
            "Versions 2 and 3 call ratings. One of them gets answers: file the way from the other one to ratings.",
        ),
        answer="reviews-v3 → ratings-v1",
        given=("failing-for-some.yaml",),
        right=(
            Right(how="in words", answer="from reviews v3 to ratings"),
            Right(how="with namespaces", answer="default/reviews-v3 default/ratings-v1"),
        ),
        wrong=(
            Wrong(why="the target alone", answer="ratings", says="a way has two ends"),
            Wrong(why="the service", answer="reviews → ratings", says="reviews has three versions"),
            Wrong(why="the other version", answer="reviews-v2 → ratings-v1", says="reviews-v2 gets its stars"),
            Wrong(why="one call before", answer="productpage-v1 → reviews-v3", says="no request to reviews-v3 fails"),
        ),
    ),
    Exercise(
        id="18-3",
        task="Nothing is wrong, and every version of reviews gets requests. How many ways are in use?",
        done_when="you have filed the right number",
        check=ways,
        hints=(
            "A way is a line between two boxes that requests take.",
            "lab.graph() counts them too: its text form shows the number of ways in use.",
            "One way leads into productpage, four leave it, and one leaves each version that shows stars.",
        ),
        answer=WAYS,
        right=(Right(how="a word", answer="seven"), Right(how="a text", answer="7 ways")),
        wrong=(
            Wrong(why="by service", answer=4, says="one way for each service"),
            Wrong(why="reviews as one", answer=5, says="counts the versions of reviews as one"),
            Wrong(why="one missing", answer=6, says="two versions of reviews call ratings"),
            Wrong(why="one too many", answer=8, says="reviews v1 calls nobody"),
        ),
    ),
)
