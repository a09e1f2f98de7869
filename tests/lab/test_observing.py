"""Prometheus on a running sandbox: installed, scraping by annotation, asked through the API server."""

import pytest

from labkit.base import errors
from labkit.telemetry.prometheus import QueryError


@pytest.fixture(scope="module")
def metrics(lab):
    lab.install_addon("prometheus")
    return lab


def test_every_proxy_and_istiod_are_targets(metrics):
    up = metrics.promql("up")
    assert {"productpage", "details", "ratings", "reviews", "istio-ingressgateway", "istiod"} <= set(up["app"])
    assert set(up[up["app"] != "istiod"]["value"]) == {1.0}


def test_it_stays_as_it_is_when_installed_again(metrics):
    assert "runs in istio-system" in repr(metrics.install_addon("prometheus"))


def test_a_range_ends_with_what_was_read_last(metrics):
    metrics.scraped()
    frame = metrics.promql('up{app="details"}', range="1m", step="5s")
    assert list(frame.iloc[-1]) == [1.0]


def test_what_prometheus_refuses_is_said(metrics):
    with pytest.raises(QueryError, match="unclosed left parenthesis"):
        metrics.promql("sum(up")
    with pytest.raises(errors.SetupError, match="must be durations"):
        metrics.promql("up", range="soon")


def test_another_addon_is_named(metrics):
    with pytest.raises(errors.SetupError, match="no addon 'grafana'"):
        metrics.install_addon("grafana")
