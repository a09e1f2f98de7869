"""The service graph of a mesh: who calls whom, as Istio's metrics count it at both ends. Pure.

What a caller reports counts for an edge: it sees faults, refusals and answers of nobody. The called proxy says whether
mutual TLS was spoken, and tells of callers that have no proxy.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

# Divided by %7C, a bar, as a URL has it.
COUNTERS = "istio_requests_total%7Cistio_tcp_connections_opened_total"
COUNTS = f"stats/prometheus?usedonly&filter={COUNTERS}"
"""What a proxy is asked each time: a page of few lines, which stays the same while nobody calls."""

QUERY = f"{COUNTS}%7Cistio_request_duration_milliseconds"
"""What a proxy is asked for whose counts have changed: all that a graph needs."""

UNKNOWN, SOURCE = "unknown", "source"
ZTUNNEL, WAYPOINT = "ztunnel", "waypoint"
"""Who counts a way in ambient mode: ztunnel its connections, a waypoint the requests that it carries on."""

QUANTILE = 0.95

_LINE = re.compile(r"^(istio_\w+)\{([^\n]*)\} (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Way(NamedTuple):
    """One edge."""

    source: str
    """``default/productpage-v1``; ``unknown`` where the caller has no proxy."""

    target: str
    """``default/reviews-v2``; the service, or the host, where nobody answered."""


@dataclass(kw_only=True)
class Totals:
    """What was counted on one way since the proxies began."""

    requests: float = 0.0
    failed: float = 0.0
    """Those with 500 and more, or without any answer."""

    connections: float = 0.0
    """Of connections that are not HTTP, or whose HTTP nobody reads."""

    received: float = 0.0
    """The same as the called side counts them: a waypoint calls without counting its connections."""

    hops: frozenset[str] = frozenset()
    """``ztunnel`` and ``waypoint``, as far as they carry it."""

    codes: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """By status and response flags, ``503 UF``."""

    buckets: dict[float, float] = field(default_factory=lambda: defaultdict(float))
    """Requests that took at most so many milliseconds."""

    mutual: float = 0.0
    """Requests or connections that the called proxy saw under mutual TLS."""

    plain: float = 0.0


Graph = Mapping[Way, Totals]


class Sample(NamedTuple):
    """A line of a page."""

    name: str
    labels: Mapping[str, str]
    value: float


def samples(page: str) -> Iterator[Sample]:
    """Istio's metrics on a page of Prometheus' text."""
    for name, labels, value in _LINE.findall(page):
        yield Sample(name, _labels(labels), float(value))


@lru_cache(maxsize=8192)
def _labels(text: str) -> Mapping[str, str]:
    """A page has the same labels at each look: only its numbers change."""
    return MappingProxyType(dict(_LABEL.findall(text)))


def totals(pages: Iterable[str], *, ztunnels: Iterable[str] = ()) -> dict[Way, Totals]:
    """The graph as these proxies count it; ``ztunnels`` are the pages of ztunnels."""
    graph: dict[Way, Totals] = defaultdict(Totals)
    for page in pages:
        for sample in samples(page):
            _add(graph, sample)
    for page in ztunnels:
        for sample in samples(page):
            _add(graph, sample, hop=ZTUNNEL)
    return dict(graph)


def _add(graph: dict[Way, Totals], sample: Sample, *, hop: str = "") -> None:
    labels = sample.labels
    way, reporter = _way(labels), labels.get("reporter")
    hop = WAYPOINT if reporter == WAYPOINT else hop
    if hop:
        graph[way].hops |= {hop}
    is_caller = reporter in (SOURCE, WAYPOINT)
    if reporter not in (SOURCE, WAYPOINT) and sample.name == "istio_tcp_connections_opened_total":
        graph[way].received += sample.value
    if reporter != SOURCE and sample.name.endswith(("requests_total", "connections_opened_total")):
        if labels.get("connection_security_policy") == "mutual_tls":
            graph[way].mutual += sample.value
        else:
            graph[way].plain += sample.value
    if is_caller or way.source == UNKNOWN:
        _count(graph[way], sample)


def _way(labels: Mapping[str, str]) -> Way:
    return Way(_workload(labels, "source", UNKNOWN), _workload(labels, "destination", _service(labels)))


def _service(labels: Mapping[str, str]) -> str:
    """``default/details``; a host outside has no namespace."""
    name = labels.get("destination_service_name") or UNKNOWN
    namespace = labels.get("destination_service_namespace", UNKNOWN)
    return name if namespace == UNKNOWN else f"{namespace}/{name}"


def _workload(labels: Mapping[str, str], side: str, otherwise: str) -> str:
    name, namespace = labels.get(f"{side}_workload", UNKNOWN), labels.get(f"{side}_workload_namespace", UNKNOWN)
    return otherwise if name == UNKNOWN else f"{namespace}/{name}"


def _count(entry: Totals, sample: Sample) -> None:
    code = sample.labels.get("response_code", "")
    if sample.name == "istio_requests_total":
        entry.requests += sample.value
        if is_failure(code):
            entry.failed += sample.value
        flags = sample.labels.get("response_flags", "-")
        entry.codes[code if flags == "-" else f"{code} {flags}"] += sample.value
    elif sample.name == "istio_request_duration_milliseconds_bucket":
        limit = sample.labels.get("le", "+Inf")
        entry.buckets[float("inf") if limit == "+Inf" else float(limit)] += sample.value
    elif sample.name == "istio_tcp_connections_opened_total":
        entry.connections += sample.value


def resolved(graph: Graph, workloads: Mapping[str, str]) -> dict[Way, Totals]:
    """The graph with requests that reached nobody at the one workload of their service; ``workloads`` by service."""
    merged: dict[Way, Totals] = {}
    for way, entry in graph.items():
        target = workloads.get(way.target, way.target)
        there = merged.setdefault(Way(way.source, target), Totals())
        for name in ("requests", "failed", "connections", "received", "mutual", "plain"):
            setattr(there, name, getattr(there, name) + getattr(entry, name))
        there.hops |= entry.hops
        for code, count in entry.codes.items():
            there.codes[code] += count
        for limit, count in entry.buckets.items():
            there.buckets[limit] += count
    return merged


def is_failure(code: str) -> bool:
    """Whether a status tells of a failure: 500 and more, or no answer at all."""
    return code == "0" or code.startswith("5")


@dataclass(frozen=True, kw_only=True)
class Edge:
    """One way between two moments."""

    way: Way
    rate: float
    """Requests per second."""

    error_percent: float | None
    """Of the requests in that time; None where there were none."""

    p95_ms: float | None
    """95 of 100 requests took at most so long, within the bounds of Istio's buckets."""

    sent: int
    """Requests since the first moment."""

    failed: int
    connections: int
    codes: Mapping[str, int]
    """By status and response flags, since the first moment."""

    is_mutual: bool | None
    """Whether mutual TLS was spoken; None where the called side has no proxy."""

    hops: tuple[str, ...] = ()
    """``ztunnel`` and ``waypoint``, as far as they carry it."""


