"""Prometheus on a running sandbox: installed, scraping by annotation, asked through the API server."""

import pytest

from labkit.base import errors, waiting
from labkit.telemetry.prometheus import QueryError


@pytest.fixture(scope="module")
def metrics(lab):
    lab.install_addon("prometheus")
    return lab


def test_every_proxy_and_istiod_are_targets(metrics):
    up = metrics.promql("up")
    assert {"productpage", "details", "ratings", "reviews", "istio-ingressgateway", "istiod"} <= set(up["app"])

    def all_answer():
        up = metrics.promql("up")
        return set(up[up["app"] != "istiod"]["value"]) == {1.0}

    # A pod that an earlier test has just ended was a target at the last look.
    waiting.until(all_answer, what="an answer of every proxy", timeout=60, next_step='kubectl get pods -A; ask "up"')


def test_it_stays_as_it_is_when_installed_again(metrics):
    assert "runs in istio-system" in repr(metrics.install_addon("prometheus"))


def test_a_range_ends_with_what_was_read_last(metrics):
    metrics.scraped()
    frame = metrics.promql('up{app="details"}', range="1m", step="5s")
    # A pod that was made anew within the minute has a column that has ended.
    assert list(frame.iloc[-1].dropna()) == [1.0]


def test_what_prometheus_refuses_is_said(metrics):
    with pytest.raises(QueryError, match="unclosed left parenthesis"):
        metrics.promql("sum(up")
    with pytest.raises(errors.SetupError, match="must be durations"):
        metrics.promql("up", range="soon")


def test_another_addon_is_named(metrics):
    with pytest.raises(errors.SetupError, match="no addon 'grafana'"):
        metrics.install_addon("grafana")


def test_a_request_is_one_trace_with_the_spans_of_every_proxy_on_its_way(lab):
    lab.install_addon("jaeger")
    lab.tracing()
    trace = lab.traced().trace
    assert len(trace.roots) == 1
    assert {"productpage.default", "details.default", "reviews.default"} <= set(trace.services)
    assert ("productpage.default", "details.default") in trace.edges()
    assert trace.id in {one.id for one in lab.traces()}
    lab.tracing(on=False)


def test_a_trace_that_is_not_there_is_said(lab):
    lab.install_addon("jaeger")
    with pytest.raises(errors.SetupError, match="no trace 'abc'"):
        lab.trace("abc")
