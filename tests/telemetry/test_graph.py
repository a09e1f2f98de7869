"""The service graph from the pages of proxies: ways, rates, failures, latency, mutual TLS."""

import pytest

from labkit.telemetry import flows, graph, marks
from labkit.telemetry.workloads import Workload

CALL = {
    "source_workload": "productpage-v1",
    "source_workload_namespace": "default",
    "destination_workload": "reviews-v2",
    "destination_workload_namespace": "default",
    "destination_service_name": "reviews",
    "response_code": "200",
    "response_flags": "-",
}
WAY = graph.Way("default/productpage-v1", "default/reviews-v2")


def line(name: str, value: float, **labels: str) -> str:
    said = ",".join(f'{key}="{text}"' for key, text in {**CALL, **labels}.items())
    return f"{name}{{{said}}} {value}\n"


def requests(value: float, **labels: str) -> str:
    return line("istio_requests_total", value, **{"reporter": "source", **labels})


def test_the_caller_counts_and_the_called_says_whether_it_was_encrypted() -> None:
    seen = requests(10, reporter="destination", connection_security_policy="mutual_tls")
    (entry,) = graph.totals([requests(10), seen]).values()
    assert (entry.requests, entry.mutual, entry.plain) == (10, 10, 0)


@pytest.mark.parametrize(
    ("labels", "failed", "code"),
    [
        pytest.param({}, 0, "200", id="fine"),
        pytest.param({"response_code": "404"}, 0, "404", id="the caller's own mistake"),
        pytest.param({"response_code": "503", "response_flags": "UF"}, 4, "503 UF", id="nobody there"),
        pytest.param({"response_code": "0", "response_flags": "DC"}, 4, "0 DC", id="no answer"),
    ],
)
def test_failures_are_answers_of_500_and_more_or_none(labels: dict[str, str], failed: int, code: str) -> None:
    entry = graph.totals([requests(4, **labels)])[WAY]
    assert (entry.failed, dict(entry.codes)) == (failed, {code: 4})


def test_where_nobody_answered_the_service_is_the_target() -> None:
    unknown = {"destination_workload": "unknown", "destination_workload_namespace": "unknown"}
    own = graph.totals([requests(1, **unknown, destination_service_namespace="default")])
    assert set(own) == {graph.Way("default/productpage-v1", "default/reviews")}
    outside = graph.totals([requests(1, **unknown, destination_service_namespace="unknown")])
    assert set(outside) == {graph.Way("default/productpage-v1", "reviews")}


def test_requests_that_reached_nobody_count_for_the_only_workload_of_their_service() -> None:
    unknown = {"destination_workload": "unknown", "response_code": "555", "response_flags": "FI"}
    pages = [requests(4) + requests(3, **unknown, destination_service_namespace="default")]
    ((way, entry),) = graph.resolved(graph.totals(pages), {"default/reviews": "default/reviews-v2"}).items()
    assert (way, entry.requests, entry.failed) == (WAY, 7, 3)


def test_a_caller_without_a_proxy_is_counted_by_the_called() -> None:
    outside = {"reporter": "destination", "source_workload": "unknown", "connection_security_policy": "none"}
    (way,), (entry,) = zip(*graph.totals([requests(3, **outside)]).items(), strict=True)
    assert (way.source, entry.requests, entry.plain) == ("unknown", 3, 3)


def edge(first: str, before: str, now: str, *, passed: float = 5.0) -> graph.Edge:
    (only,) = graph.edges(graph.totals([first]), graph.totals([before]), graph.totals([now]), passed=passed)
    return only


def test_rates_are_of_the_window_and_sums_of_the_whole() -> None:
    failed = {"response_code": "500"}
    one = edge(requests(10), requests(20), requests(25) + requests(5, **failed))
    assert (one.rate, one.error_percent, one.sent, one.failed) == (2.0, 50.0, 20, 5)


def test_a_proxy_that_began_anew_counts_from_nothing() -> None:
    one = edge(requests(100), requests(100), requests(4))
    assert (one.sent, one.rate) == (4, 0.8)


def test_a_way_that_nobody_took_since_is_no_edge() -> None:
    page = graph.totals([requests(9)])
    assert graph.edges(page, page, page, passed=1.0) == []


@pytest.mark.parametrize(
    ("buckets", "found"),
    [
        pytest.param({}, None, id="no request"),
        pytest.param({5.0: 100, 10.0: 100, float("inf"): 100}, 4.75, id="inside the first bucket"),
        pytest.param({5.0: 90, 10.0: 100, float("inf"): 100}, 7.5, id="inside the second"),
        pytest.param({5.0: 90, 10.0: 90, float("inf"): 100}, 10.0, id="beyond the last bound"),
    ],
)
def test_quantiles_are_those_of_prometheus(buckets: dict[float, float], found: float | None) -> None:
    assert graph.quantile(0.95, buckets) == found


NODE = flows.Node(name="default/ratings-v1", app="ratings", pods=1, ready=1, has_proxy=True)


def rule(host: str, namespace: str = "default", **fault: object) -> dict[str, object]:
    return {
        "metadata": {"name": "r", "namespace": namespace},
        "spec": {"hosts": [host], "http": [{"fault": fault}]},
    }


@pytest.mark.parametrize(
    ("said", "found"),
    [
        pytest.param(
            rule("ratings", delay={"fixedDelay": "2s", "percentage": {"value": 100}}),
            ["fault: delay 2s for 100 %"],
            id="a delay",
        ),
        pytest.param(
            rule("ratings.default.svc.cluster.local", "other", abort={"httpStatus": 555, "percent": 50}),
            ["fault: 555 for 50 %"],
            id="an abort, by the full name",
        ),
        pytest.param(rule("ratings", "other", abort={"httpStatus": 500}), [], id="another namespace's host"),
        pytest.param(rule("reviews", abort={"httpStatus": 500}), [], id="another host"),
    ],
)
def test_faults_are_marked_where_they_hit(said: dict[str, object], found: list[str]) -> None:
    assert marks.of_rules([said], NODE) == found


def test_ejected_endpoints_and_open_circuits_are_marked() -> None:
    pod = Workload(
        name="ratings-v1-abc-def", namespace="default", app="ratings", version="v1", ready=2, containers=2,
        has_proxy=True, phase="Running", ip="127.66.0.5",
    )  # fmt: skip
    endpoint = {
        "address": {"socket_address": {"address": "127.66.0.5"}},
        "health_status": {"failed_outlier_check": True},
    }
    import json

    clusters = {"reviews-v2-abc-def": json.dumps({"cluster_statuses": [{"name": "x", "host_statuses": [endpoint]}]})}
    name = "cluster.outbound|9080||ratings.default.svc.cluster.local;.circuit_breakers.default.rq_pending_open"
    stats = {"reviews-v3-abc-def": f"{name}: 1\n"}
    assert marks.of_circuits(clusters, stats, [pod]) == {
        "default/ratings-v1": ["circuit open for reviews-v3", "ejected by reviews-v2"]
    }
