"""What is read from an answer, and what many answers say together."""

import pytest

from labkit.sandbox.apps.bookinfo import page
from labkit.traffic import results
from labkit.traffic.results import Sent

POD = "reviews-v3-5f4d584748-x7k2p"
REVIEWS = {"podname": POD, "clustername": "null", "reviews": []}


def record(*, time=0.0, status=200, latency_ms=1.0, version="v1", error=""):
    return Sent(
        time=time,
        status=status,
        latency_ms=latency_ms,
        version=version,
        pod="",
        bytes_received=10,
        error=error,
    )


@pytest.mark.parametrize(
    ("body", "result"),
    [
        pytest.param(f'{{"id": "0", "podname": "{POD}"}}', ("v3", POD), id="reviews"),
        pytest.param(f'{{"id":"0","podname":"{POD}"}}', ("v3", POD), id="reviews without spaces"),
        pytest.param(f"<dt>Reviews served by:</dt>\n <u>{POD}</u>", ("v3", POD), id="the original's page"),
        pytest.param("Hello version: v2, instance: helloworld-v2-a-b\n", ("v2", "helloworld-v2-a-b"), id="hello"),
        pytest.param("Error fetching product reviews", ("", ""), id="a page without reviews"),
        pytest.param('{"podname": "web-0"}', ("", ""), id="a pod without a version"),
        pytest.param("", ("", ""), id="nothing"),
    ],
)
def test_who_served_it(body, result):
    assert results.served_by(body.encode()) == result


def test_who_served_the_reviews_of_our_own_page():
    product = {"title": "t", "descriptionHtml": "d"}
    html = page.front(
        user="",
        podname="productpage-v1-a-b",
        product=product,
        details={"error": "e"},
        details_status=500,
        reviews=REVIEWS,
        reviews_status=200,
    )
    assert results.served_by(html.encode()) == ("v3", POD)


def test_a_summary_counts_versions_statuses_and_failures():
    records = [
        record(time=0.0, latency_ms=1.0),
        record(time=1.0, latency_ms=2.0, version="v3"),
        record(time=2.0, latency_ms=3.0, status=503, version=""),
        record(time=3.0, latency_ms=4.0, status=0, version="", error="refused"),
        record(time=4.0, latency_ms=100.0, status=404, version=""),
    ]
    totals = results.summary(records)
    assert (totals.count, totals.failed, totals.error_rate) == (5, 2, 0.4)
    assert totals.by_version == {"v1": 1, "v3": 1}
    assert totals.by_status == {0: 1, 200: 2, 404: 1, 503: 1}
    assert (totals.rate, totals.p50_ms, totals.p99_ms) == (1.0, 3.0, 100.0)
    assert repr(totals) == "5 requests, 2 failed, v1 1, v3 1; median 3.0 ms, 99th percentile 100.0 ms"


def test_a_summary_of_nothing():
    assert repr(results.summary([])).startswith("0 requests, 0 failed")


@pytest.mark.parametrize(
    ("values", "part", "value"),
    [([1.0], 50, 1.0), ([3.0, 1.0, 2.0], 50, 2.0), ([1.0, 2.0], 50, 1.0), (list(range(1, 101)), 99, 99)],
)
def test_percentiles_are_values_that_were_seen(values, part, value):
    assert results.percentile(values, part) == value


def test_a_table_of_nothing_has_its_columns():
    frame = results.frame([])
    assert len(frame) == 0 and "latency_ms" in frame.columns and str(frame.time.dtype).endswith("UTC]")
