"""Lesson 10, circuit breaking."""

from collections.abc import Mapping
from typing import Any

from labkit.exercises import flows, verdict
from labkit.exercises.diagnosis import breakers, cause, objects, refusals, way
from labkit.exercises.diagnosis import decision as decisions
from labkit.exercises.diagnosis.decision import Ask, Target
from labkit.exercises.diagnosis.objects import Objects
from labkit.exercises.evidence import Evidence
from labkit.exercises.exercise import Exercise, Right, Wrong
from labkit.exercises.verdict import Verdict
from labkit.kube import resources
from labkit.telemetry import inside, workloads

CALLER = "fortio"
HTTPBIN = "http://httpbin:8000/get"
RATINGS = "http://ratings:9080/ratings/0"
COUNT = 120
"""Requests of a judgement: a queue that is too short, or a pod that fails half of the time, shows in far fewer."""

CONNECTIONS = 6

LOADS = 4
"""Tries of which one has to be clean. The first shows the failing pod to the proxy; and Envoy gathers changes of
health for up to a second (``update_merge_window``), so one right after another takes effect late."""


def queue(evidence: Evidence) -> Verdict:
    """Whether six callers get all their answers over one connection."""
    expected = f"one connection to httpbin, and {COUNT} × 200 for six callers"
    mesh = objects.read(evidence)
    findings, target = _upstream(evidence, mesh, "httpbin:8000", "/get")
    if target is None:
        return verdict.because(expected, "the caller's proxy does not lead to httpbin", findings.causes)
    connections, waiting = breakers.limit(target, "max_connections"), breakers.limit(target, "max_pending_requests")
    if connections != 1:
        told = "no limit of connections" if connections is None else f"a limit of {connections} connections"
        causes = [
            *cause.ranked([breakers.misplaced(target, mesh, "connectionPool", 8000)]),
            *breakers.without_a_say(target, mesh, "connectionPool"),
            cause.shown(
                f"{breakers.title(target)} sets {told}: connectionPool.tcp.maxConnections of trafficPolicy is their "
                "number"
                if breakers.source(target)
                else "no DestinationRule is for the host httpbin, and without one there is no limit"
            ),
        ]
        return verdict.because(expected, f"the caller's proxy has {told} for httpbin", causes)
    counts = evidence.load(HTTPBIN, connections=CONNECTIONS, count=COUNT)
    if _is_all_well(counts):
        return verdict.passed(expected, f"{counts!r}, over one connection")
    # Until the connection stands, a request that will use it waits like the others.
    if waiting is not None and waiting < CONNECTIONS:
        why = cause.shown(
            f"{breakers.title(target)} lets {waiting} request{'s' if waiting > 1 else ''} wait for the connection "
            f"(http1MaxPendingRequests), and up to {CONNECTIONS} callers have to: the others are refused"
        )
        return verdict.because(expected, _told(counts), [why])
    at_once = breakers.limit(target, "max_requests")
    if at_once is not None and at_once < CONNECTIONS and counts.total:
        why = cause.shown(f"{breakers.title(target)} lets {at_once} requests be under way at once (http2MaxRequests)")
        return verdict.because(expected, _told(counts), [why])
    return verdict.because(
        expected, _told(counts), _no_load(evidence, mesh, _hop(evidence, "httpbin:8000", "/get"), counts)
    )


def ejection(evidence: Evidence) -> Verdict:
    """Whether the failing pod of ratings is there, and gets no requests after its first failures."""
    expected = f"the failing pod is ejected: {COUNT} × 200 from ratings"
    evidence.until_rolled_out("ratings-faulty")
    every = map(workloads.workload, evidence.resources(resources.PODS))
    pods = [pod for pod in every if pod.app == "ratings" and pod.is_ready and pod.phase != "Terminating"]
    if not any(pod.version == "faulty" for pod in pods):
        return verdict.not_yet(
            expected,
            "the failing pod is not there, or not ready",
            cause="the exercise wants it to stay: callers have to get on with it",
            next_step='lab.apply("manifests/ratings-faulty.yaml")',
        )
    mesh = objects.read(evidence)
    findings, target = _upstream(evidence, mesh, "ratings:9080", "/ratings/0")
    if target is None:
        return verdict.because(expected, "the caller's proxy does not lead to all pods of ratings", findings.causes)
    watched = breakers.outliers(target)
    if watched is None:
        causes = [
            *cause.ranked([breakers.misplaced(target, mesh, "outlierDetection", 9080)]),
            *breakers.without_a_say(target, mesh, "outlierDetection"),
            cause.shown(
                f"{breakers.title(target)} has no outlierDetection in trafficPolicy, so nobody watches the answers"
            ),
        ]
        return verdict.because(expected, "the caller's proxy watches no pod of ratings", causes)
    share = int(watched.get("max_ejection_percent", breakers.EJECTED_AT_MOST))
    if share * len(pods) < 100:
        observed = f"at most {share} % of {len(pods)} pods may be out, and that is less than one"
        written = breakers.written(target, mesh, "outlierDetection").get("maxEjectionPercent")
        default = f"{written}, which counts as not set, so it is {share}" if written == 0 else str(share)
        why = cause.shown(
            f"maxEjectionPercent of {breakers.title(target)} is {default}: {observed}, so nobody is ever ejected"
        )
        causes = [*breakers.without_a_say(target, mesh, "outlierDetection"), why]
        return verdict.because(expected, "nobody is ever ejected", causes)
    for _ in range(LOADS):
        counts = evidence.load(RATINGS, connections=1, count=COUNT)
        if _is_all_well(counts):
            return verdict.passed(expected, repr(counts))
    if not counts.total:
        hop = _hop(evidence, "ratings:9080", "/ratings/0")
        return verdict.because(expected, _told(counts), _no_load(evidence, mesh, hop, counts))
    panic = breakers.panic_percent(target)
    if panic > 100 * (len(pods) - 1) / len(pods):
        why = cause.shown(
            f"minHealthPercent of {breakers.title(target)} is {panic:g}: with one of {len(pods)} pods out fewer are "
            "left than that, and then the proxy sends to all of them, the ejected one too"
        )
        return verdict.because(expected, _told(counts), [why])
    return verdict.because(expected, _told(counts), [_too_late(watched, target)])


