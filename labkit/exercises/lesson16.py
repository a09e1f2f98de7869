"""Lesson 16, access logs: which object a line accuses, which requests leave a line, how many lines a page leaves."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from labkit.exercises import filed, verdict
from labkit.exercises.evidence import Evidence
from labkit.exercises.exercise import Exercise, Right, Wrong
from labkit.exercises.verdict import Verdict
from labkit.kube import manifests, resources

WORKLOADS = ("productpage", "details", "reviews-v1", "reviews-v2", "reviews-v3", "ratings")
FILE = "envoy.access_loggers.file"
LINES = 8
"""Of one page whose reviews are v2's: the gateway's, and two for each of productpage, details, reviews and ratings
but one for the last two, which call nobody."""


def accused(evidence: Evidence) -> Verdict:
    """Whether the filed object is the DestinationRule whose subset has no pods."""
    expected = "the object that leaves the requests without a pod"
    answer = evidence.answer("16-1")
    if answer is None:
        return verdict.not_yet(
            expected, "nothing is filed", cause='lab.answer("16-1", "kind/name") files it', next_step=""
        )
    named = filed.parse(answer)
    observed = f"{answer!r} is filed"
    subsets = _empty_subsets(evidence)
    if not subsets:
        return verdict.not_yet(
            expected,
            observed,
            cause="every subset has pods: the mystery is not applied",
            next_step='lab.apply("manifests/log-mystery.yaml")',
        )
    if named.kind == "destinationrule" and named.name in subsets:
        return verdict.passed(expected, f"DestinationRule {named.name}: no pod has {subsets[named.name]}")
    return verdict.not_yet(expected, observed, cause=_why_not(named, evidence))


def _why_not(named: filed.Named, evidence: Evidence) -> str:
    if problem := filed.problem(named, evidence):
        return problem
    causes = {
        "virtualservice": "the flag is UH, not NC: the subset that the VirtualService names exists, it has no pods",
        "service": "the Service finds its pods: details and ratings are answered, and so is reviews without a subset",
        "deployment": "its pods run and are ready; the line says that no endpoint was asked at all",
        "pod": "its pods run and are ready; the line says that no endpoint was asked at all",
        "gateway": "the gateway's own line is a 200: the page came, its reviews did not",
    }
    return causes.get(named.kind, f"{named} decides nothing on the way from productpage to reviews")


def _empty_subsets(evidence: Evidence) -> dict[str, str]:
    """DestinationRule → labels of a subset that no pod has, for those that a VirtualService leads to."""
    labels = [resources.labels_of(pod) for pod in evidence.resources(resources.PODS)]
    asked = {
        (destination.get("host"), destination.get("subset"))
        for rule in evidence.resources(resources.VIRTUAL_SERVICES)
        for route in (rule.get("spec") or {}).get("http") or ()
        for entry in route.get("route") or ()
        for destination in [entry.get("destination") or {}]
    }
    empty: dict[str, str] = {}
    for rule in evidence.resources(resources.DESTINATION_RULES):
        spec = rule.get("spec") or {}
        for subset in spec.get("subsets") or ():
            own = subset.get("labels") or {}
            is_asked = (spec.get("host"), subset.get("name")) in asked
            if is_asked and not any(own.items() <= pod.items() for pod in labels):
                empty[resources.name_of(rule)] = ", ".join(f"{key}={value}" for key, value in own.items())
    return empty


OF_THE_AGENT = "agent"
"""The statistics of the proxy's own pages, for probes and for Prometheus, which never have a log."""


def only_failures(evidence: Evidence) -> Verdict:
    """Whether every proxy of the course writes lines of failed requests alone."""
    expected = "every proxy of the namespace writes a line for status 500 and more, and for nothing else"
    observed = {name: _expressions(evidence, name) for name in WORKLOADS}
    silent = [name for name, expressions in observed.items() if not expressions]
    loud = [name for name, expressions in observed.items() if "" in expressions]
    other = sorted({e for own in observed.values() for e in own if e and not is_of_failures(e)})
    counts = ((silent, "nothing"), (loud, "every request"))
    observation = ", ".join(f"{len(own)} of {len(WORKLOADS)} proxies write {what}" for own, what in counts if own)
    if silent:
        return verdict.not_yet(expected, observation, cause=_silence(evidence, silent))
    if other:
        return verdict.not_yet(
            expected, f"the filter is {other[0]}", cause=f"{other[0]!r} is not the same as response.code >= 500"
        )
    if loud:
        names = ", ".join(loud)
        return verdict.not_yet(expected, observation, cause=f"no filter holds for {names}: {_scope(evidence)}")
    return verdict.passed(expected, f"all {len(WORKLOADS)} proxies write {observed[WORKLOADS[0]][0]}")


