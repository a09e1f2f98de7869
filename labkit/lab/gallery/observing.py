"""Canned frames of the views about traffic as it is measured: the mesh, its graph, signals, logs and traces."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from labkit.lab.gallery.exhibit import Exhibit
from labkit.telemetry import accesslogs, golden, traces
from labkit.telemetry import graph as counted
from labkit.telemetry.flows import Flow, Node
from labkit.telemetry.logfilters import LineFilter
from labkit.views import golden as signals
from labkit.views import graph, logtable, meshmap, waterfall
from labkit.views import logs as followed
from labkit.views import signals as live_signals

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)

WAYS = (
    ("bookinfo-gateway-istio", "productpage-v1", 120, 0, 25.0),
    ("productpage-v1", "details-v1", 120, 0, 5.0),
    ("productpage-v1", "reviews-v1", 84, 0, 10.0),
    ("productpage-v1", "reviews-v2", 24, 0, 25.0),
    ("productpage-v1", "reviews-v3", 12, 0, 25.0),
    ("reviews-v2", "ratings-v1", 24, 6, 5.0),
    ("reviews-v3", "ratings-v1", 12, 3, 5.0),
)
"""Source, target, requests in ten seconds, failed ones, and the milliseconds that most of them stayed under."""

LINE = (
    '[2026-11-30T12:00:0{second}.000Z] "GET /reviews/0 HTTP/1.1" {answer} '
    '"-" "curl/8" "{id}" "reviews:9080" "127.66.0.4:9080" '
    "outbound|9080|v2|reviews.default.svc.cluster.local - 10.96.0.7:9080 127.66.0.9:40000 - default"
)
ANSWERS = (
    '200 - via_upstream - "-" 0 379 12 9',
    '503 UF,URX upstream_reset_before_response_started{x} - "delayed_connect_error:_111" 0 91 12 -',
)


def exhibits() -> Iterator[Exhibit]:
    """From the whole mesh to one request."""
    logs = logtable.LogTable(steps=steps())
    trace = traced()
    yield Exhibit(heading="The mesh: workloads, proxies and requests", call="lab.mesh()", lesson="03", view=mesh())
    yield Exhibit(
        heading="The golden signals of a service, with marks where rules changed",
        call='lab.golden("reviews")',
        lesson="15",
        view=live_signals.SignalsView.of_golden(golden_signals()),
    )
    yield Exhibit(heading="Access logs as a table", call='lab.logs(path="/reviews/0", last=2)', lesson="16", view=logs)
    yield Exhibit(
        heading="A line of an access log, field by field",
        call='lab.logs(path="/reviews/0")[-1].explain()',
        lesson="16",
        view=logs[-1].explain(),
    )
    yield Exhibit(
        heading="Access logs as they are written, filtered",
        call="lab.logs(follow=True, failed=True)",
        lesson="16",
        view=followed.LogView.of_steps(steps(), only=LineFilter(failed=True)),
    )
    yield Exhibit(
        heading="The newest traces of a service",
        call='lab.traces("productpage", limit=1)',
        lesson="17",
        view=waterfall.Traces(traces=[trace]),
    )
    yield Exhibit(
        heading="One trace as a waterfall: each row opens",
        call="lab.traced()",
        lesson="17",
        view=waterfall.Waterfall(trace=trace),
    )
    yield Exhibit(
        heading="The service graph: rates, failures, latency and mutual TLS",
        call="lab.graph()",
        lesson="18",
        view=graphed(),
    )


def nodes() -> list[Node]:
    """The workloads of ``WAYS``, each with one pod and a proxy."""
    names = dict.fromkeys(name for source, target, *_ in WAYS for name in (source, target))
    return [Node(name=name, app=name.partition("-v")[0], pods=1, ready=1, has_proxy=True) for name in names]


def mesh() -> meshmap.MeshView:
    """Two looks, ten seconds of requests apart."""
    view = meshmap.MeshView(lambda: flows(times=1), every=None)
    view.take(flows(times=0), now=10.0)
    view.take(flows(times=1), now=20.0)
    return view


def flows(*, times: int) -> tuple[list[Node], list[Flow]]:
    """What the proxies have counted after so many times ten seconds."""
    return nodes(), [
        Flow(source=source, target=target, sent=sent * times, failed=failed * times, security="mutual TLS")
        for source, target, sent, failed, _ in WAYS
    ]


def totals(*, times: int) -> counted.Graph:
    """The graph's counters after so many times ten seconds."""
    return {
        counted.Way(f"default/{source}", f"default/{target}"): counted.Totals(
            requests=sent * times,
            failed=failed * times,
            codes={"200": (sent - failed) * times, **({"500": failed * times} if failed else {})},
            buckets=dict.fromkeys((most, 2 * most, float("inf")), sent * times),
            mutual=sent * times,
        )
        for source, target, sent, failed, most in WAYS
    }


