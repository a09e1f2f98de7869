"""PromQL that a learner files, asked of samples whose answers are known.

The samples are of a small mesh with steady traffic, so a query is right or wrong by its numbers however it is written,
and a wrong one is told by the number that its mistake gives.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from labkit.exercises import verdict
from labkit.exercises.verdict import Verdict
from labkit.sandbox.apps.prometheus.promql import evaluation
from labkit.sandbox.apps.prometheus.promql.errors import QueryError
from labkit.sandbox.apps.prometheus.promql.labels import labels
from labkit.sandbox.apps.prometheus.promql.matchers import Matcher, accept
from labkit.sandbox.apps.prometheus.promql.numbers import text_of
from labkit.sandbox.apps.prometheus.promql.samples import Sample, Series

EVERY, HOUR = 15_000, 3_600_000
AT = 1_700_000_000_000
NEAR = 1e-6

SLOW = HOUR // 2
"""Milliseconds since which reviews is slower than before."""

BUSY = HOUR // 40
"""Milliseconds since which everybody sends twice as much as before."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """Requests from one workload to another, so many each second."""

    source: str
    to: str
    version: str
    rate: float
    code: str = "200"
    arrives: bool = True
    """Whether the receiver's proxy counts it too."""


CALLS = (
    Call(source="istio-ingressgateway", to="productpage", version="v1", rate=8.5),
    Call(source="productpage-v1", to="details", version="v1", rate=8.5),
    Call(source="productpage-v1", to="reviews", version="v1", rate=4.0),
    Call(source="productpage-v1", to="reviews", version="v2", rate=2.6),
    Call(source="productpage-v1", to="reviews", version="v2", rate=0.4, code="404"),
    Call(source="productpage-v1", to="reviews", version="v3", rate=1.0),
    Call(source="productpage-v1", to="reviews", version="v3", rate=0.5, code="503", arrives=False),
    Call(source="reviews-v2", to="ratings", version="v1", rate=2.5),
    Call(source="reviews-v2", to="ratings", version="v1", rate=0.3, code="404"),
    Call(source="reviews-v3", to="ratings", version="v1", rate=0.7),
    Call(source="reviews-v3", to="ratings", version="v1", rate=0.3, code="500"),
    Call(source="reviews-v3", to="ratings", version="v1", rate=0.2, code="503", arrives=False),
)

BOUNDS = (5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, math.inf)
BEFORE: Mapping[str, tuple[float, ...]] = {
    "v1": (0.9, 1, 1, 1, 1, 1, 1, 1), "v2": (0.5, 0.9, 1, 1, 1, 1, 1, 1), "v3": (0.4, 0.9, 1, 1, 1, 1, 1, 1),
}  # fmt: skip
AFTER: Mapping[str, tuple[float, ...]] = {
    "v1": (0.8, 0.95, 1, 1, 1, 1, 1, 1), "v2": (0.1, 0.4, 0.8, 0.96, 1, 1, 1, 1),
    "v3": (0, 0.1, 0.2, 0.3, 0.5, 0.9, 1, 1),
}  # fmt: skip
"""Which part of the requests to reviews takes at most so many milliseconds, before and after it became slower."""


class Samples:
    """An hour of the small mesh, as Prometheus holds it."""

    def __init__(self) -> None:
        self._series = [*_counters(), *_histograms()]

    def select(self, matchers: Sequence[Matcher]) -> list[Series]:
        """Every series that all matchers accept."""
        return [one for one in self._series if accept(tuple(matchers), one.labels)]


def _labels(call: Call, reporter: str) -> dict[str, str]:
    scraped = call.source if reporter == "source" else f"{call.to}-{call.version}"
    return {
        "reporter": reporter,
        "namespace": "default",
        "pod": f"{scraped}-6c8f9d7b5-x2k4p",
        "source_workload": call.source,
        "source_app": call.source.removesuffix("-v1").removesuffix("-v2").removesuffix("-v3"),
        "source_canonical_service": call.source.rpartition("-v")[0] or call.source,
        "source_workload_namespace": "istio-system" if call.source.startswith("istio") else "default",
        "destination_workload": f"{call.to}-{call.version}",
        "destination_app": call.to,
        "destination_version": call.version,
        "destination_canonical_service": call.to,
        "destination_canonical_revision": call.version,
        "destination_service": f"{call.to}.default.svc.cluster.local",
        "destination_service_name": call.to,
        "destination_service_namespace": "default",
        "destination_workload_namespace": "default",
        "request_protocol": "http",
        "response_code": call.code,
        "response_flags": "-" if call.arrives else "UF",
        "connection_security_policy": "mutual_tls" if reporter == "destination" else "unknown",
    }


def _times() -> list[int]:
    return list(range(AT - HOUR, AT + 1, EVERY))


def _counters() -> Iterator[Series]:
    times = _times()
    for number, call in enumerate(CALLS):
        for reporter in ("source", "destination") if call.arrives else ("source",):
            values = [1000.0 * (number + 1) + call.rate * _sending(time) for time in times]
            yield Series(labels({"__name__": "istio_requests_total", **_labels(call, reporter)}), times, values)