def is_of_failures(expression: str) -> bool:
    """Whether a CEL expression holds for status 500 and more; no answer at all may count, too."""
    expression = DENIED.sub("response.code >= 500", REVERSED.sub("response.code >= 500", expression))
    bounded = " && ".join(part.strip() for part in expression.split("&&") if not BOUND.fullmatch(part.strip()))
    parts = [part.strip().strip("()").strip() for part in bounded.split("||")]
    failing = [p for p in parts if re.fullmatch(r"response\.code\s*(>=\s*500|>\s*499)", p)]
    rest = [p for p in parts if p not in failing and not re.fullmatch(r"response\.code\s*==\s*0", p)]
    return bool(failing) and not rest


DENIED = re.compile(r"!\s*\(\s*response\.code\s*(<\s*500|<=\s*499)\s*\)")
REVERSED = re.compile(r"(500\s*<=|499\s*<)\s*response\.code")
"""Other ways to write the bound."""

BOUND = re.compile(r"response\.code\s*<(=\s*599|\s*600)")
"""What no status is beyond."""


def _silence(evidence: Evidence, silent: list[str]) -> str:
    for telemetry in evidence.everywhere(resources.TELEMETRIES):
        entries = (telemetry.get("spec") or {}).get("accessLogging") or ()
        if any(entry.get("disabled") for entry in entries):
            name = f"{resources.namespace_of(telemetry)}/{resources.name_of(telemetry)}"
            return f"Telemetry {name} says disabled: that is no line at all"
    return f"no Telemetry switches access logs on for {', '.join(silent)}"


def _scope(evidence: Evidence) -> str:
    own = evidence.resources(resources.TELEMETRIES)
    if not own:
        return f"no Telemetry is in namespace {evidence.namespace}"
    spec = own[0].get("spec") or {}
    if selector := (spec.get("selector") or {}).get("matchLabels"):
        words = ", ".join(f"{key}={value}" for key, value in selector.items())
        return f"Telemetry {resources.name_of(own[0])} selects pods with {words} only"
    modes = {(entry.get("match") or {}).get("mode") for entry in spec.get("accessLogging") or ()} - {None}
    if modes:
        return f"mode {', '.join(sorted(map(str, modes)))} is one side of a proxy only"
    filtered = [entry for entry in spec.get("accessLogging") or () if entry.get("filter")]
    if filtered and not any(entry.get("providers") for entry in filtered):
        return f"the filter of Telemetry {resources.name_of(own[0])} names no `providers`, so it is nobody's filter"
    return f"Telemetry {resources.name_of(own[0])} has no filter"


def _expressions(evidence: Evidence, pod: str) -> list[str]:
    """The filters of a proxy's logs, one for each connection manager; the empty text for a log without one."""
    config = evidence.config(pod)
    expressions: list[str] = []
    for manager in _managers(dict(config.listeners) if config else {}):
        if manager.get("stat_prefix") == OF_THE_AGENT:
            continue
        logs = [log for log in manager.get("access_log") or () if log.get("name") == FILE]
        if not logs:
            return []
        expressions += [_expression(log) for log in logs]
    return expressions


def _expression(log: Mapping[str, Any]) -> str:
    extension = ((log.get("filter") or {}).get("extension_filter") or {}).get("typed_config") or {}
    return str(extension.get("expression") or "")