def edges(first: Graph, before: Graph, now: Graph, *, passed: float) -> list[Edge]:
    """Every way that was ever used since ``first``; rates are those since ``before``, ``passed`` seconds ago."""
    listed = (_edge(way, first.get(way), before.get(way), entry, passed) for way, entry in sorted(now.items()))
    return [edge for edge in listed if edge.sent or edge.connections]


def _edge(way: Way, first: Totals | None, before: Totals | None, now: Totals, passed: float) -> Edge:
    first, before = _sound(first, now), _sound(before, now)
    requests, failed = now.requests - before.requests, now.failed - before.failed
    lately = {limit: count - before.buckets.get(limit, 0.0) for limit, count in now.buckets.items()}
    codes = {code: int(count - first.codes.get(code, 0.0)) for code, count in now.codes.items()}
    return Edge(
        way=way,
        rate=requests / passed if passed > 0 else 0.0,
        error_percent=100 * failed / requests if requests else None,
        p95_ms=quantile(QUANTILE, lately),
        sent=int(now.requests - first.requests),
        failed=int(now.failed - first.failed),
        connections=int(now.connections - first.connections) or int(now.received - first.received),
        codes={code: count for code, count in codes.items() if count},
        is_mutual=None if not now.mutual + now.plain else now.plain == 0,
        hops=tuple(sorted(now.hops, reverse=True)),
    )


def _sound(earlier: Totals | None, now: Totals) -> Totals:
    """A counter below what it was belongs to a proxy that began anew."""
    if earlier is None or earlier.requests > now.requests or earlier.connections > now.connections:
        return Totals()
    return earlier


def quantile(share: float, buckets: Mapping[float, float]) -> float | None:
    """As Prometheus' ``histogram_quantile``: straight lines within buckets; None without a request."""
    bounds = sorted(buckets)
    count = buckets[bounds[-1]] if bounds else 0.0
    if count <= 0:
        return None
    rank, low, below = share * count, 0.0, 0.0
    for bound in bounds:
        if buckets[bound] >= rank:
            if bound == float("inf"):
                return low
            inside = buckets[bound] - below
            return low + (bound - low) * ((rank - below) / inside if inside else 1.0)
        low, below = bound, buckets[bound]
    return low


def workloads(graph: Iterable[Way]) -> Sequence[str]:
    """The workloads and hosts that take part."""
    return sorted({name for way in graph for name in way})
