"""Lesson 10, circuit breaking."""

from typing import Any

from labkit.exercises import verdict
from labkit.exercises.evidence import Evidence
from labkit.exercises.exercise import Exercise, Wrong
from labkit.exercises.verdict import Verdict
from labkit.kube import resources
from labkit.telemetry import inside, workloads

HTTPBIN = "http://httpbin:8000/get"
RATINGS = "http://ratings:9080/ratings/0"
COUNT = 120
"""Requests of a judgement: a queue that is too short, or a pod that fails half of the time, shows in far fewer."""

LOADS = 4
"""Tries of which one has to be clean. The first shows the failing pod to the proxy; and Envoy gathers changes of
health for up to a second (``update_merge_window``), so one right after another takes effect late."""


def queue(evidence: Evidence) -> Verdict:
    """Whether six callers get all their answers over one connection."""
    expected = f"one connection to httpbin, and {COUNT} × 200 for six callers"
    policy = _policy(evidence, "httpbin")
    if policy is None:
        return verdict.not_yet(
            expected, "there is no DestinationRule for the host httpbin", cause="without one there is no limit"
        )
    most = ((policy.get("connectionPool") or {}).get("tcp") or {}).get("maxConnections")
    if most != 1:
        said = "says nothing of connections" if most is None else f"allows {most} connections"
        return verdict.not_yet(expected, f"the rule {said}", cause="tcp.maxConnections is their number")
    counts = evidence.load(HTTPBIN, connections=6, count=COUNT)
    if _is_all_well(counts):
        return verdict.passed(expected, f"{counts!r}, over one connection")
    waiting = ((policy.get("connectionPool") or {}).get("http") or {}).get("http1MaxPendingRequests")
    return verdict.not_yet(
        expected, _seen(counts), cause=f"one is served and {waiting or 'any number'} may wait; the others are refused"
    )


def ejection(evidence: Evidence) -> Verdict:
    """Whether the failing pod of ratings is there, and gets no requests after its first failures."""
    expected = f"the failing pod is ejected: {COUNT} × 200 from ratings"
    every = map(workloads.workload, evidence.resources(resources.PODS))
    pods = [pod for pod in every if pod.app == "ratings" and pod.is_ready]
    if not any(pod.version == "faulty" for pod in pods):
        return verdict.not_yet(
            expected,
            "the failing pod is not there, or not ready yet",
            cause="the exercise wants it to stay; callers have to get on with it",
            next_step='lab.apply("manifests/ratings-faulty.yaml")',
        )
    policy = _policy(evidence, "ratings")
    if policy is None or "outlierDetection" not in policy:
        return verdict.not_yet(
            expected,
            "there is no DestinationRule for the host ratings with outlierDetection",
            cause="nobody watches the answers",
            next_step='lab.apply("manifests/ratings-outliers-few.yaml")',
        )
    share = (policy["outlierDetection"] or {}).get("maxEjectionPercent", 10)
    if share * len(pods) < 100:
        return verdict.not_yet(
            expected,
            "nobody is ever ejected",
            cause=f"at most {share} % of {len(pods)} pods may be out, and that is less than one",
        )
    for _ in range(LOADS):
        counts = evidence.load(RATINGS, connections=1, count=COUNT)
        if _is_all_well(counts):
            return verdict.passed(expected, repr(counts))
    return verdict.not_yet(
        expected,
        _seen(counts),
        cause="the failing pod is ejected too late or too briefly: consecutive5xxErrors, baseEjectionTime",
    )


def most_ejected(evidence: Evidence) -> Verdict:
    """Whether the filed number is two."""
    return verdict.number(
        evidence.answer("10-3"),
        2,
        what="pods that are ejected at most",
        seen="a third one would make it 30 %",
        causes={4: "the rule says how many may be out, whoever else fails", 3: "three of ten are 30 %, more than 25 %"},
    )