def _too_late(watched: Mapping[str, Any], target: Target) -> cause.Cause:
    """The failing pod answers half of the requests well, so many errors in a row are rare."""
    title, row = breakers.title(target), int(watched.get("consecutive_5xx", 5))
    if row == 0:
        return cause.shown(f"consecutive5xxErrors of {title} is 0, which switches the watch for them off")
    if row > 1:
        return cause.shown(
            f"consecutive5xxErrors of {title} is {row}, and the failing pod fails half of the time, so it seldom fails "
            f"{row} times in a row"
        )
    for_seconds = decisions.seconds_of(watched.get("base_ejection_time"))
    if for_seconds is not None and for_seconds < 5:
        return cause.shown(f"baseEjectionTime of {title} is {for_seconds:g} s, so the failing pod is back at once")
    return cause.undecided(
        f"{title} ejects after one error, and errors came all the same: see interval and "
        "baseEjectionTime, and check again"
    )


def most_ejected(evidence: Evidence) -> Verdict:
    """Whether the filed number is two."""
    return verdict.number(
        evidence.answer("10-3"),
        2,
        what="pods that are ejected at most",
        shows="a third one would make it 30 %",
        causes={
            4: "maxEjectionPercent says how many may be out, whoever else fails",
            3: "three of ten are 30 %, more than 25 %",
            2.5: "there are no halves of pods: two of ten are 20 %, three are 30 %",
            1: "one of ten is 10 %, and there is room for another",
            0: "one of ten is 10 %, and that is less than 25 %",
            20: "20 % of the pods is right: file how many of the ten that are",
            10: "10 is the number of pods, and at most 25 % of them may be out",
            25: "25 is the limit in per cent, and the question is for pods",
        },
        other="count how many of the ten pods may be out before more than 25 % of them are",
    )


def _upstream(evidence: Evidence, mesh: Objects, host: str, path: str) -> tuple[way.Findings, Target | None]:
    """Where the caller's proxy sends these requests; None where the way is at fault."""
    hop = _hop(evidence, host, path)
    decision = decisions.of(evidence, hop.ask)
    if decision is None:
        return way.Findings(is_as_asked=False, causes=[way.no_proxy(CALLER, mesh)]), None
    causes = way.causes_at(decision, mesh, hop)
    findings = way.Findings(is_as_asked=not causes, causes=causes, last=decision)
    return findings, None if causes else decision.targets[0]


def _hop(evidence: Evidence, host: str, path: str) -> way.Hop:
    return way.Hop(ask=Ask(proxy=CALLER, host=host, path=path), host=flows.full(host.partition(":")[0], evidence))


def _is_all_well(counts: inside.Counts) -> bool:
    return set(counts.by_status) == {200}


def _told(counts: inside.Counts) -> str:
    return repr(counts) if counts.total else "fortio sent nothing"


def _no_load(evidence: Evidence, mesh: Objects, hop: way.Hop, counts: inside.Counts) -> list[cause.Cause]:
    if not counts.total:
        return [cause.shown("no pod of fortio could send", 'lab.kubectl("get pods -l app=fortio")')]
    bad = next((status for status in sorted(counts.by_status, reverse=True) if status != 200), 0)
    return [
        *refusals.causes(evidence, mesh, [hop], status=bad),
        cause.undecided(
            "the limits of the caller's proxy leave room for all callers, and requests failed all the same"
        ),
    ]


def _rule(host: str, policy: str, *, name: str = "", namespace: str = "default") -> str:
    return (
        f"apiVersion: networking.istio.io/v1\nkind: DestinationRule\n"
        f"metadata: {{name: {name or host.partition('.')[0]}, namespace: {namespace}}}\n"
        f"spec:\n  host: {host}\n  trafficPolicy:\n    {policy}\n"
    )


