"""PromQL, rule by rule: small series whose answers can be told by hand."""

import math

import pytest

from labkit.sandbox.apps.prometheus import answering
from labkit.sandbox.apps.prometheus.promql import evaluation, histograms, labels, numbers, samples
from labkit.sandbox.apps.prometheus.promql.errors import QueryError, UnreadableError, UnsupportedError
from labkit.sandbox.apps.prometheus.promql.samples import STALE, Series
from tests.sandbox.apps.prometheus.answers import Drawn

EVERY = 15_000


def series(name, values, **of):
    return Series(labels.labels({"__name__": name, **of}), [n * EVERY for n in range(len(values))], values)


SOURCE = Drawn(
    [
        series("requests", [float(10 * n) for n in range(21)], app="shop", code="200"),
        series("requests", [float(n) for n in range(21)], app="shop", code="503"),
        series("restarted", [0.0, 50.0, 100.0, 10.0, 60.0]),
        series("gone", [1.0, 2.0, STALE]),
        series("owner", [1.0] * 21, app="shop", team="green"),
    ]
)


def value(query, at=300.0, dialect=samples.V3):
    result = evaluation.instant(query, SOURCE, round(at * 1000), evaluation.Settings(dialect=dialect))
    return {sample.labels: sample.value for sample in result} if isinstance(result, list) else result


def number(query, at=300.0, dialect=samples.V3):
    result = value(query, at, dialect)
    assert len(result) == 1, result
    return next(iter(result.values()))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("sum(requests)", 220.0),
        ('sum(rate(requests{code="503"}[1m]))', 1 / 15),
        ('sum(requests{code=~"5.."}) / sum(requests)', 20 / 220),
        ('requests{code="503"} offset 1m', 16.0),
        ('requests{code="503"} @ 60', 4.0),
        ('max_over_time(rate(requests{code="200"}[1m])[3m:30s])', 10 / 15),
        ("count(requests > 50)", 1.0),
        ('requests{code="503"} * on (app) group_left (team) owner', 20.0),
        ("scalar(sum(requests)) + vector(1)", 221.0),
    ],
    ids=["sum", "rate", "share", "offset", "at", "subquery", "filter", "group_left", "scalar"],
)
def test_a_query_gives(query, expected):
    assert number(query) == pytest.approx(expected)


def test_a_counter_that_restarts_goes_on_rising():
    assert number("increase(restarted[75s])", at=60, dialect=samples.V2) == pytest.approx(160)


def test_a_series_ends_at_its_marker():
    assert value("gone", at=16) == {labels.labels({"__name__": "gone"}): 2.0}
    assert value("gone", at=31) == {}


@pytest.mark.parametrize(("at", "sees"), [(599.9, True), (600.0, False)], ids=["within five minutes", "after them"])
def test_a_sample_counts_for_five_minutes(at, sees):
    assert bool(value("owner", at=at)) == sees


@pytest.mark.parametrize(("dialect", "count"), [(samples.V2, 5.0), (samples.V3, 4.0)], ids=["2", "3"])
def test_a_window_of_prometheus_3_leaves_its_first_moment_out(dialect, count):
    assert number("count_over_time(owner[1m])", dialect=dialect) == count


def test_a_range_joins_elements_of_one_name():
    (one,) = evaluation.range_of('requests{code="503"}', SOURCE, 0, 60_000, 30_000)
    assert (list(one.times), list(one.values)) == ([0, 30_000, 60_000], [0.0, 2.0, 4.0])


@pytest.mark.parametrize(
    ("query", "error", "words"),
    [
        ("sum(", UnreadableError, "unclosed left parenthesis"),
        ("nosuch(requests)", UnreadableError, "nosuch"),
        ('requests{code="200" or code="503"}', UnsupportedError, "`or` between matchers"),
        ("requests @ -5", UnsupportedError, "`@` with a time before 1970"),
        ("limitk(1, requests)", UnsupportedError, "limitk"),
        ("histogram_count(requests)", UnsupportedError, "histogram_count"),
        ("owner * on (app) requests", QueryError, "many-to-many matching not allowed"),
        ("requests * on (app) owner", QueryError, "must be explicit"),
        ('sum by (app) (requests) * on() {app="shop"}', QueryError, "duplicate series"),
        ('sum_over_time({__name__=~"restarted|gone"}[5m])', QueryError, "the same labelset"),
        ('requests{code=~"("}', UnreadableError, "invalid|regex"),
    ],
    ids=lambda v: v if isinstance(v, str) else None,
)
def test_what_has_no_answer_says_why(query, error, words):
    with pytest.raises(error, match=words):
        value(query)


@pytest.mark.parametrize("step", ["0", "NaN", "-Inf", "Inf"])
def test_rounding_to_no_step_is_no_number(step):
    assert math.isnan(number(f"round(vector(2.5), {step})"))


@pytest.mark.parametrize("query", ["nosuch[1m]", "(nosuch)[5m:1m]", "(nosuch[1m])"])
def test_a_range_vector_is_one_when_it_is_empty_too(query):
    assert answering.value(evaluation.instant(query, SOURCE, 60_000), 60_000) == {"resultType": "matrix", "result": []}
    with pytest.raises(UnreadableError, match='invalid expression type "range vector"'):
        evaluation.range_of(query, SOURCE, 0, 60_000, 30_000)


def test_too_many_steps_are_refused():
    with pytest.raises(UnreadableError, match="11,000 points"):
        evaluation.range_of("owner", SOURCE, 0, 20_000_000, 1000)


@pytest.mark.parametrize(
    ("q", "expected"),
    [(0.5, 7.5), (0.0, 0.0), (0.9, 10.0), (-1.0, -math.inf), (2.0, math.inf)],
    ids=["inside a bucket", "zero", "above the last bound", "below 0", "above 1"],
)
def test_a_quantile_is_on_a_line_within_its_bucket(q, expected):
    assert histograms.quantile(q, [(5.0, 2.0), (10.0, 6.0), (math.inf, 8.0)]) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "text"),
    [(1e21, "1" + "0" * 21), (0.1, "0.1"), (5.0, "5"), (-0.0, "-0"), (math.inf, "+Inf"), (math.nan, "NaN")],
    ids=["large", "small", "whole", "minus zero", "infinite", "none"],
)
def test_numbers_are_written_as_prometheus_writes_them(value, text):
    assert numbers.text_of(value) == text