def _policy(evidence: Evidence, service: str) -> dict[str, Any] | None:
    for rule in evidence.resources(resources.DESTINATION_RULES):
        if str(rule["spec"].get("host", "")).split(".")[0] == service:
            return dict(rule["spec"].get("trafficPolicy") or {})
    return None


def _is_all_well(counts: inside.Counts) -> bool:
    return set(counts.by_status) == {200}


def _seen(counts: inside.Counts) -> str:
    return repr(counts) if counts.total else "fortio sent nothing: kubectl get pods -l app=fortio"


def _rule(host: str, policy: str) -> str:
    return (
        f"apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: {host}}}\n"
        f"spec:\n  host: {host}\n  trafficPolicy:\n    {policy}\n"
    )


def _pool(*, connections: int, waiting: int) -> str:
    http, tcp = f"http: {{http1MaxPendingRequests: {waiting}}}", f"tcp: {{maxConnections: {connections}}}"
    return _rule("httpbin", f"connectionPool: {{{tcp}, {http}}}")


def _outliers(host: str = "ratings", *, errors: int = 1, more: str = "") -> str:
    said = f"consecutive5xxErrors: {errors}, interval: 1s, baseEjectionTime: 10s{more}"
    return _rule(host, f"outlierDetection: {{{said}}}")


EXERCISES = (
    Exercise(
        id="10-1",
        task="Let each caller keep a single connection to httpbin, and six callers at once all get their answer.",
        done_when="fortio, with six connections, gets 120 times 200",
        check=queue,
        hints=(
            "What does manifests/limits.yaml do with a request that finds the connection in use?",
            "maxConnections stays at 1; how many of six callers have to wait for it?",
            "http1MaxPendingRequests: 10 leaves room for all of them.",
        ),
        solution=_pool(connections=1, waiting=10),
        wrong=(
            Wrong(why="a queue too short", yaml=_pool(connections=1, waiting=2), says="2 may wait"),
            Wrong(why="six connections", yaml=_pool(connections=6, waiting=1), says="allows 6 connections"),
            Wrong(
                why="only the queue",
                yaml=_rule("httpbin", "connectionPool: {http: {http1MaxPendingRequests: 10}}"),
                says="says nothing of connections",
            ),
        ),
    ),
    Exercise(
        id="10-2",
        task="The rule should take the failing pod of ratings out, and never does. Mend it; the pod stays.",
        done_when="fortio, after a first load that may fail, gets nothing but 200 from ratings",
        check=ejection,
        given=("ratings-faulty.yaml", "ratings-outliers-few.yaml"),
        hints=(
            "Compare it with manifests/ratings-outliers.yaml: what is left out here?",
            "Without maxEjectionPercent it is 10. How many of two pods are that?",
            "maxEjectionPercent: 50",
        ),
        solution=_outliers(more=", maxEjectionPercent: 50"),
        wrong=(
            Wrong(why="only stricter", yaml=_outliers(errors=1), says="at most 10 % of 2 pods"),
            Wrong(why="a little too few", yaml=_outliers(more=", maxEjectionPercent: 49"), says="at most 49 % of 2"),
            Wrong(
                why="no more watching",
                yaml=_rule("ratings", "connectionPool: {tcp: {maxConnections: 1}}"),
                says="nobody watches",
            ),
        ),
    ),
    Exercise(
        id="10-3",
        task="Ten pods, four of which fail every time, and maxEjectionPercent 25: how many are ejected at most?",
        done_when="the number you filed is right",
        check=most_ejected,
        hints=(
            "A pod is ejected only if the share stays within the limit with it.",
            "One pod of ten is 10 %; three are 30 %.",
            "Two are 20 %, and that is the last number that fits.",
        ),
        answer=2,
        wrong=(
            Wrong(why="all that fail", answer=4, says="how many may be out"),
            Wrong(why="rounded up", answer=3, says="more than 25 %"),
        ),
    ),
)