def _sending(time: int) -> float:
    """Seconds of the hour until a time, those before it was busy counted half."""
    quiet = min(time - (AT - HOUR), HOUR - BUSY)
    return (time - (AT - HOUR) - quiet / 2) / 1000


def _histograms() -> Iterator[Series]:
    times, name = _times(), "istio_request_duration_milliseconds"
    for call in CALLS:
        for reporter in ("source", "destination") if call.arrives else ("source",):
            of = _labels(call, reporter)
            is_slow = call.to == "reviews"
            # The caller's proxy measures the way there and back too.
            shift = 1 if reporter == "source" else 0
            for n, bound in enumerate(BOUNDS):
                before, after = (
                    shares[call.version if is_slow else "v1"][max(0, n - shift)]
                    for shares in (BEFORE, AFTER if is_slow else BEFORE)
                )
                counts = [call.rate * (_early(t) * before + _late(t) * after) for t in times]
                bucket = {"__name__": f"{name}_bucket", "le": "+Inf" if math.isinf(bound) else f"{bound:.1f}", **of}
                yield Series(labels(bucket), times, counts)
            totals = [call.rate * (_early(t) + _late(t)) for t in times]
            yield Series(labels({"__name__": f"{name}_count", **of}), times, totals)
            yield Series(labels({"__name__": f"{name}_sum", **of}), times, [20.0 * total for total in totals])


def _early(time: int) -> float:
    """Seconds before reviews became slower."""
    return min(time - (AT - HOUR), HOUR - SLOW) / 1000


def _late(time: int) -> float:
    return max(0, time - (AT - SLOW)) / 1000


SAMPLES = Samples()


MINUTE = "[1m]"
"""The window of the exercises, and of what is compared with them."""


@dataclass(frozen=True, kw_only=True)
class Pitfall:
    """A usual mistake: a query that makes it, and what to say to whoever gets its numbers."""

    query: str
    says: str


def numbers_of(query: str) -> list[float]:
    """The values of a query's elements, in order of size; QueryError."""
    value = evaluation.instant(query, SAMPLES, AT)
    if isinstance(value, float):
        return [value]
    if isinstance(value, str):
        raise QueryError("the query is a text, not numbers")
    if any(not isinstance(element, Sample) for element in value):
        raise QueryError("the query gives whole ranges of samples: rate(…[1m]) makes one number of each")
    return sorted(element.value for element in value if isinstance(element, Sample))


def judge(
    answer: object, right: str, *, what: str, pitfalls: Sequence[Pitfall], scale: Sequence[float] = (1.0,)
) -> Verdict:
    """On a filed query; ``scale`` says by which factors its numbers may differ from those of ``right``."""
    right_numbers = numbers_of(right)
    expected = f"{what}: {_shown(right_numbers)} on the check's own samples"
    if answer is None:
        return verdict.not_yet(expected, "nothing is filed", cause='lab.answer(id, "your query") files it')
    if not isinstance(answer, str):
        return verdict.not_yet(expected, f"{answer!r} is filed", cause="it is no text: file the query in quotes")
    if not answer.strip():
        return verdict.not_yet(expected, "an empty query is filed", cause="write the query between the quotes")
    try:
        numbers = numbers_of(answer)
    except QueryError as e:
        return verdict.not_yet(expected, f"Prometheus refuses it: {e}", cause="the query cannot be evaluated")
    observed = f"your query gives {_shown(numbers)}"
    if any(_equal([factor * number for number in right_numbers], numbers) for factor in scale):
        return verdict.passed(expected, observed)
    for pitfall in pitfalls if numbers else ():
        queries = dict.fromkeys((pitfall.query, pitfall.query.replace(MINUTE, _window(answer))))
        if any(_equal(numbers_of(query), numbers) for query in queries):
            return verdict.not_yet(expected, observed, cause=pitfall.says)
    return verdict.not_yet(expected, observed, cause=_cause(numbers, right_numbers))


def _window(query: str) -> str:
    """The first window of a query, ``[5m]``: a mistake may come with a window of its own."""
    window = re.search(r"\[[^\]:]+\]", query)
    return window[0] if window else MINUTE


def _cause(numbers: Sequence[float], right_numbers: Sequence[float]) -> str:
    if not numbers:
        return (
            "no series matches: a label's name or value is misspelt, two sides of an operator share no labels, or a "
            "window is too short for two samples, which come every 15 s"
        )
    if len(numbers) != len(right_numbers):
        many = "1 element" if len(numbers) == 1 else f"{len(numbers)} elements"
        asked = f"{len(right_numbers)} {'is' if len(right_numbers) == 1 else 'are'} asked for"
        return f"it gives {many} where {asked}: see what stands after by"
    return f"it gives as many numbers as are asked for, and {_shown(right_numbers)} would be right"


def _equal(a: Sequence[float], b: Sequence[float]) -> bool:
    return len(a) == len(b) and all(
        x == y or math.isclose(x, y, rel_tol=NEAR) or (x != x and y != y) for x, y in zip(a, b, strict=True)
    )


def _shown(numbers: Sequence[float]) -> str:
    few = ", ".join(text_of(float(f"{number:.4g}")) for number in numbers[:6])
    return (few + (", …" if len(numbers) > 6 else "")) or "nothing"
