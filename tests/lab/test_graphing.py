"""Metrics, graph and log lines of a running mesh: every request counts once at either end."""

import pytest

from labkit.base import waiting
from labkit.telemetry import graph
from tests.lab.conftest import Lab

PAGES = 40
COUNTED = 10.0
PAGE = "/api/v1/products"


@pytest.fixture(scope="module")
def httpbin(lab: Lab) -> Lab:
    lab.goto("16")
    return lab


def counted(lab: Lab) -> dict[str, int]:
    """Requests to productpage by reporter."""
    connection = lab._connection
    pages = connection.doors.metrics(connection.proxies(), "stats/prometheus?filter=istio_requests_total").values()
    counts = {"source": 0, "destination": 0}
    for page in pages:
        for sample in graph.samples(page):
            if sample.labels.get("destination_service_name") == "productpage":
                counts[sample.labels["reporter"]] += int(sample.value)
    return counts


def test_both_reporters_count_every_request(lab: Lab) -> None:
    before = counted(lab)
    asked = {reporter: count + PAGES for reporter, count in before.items()}
    assert (lab.send(PAGE, count=PAGES)["status"] == 200).all()
    waiting.until(
        lambda: counted(lab) == asked,
        what="the counts of the last request",
        timeout=COUNTED,
        next_step="look at :15020/stats/prometheus",
        show=lambda _: str(counted(lab)),
    )


def test_the_graph_is_never_empty_and_shows_a_request_at_once(lab: Lab) -> None:
    view = lab.graph()
    assert {"default/productpage-v1", "istio-system/istio-ingressgateway"} <= {node["name"] for node in view.nodes}
    assert view.message
    lab.send(PAGE)

    def way() -> dict[str, object]:
        edges = view.look().edges
        return next((e for e in edges if e["target"] == "default/productpage-v1" and e["mutual"]), {})

    edge = waiting.until(way, what="the way into productpage", timeout=COUNTED, next_step="lab.graph()")
    assert (edge["sent"], edge["failed"]) == (1, 0)


def test_apps_do_not_see_what_proxies_tell_each_other(httpbin: Lab) -> None:
    answer = httpbin.curl("http://httpbin:8000/headers")
    assert "envoy-peer" not in answer.body.lower()


def test_a_telemetry_changes_the_labels_of_a_metric(httpbin: Lab) -> None:
    overrides = [
        {
            "match": {"metric": "REQUEST_COUNT", "mode": "CLIENT"},
            "tagOverrides": {"method": {"value": "request.method"}, "source_version": {"operation": "REMOVE"}},
        }
    ]
    telemetry = {
        "apiVersion": "telemetry.istio.io/v1",
        "kind": "Telemetry",
        "metadata": {"name": "labels"},
        "spec": {"selector": {"matchLabels": {"app": "curl"}}, "metrics": [{"overrides": overrides}]},
    }
    httpbin.apply(telemetry)
    connection = httpbin._connection
    caller = [pod for pod in connection.proxies() if pod.app == "curl"]

    def labels() -> dict[str, str]:
        httpbin.curl("http://httpbin:8000/get")
        pages = connection.doors.metrics(caller, "stats/prometheus?filter=istio_requests_total").values()
        every = [s.labels for page in pages for s in graph.samples(page) if s.labels.get("method")]
        return dict(every[0]) if every else {}

    try:
        seen = waiting.until(labels, what="a label of our own", timeout=COUNTED, next_step="kubectl get telemetry")
    finally:
        httpbin.delete(telemetry)
    assert seen["method"] == "GET"
    assert "source_version" not in seen


def test_a_failure_stands_in_the_log_with_its_flag(httpbin: Lab) -> None:
    httpbin.access_logs()
    try:
        httpbin.curl("http://httpbin:8000/delay/3", "--max-time", "0.3")
        lines = httpbin.logs(proxy="curl", path="/delay/3", last=1)
        assert (lines[-1].status, lines[-1].flags) == (0, "DC")
        assert "the caller hung up" in repr(lines[-1].explain())
    finally:
        httpbin.access_logs(on=False)