def graphed() -> graph.GraphView:
    """Two looks, ten seconds apart."""
    seen = [Node(name=f"default/{n.name}", app=n.app, pods=1, ready=1, has_proxy=True) for n in nodes()]
    marks = {"default/ratings-v1": ["fault: 500 for 25 %"]}
    view = graph.GraphView(lambda: graph.Reading(nodes=(), totals={}), every=None)
    for times in (0, 1):
        view.take(graph.Reading(nodes=seen, totals=totals(times=times), marks=marks), now=10.0 * times)
    return view


def golden_signals() -> signals.Golden:
    """Five minutes in which a rule made a quarter of the requests fail."""
    import pandas as pd

    index = pd.date_range(NOON, periods=31, freq="10s", tz="UTC")
    is_bad = [10 <= n < 22 for n in range(len(index))]
    columns = {
        "requests_per_s": [10.0 + n % 3 for n in range(len(index))],
        "failed_percent": [25.0 if bad else 0.0 for bad in is_bad],
        "p50_ms": [4.0 + n % 2 for n in range(len(index))],
        "p95_ms": [40.0 if bad else 9.0 for bad in is_bad],
        "p99_ms": [48.0 if bad else 12.0 for bad in is_bad],
    }
    marks = [golden.Mark(time=NOON + timedelta(seconds=at), what="virtualservice/reviews") for at in (100, 220)]
    return signals.Golden(service="reviews", frame=pd.DataFrame(columns, index=index), marks=marks)


def steps() -> list[accesslogs.Step]:
    """A good answer, and one of nobody, as the proxy of productpage logged them."""
    lines = [LINE.format(second=n, answer=answer, id=f"5f0c6d2e-{n}") for n, answer in enumerate(ANSWERS)]
    return accesslogs.every({"productpage-v1": "\n".join(lines)})


def traced() -> traces.Trace:
    """A product page whose ratings failed, in the form of Jaeger's query API."""
    spans = [
        span("a", "", "productpage", "server", 0, 42_000),
        span("b", "a", "productpage", "client", 2_000, 6_000),
        span("c", "b", "details", "server", 3_000, 4_000),
        span("d", "a", "productpage", "client", 9_000, 31_000),
        span("e", "d", "reviews", "server", 10_000, 29_000),
        span("f", "e", "reviews", "client", 12_000, 25_000),
        span("g", "f", "ratings", "server", 13_000, 23_000, error="true"),
    ]
    processes = {name: {"serviceName": f"{name}.default"} for name in ("productpage", "details", "reviews", "ratings")}
    return traces.trace({"traceID": "80f198ee56343ba8", "spans": spans, "processes": processes})


def span(
    id: str, parent: str, service: str, kind: str, start_us: int, duration_us: int, **tags: str
) -> Mapping[str, Any]:
    """A span of a trace that began at noon."""
    return {
        "traceID": "80f198ee56343ba8",
        "spanID": id,
        "operationName": "productpage.default.svc.cluster.local:9080/*",
        "processID": service,
        "startTime": int(NOON.timestamp()) * 1_000_000 + start_us,
        "duration": duration_us,
        "tags": [{"key": k, "type": "string", "value": v} for k, v in {"span.kind": kind, **tags}.items()],
        "references": [{"refType": "CHILD_OF", "traceID": "80f198ee56343ba8", "spanID": parent}] if parent else [],
    }