def _managers(part: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(part, Mapping):
        if "http_filters" in part:
            yield part
        for value in part.values():
            yield from _managers(value)
    elif isinstance(part, list):
        for value in part:
            yield from _managers(value)


def lines(evidence: Evidence) -> Verdict:
    """Whether the filed number is that of the lines of one page."""
    causes: dict[float, str] = {
        4: "that is one line for each call; each call between two sidecars leaves two, one at either end",
        5: "that is one line for each proxy; productpage and reviews write one more for each call of their own",
        7: "the gateway writes a line, too",
        6: "that is a page without stars: reviews v2 calls ratings, and that call has two ends",
        9: "browsers have no proxy: the first line is the gateway's",
    }
    shows = "gateway 1, productpage 3, details 1, reviews 2, ratings 1"
    return verdict.number(evidence.answer("16-3"), LINES, what="lines that one page leaves", shows=shows, causes=causes)


def _telemetry(
    expression: str = "response.code >= 500", *, namespace: str = "", selector: Any = None, **entry: Any
) -> str:
    logging = {
        "providers": [{"name": "envoy"}],
        **({"filter": {"expression": expression}} if expression else {}),
        **entry,
    }
    spec = {**({"selector": {"matchLabels": selector}} if selector else {}), "accessLogging": [logging]}
    metadata = {"name": "mine", **({"namespace": namespace} if namespace else {})}
    return manifests.dump(
        {"apiVersion": "telemetry.istio.io/v1", "kind": "Telemetry", "metadata": metadata, "spec": spec}
    )


EXERCISES = (
    Exercise(
        id="16-1",
        task="The page has lost its reviews. Find the object that causes it, with the access log.",
        done_when="you have filed kind and name of the object that leaves the requests without a pod",
        check=accused,
        hints=(
            "Run lab.send(), then lab.logs(failed=True). Which proxy wrote the line, and which flag does it have?",
            "UH: the cluster in the line exists and has no endpoints. Its name has four parts; which is the subset?",
            "Which object says which pods belong to that subset? kubectl get destinationrule reviews -o yaml.",
        ),
        answer="destinationrule/reviews",
        given=("log-mystery.yaml",),
        right=(
            Right(how="kubectl's short form", answer="dr reviews"),
            Right(how="with its namespace", answer="DestinationRule default/reviews"),
        ),
        wrong=(
            Wrong(why="the route", answer="virtualservice/reviews", says="the flag is UH, not NC"),
            Wrong(why="the Service", answer="service/reviews", says="the Service finds its pods"),
            Wrong(why="the program", answer="deployment/reviews-v2", says="no endpoint was asked at all"),
            Wrong(why="the entrance", answer="gateway/bookinfo-gateway", says="the gateway's own line is a 200"),
            Wrong(why="no kind", answer="reviews", says="the kind is missing"),
        ),
    ),
    Exercise(
        id="16-2",
        task="Let the proxies of your namespace log only requests that end with status 500 or above.",
        done_when="all six proxies have a filter for status 500 and above",
        check=only_failures,
        hints=(
            "A Telemetry without a selector applies to all proxies of its namespace.",
            "accessLogging takes a filter with an expression in CEL; the status is response.code.",
            "providers: [{name: envoy}] and filter: {expression: response.code >= 500}.",
        ),
        solution=_telemetry(),
        given=("access-logs.yaml",),
        right=(
            Right(how="more than 499", yaml=_telemetry("response.code > 499")),
            Right(how="not less", yaml=_telemetry("!(response.code < 500)")),
            Right(how="no answer, too", yaml=_telemetry("response.code >= 500 || response.code == 0")),
        ),
        wrong=(
            Wrong(why="no filter", yaml=_telemetry(""), says="Telemetry mine has no filter"),
            Wrong(
                why="another bound",
                yaml=_telemetry("response.code >= 400"),
                says="is not the same as response.code >= 500",
            ),
            Wrong(
                why="one app", yaml=_telemetry(selector={"app": "reviews"}), says="selects pods with app=reviews only"
            ),
            Wrong(why="one side", yaml=_telemetry(match={"mode": "SERVER"}), says="mode SERVER is one side"),
            Wrong(why="off", yaml=_telemetry(disabled=True), says="says disabled"),
            Wrong(
                why="another namespace",
                yaml=_telemetry(namespace="other"),
                says="no Telemetry is in namespace default",
            ),
        ),
    ),
    Exercise(
        id="16-3",
        task="Reviews come from v2. How many lines of access logs does one load of /productpage leave in the mesh?",
        done_when="the number you filed is right",
        check=lines,
        hints=(
            "Count the calls first: who calls whom for one page?",
            "Two sidecars see each call between services; the gateway has no sidecar in front of it.",
            "The gateway writes one line; productpage, details, reviews and ratings write 3, 1, 2 and 1.",
        ),
        answer=LINES,
        right=(Right(how="a word", answer="eight"), Right(how="a text", answer="8 lines")),
        wrong=(
            Wrong(why="a line each call", answer=4, says="each call between two sidecars leaves two"),
            Wrong(why="a line each proxy", answer=5, says="one line for each proxy"),
            Wrong(why="without stars", answer=6, says="a page without stars"),
            Wrong(why="the gateway forgotten", answer=7, says="the gateway writes a line"),
            Wrong(why="the browser counted", answer=9, says="browsers have no proxy"),
        ),
    ),
)