def _pool(*, connections: int, waiting: int, host: str = "httpbin", name: str = "", namespace: str = "default") -> str:
    http, tcp = f"http: {{http1MaxPendingRequests: {waiting}}}", f"tcp: {{maxConnections: {connections}}}"
    return _rule(host, f"connectionPool: {{{tcp}, {http}}}", name=name, namespace=namespace)


def _outliers(host: str = "ratings", *, errors: int = 1, more: str = "", name: str = "") -> str:
    fields = f"consecutive5xxErrors: {errors}, interval: 1s, baseEjectionTime: 10s{more}"
    return _rule(host, f"outlierDetection: {{{fields}}}", name=name)


HALF = ", maxEjectionPercent: 50"
BY_PORT = (
    "portLevelSettings: [{port: {number: 8000}, "
    "connectionPool: {tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 6}}}]"
)

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
        right=(
            Right(
                how="the full host, another name",
                yaml=_pool(connections=1, waiting=6, host="httpbin.default.svc.cluster.local", name="one"),
            ),
            Right(how="for its port", yaml=_rule("httpbin", BY_PORT)),
            Right(how="as many as like may wait", yaml=_rule("httpbin", "connectionPool: {tcp: {maxConnections: 1}}")),
        ),
        wrong=(
            Wrong(
                why="a queue too short",
                yaml=_pool(connections=1, waiting=2),
                says="lets 2 requests wait for the connection",
            ),
            Wrong(why="six connections", yaml=_pool(connections=6, waiting=1), says="a limit of 6 connections"),
            Wrong(
                why="only the queue",
                yaml=_rule("httpbin", "connectionPool: {http: {http1MaxPendingRequests: 10}}"),
                says="sets no limit of connections",
            ),
            Wrong(
                why="a misspelt host",
                yaml=_pool(connections=1, waiting=10, host="htpbin"),
                says="`host` of DestinationRule default/htpbin is htpbin, and no Service has that name; did you mean "
                "httpbin?",
            ),
            Wrong(
                why="in a subset",
                yaml="apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: httpbin}\nspec:\n"
                "  host: httpbin\n  subsets:\n  - {name: v1, labels: {version: v1}, trafficPolicy: "
                "{connectionPool: {tcp: {maxConnections: 1}}}}\n",
                says="has connectionPool in the subset v1 alone",
            ),
            Wrong(
                why="another namespace",
                yaml=_pool(connections=1, waiting=10, namespace="istio-system"),
                says="where the host httpbin stands for httpbin.istio-system.svc.cluster.local",
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
        solution=_outliers(more=HALF),
        right=(Right(how="all of them", yaml=_outliers(more=", maxEjectionPercent: 100")),),
        wrong=(
            Wrong(why="only stricter", yaml=_outliers(errors=1), says="at most 10 % of 2 pods"),
            Wrong(why="a little too few", yaml=_outliers(more=", maxEjectionPercent: 49"), says="at most 49 % of 2"),
            Wrong(
                why="a limit of nothing",
                yaml=_outliers(more=", maxEjectionPercent: 0"),
                says="is 0, which counts as not set, so it is 10",
            ),
            Wrong(
                why="health that one of two cannot have",
                yaml=_outliers(more=f"{HALF}, minHealthPercent: 90"),
                says="minHealthPercent of DestinationRule default/ratings is 90",
            ),
            Wrong(
                why="no more watching",
                yaml=_rule("ratings", "connectionPool: {tcp: {maxConnections: 1}}"),
                says="has no outlierDetection",
            ),
            Wrong(
                why="in a second object",
                yaml=_outliers(more=HALF, name="ratings-half"),
                says="has the settings of DestinationRule default/ratings, and those of DestinationRule default/"
                "ratings-half have no effect",
            ),
            Wrong(
                why="another host",
                yaml=_outliers("ratngs", more=HALF),
                says="`host` of DestinationRule default/ratngs is ratngs, and no Service has that name; did you mean "
                "ratings",
            ),
            Wrong(
                why="for another port",
                yaml=_rule(
                    "ratings",
                    "portLevelSettings: [{port: {number: 80}, outlierDetection: {consecutive5xxErrors: 1}}]",
                ),
                says="has outlierDetection for port 80 alone, and these requests go to port 9080",
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
        right=(Right(how="in words", answer="two pods"),),
        wrong=(
            Wrong(why="none", answer="none", says="one of ten is 10 %"),
            Wrong(why="all pods", answer=10, says="10 is the number of pods"),
            Wrong(why="all that fail", answer=4, says="how many may be out"),
            Wrong(why="rounded up", answer=3, says="more than 25 %"),
            Wrong(why="the limit", answer="25 %", says="25 is the limit in per cent"),
            Wrong(why="not rounded", answer=2.5, says="no halves of pods"),
        ),
    ),
)
