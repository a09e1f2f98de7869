"""Answers of a Prometheus as frames."""

import json

import pytest

from labkit.telemetry import prometheus


def asking(data, *, status="success", **rest):
    asked = []

    def ask(path):
        asked.append(path)
        return 200, json.dumps({"status": status, "data": data, **rest})

    return prometheus.Prometheus(ask), asked


def series(values, **metric):
    return {"metric": metric, "values": values}


def test_an_instant_answer_is_a_row_an_element():
    data = {"resultType": "vector", "result": [{"metric": {"app": "a"}, "value": [1, "2.5"]}]}
    of, asked = asking(data)
    assert of.instant("x", at=1.0).to_dict("records") == [{"app": "a", "value": 2.5}]
    assert asked == ["/api/v1/query?query=x&time=1.000"]


def test_a_range_is_a_column_a_series_named_by_what_tells_them_apart():
    data = {"resultType": "matrix", "result": [series([[1, "2"]], app="a", v="1"), series([[1, "3"]], app="a", v="2")]}
    of, asked = asking(data)
    frame = of.range("x", over=60.0, step=15.0, end=100.0)
    assert list(frame.columns) == ["v=1", "v=2"]
    assert frame.index[0].timestamp() == 1.0
    assert asked == ["/api/v1/query_range?query=x&start=40.000&end=100.000&step=15"]


def test_nothing_counts_as_zero():
    of, _ = asking({"resultType": "vector", "result": []})
    assert of.number("x") == 0.0


def test_a_refusal_says_what_prometheus_said():
    of, _ = asking(None, status="error", errorType="bad_data", error="unclosed left parenthesis")
    with pytest.raises(prometheus.QueryError, match="unclosed left parenthesis"):
        of.instant("sum(")


def test_a_page_that_is_no_answer_is_shown():
    of = prometheus.Prometheus(lambda path: (503, "no endpoints available"))
    with pytest.raises(prometheus.QueryError, match="no endpoints available"):
        of.instant("x")


@pytest.mark.parametrize(("text", "value"), [("5m", 300.0), ("15s", 15.0), ("1h", 3600.0), (30, 30.0), ("7", 7.0)])
def test_durations_are_seconds(text, value):
    assert prometheus.seconds(text) == value
