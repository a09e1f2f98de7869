"""From a page of metrics to samples in the store, and from the store to answers of the API."""

import json
import struct
from urllib.parse import urlencode

import pytest

from labkit.sandbox.apps.exchange import Request
from labkit.sandbox.apps.prometheus import api, config, exposition, scraping
from labkit.sandbox.apps.prometheus.chunks import Held
from labkit.sandbox.apps.prometheus.following import Following
from labkit.sandbox.apps.prometheus.promql import evaluation
from labkit.sandbox.apps.prometheus.promql.labels import labels
from labkit.sandbox.apps.prometheus.promql.samples import STALE
from labkit.sandbox.apps.prometheus.store import Store
from labkit.sandbox.apps.prometheus.targets import Target

PAGE = """# HELP requests All of them.
# TYPE requests counter
requests{code="200",path="/a\\"b"} 7
requests{code="503",path="}"} 1 1700000000000
# TYPE took histogram
took_bucket{le="1"} 1
took_bucket{le="+Inf"} 2
idle NaN
"""


def scrapes(store=None, *, honor_labels=True):
    job = config.Job(name="j", interval=5.0, timeout=4.0, honor_labels=honor_labels)
    of = labels({"job": "j", "instance": "a:1", "code": "mine"})
    return scraping.Scrapes(
        Target(job=job, url="http://a:1/metrics", labels=of, discovered={}), Store() if store is None else store
    )


def value(store, query, at=1_700_000_000_000):
    return [sample.value for sample in evaluation.instant(query, store, at)]


def test_a_page_becomes_samples():
    of = scrapes()
    of.take(PAGE, 1_700_000_000_000, 0.01)
    assert value(of.store, 'requests{code="200",path="/a\\"b",instance="a:1"}') == [7.0]
    assert value(of.store, 'took_bucket{le="1.0"}') == [1.0]
    assert value(of.store, "up") == [1.0]
    assert value(of.store, "scrape_samples_scraped") == [5.0]


@pytest.mark.parametrize(
    ("honors", "query"),
    [(True, 'requests{code="200"}'), (False, 'requests{code="mine",exported_code="200"}')],
    ids=["the page's labels", "the target's labels"],
)
def test_of_two_labels_of_a_name_one_wins(honors, query):
    of = scrapes(honor_labels=honors)
    of.take(PAGE, 1_700_000_000_000, 0.01)
    assert value(of.store, query) == [7.0]


def test_a_series_that_a_page_no_longer_has_ends_at_once():
    of = scrapes()
    of.take("a 1\nb 2\n", 1_000, 0.01)
    of.take("a 3\n", 6_000, 0.01)
    assert (value(of.store, "a", 6_000), value(of.store, "b", 6_000)) == ([3.0], [])


def test_a_target_that_does_not_answer_is_down_and_its_series_end():
    of = scrapes()
    of.take("a 1\n", 1_000, 0.01)
    of.fail("connection refused", 6_000, 0.01)
    assert (value(of.store, "a", 6_000), value(of.store, "up", 6_000), of.health) == ([], [0.0], "down")


@pytest.mark.parametrize("text", ["a b c", "a{b} 1", "9a 1", "a"], ids=["no number", "no value", "no name", "nothing"])
def test_a_page_that_is_none_fails(text):
    of = scrapes()
    of.take(text, 1_000, 0.01)
    assert of.health == "down"


@pytest.mark.parametrize(
    ("text", "kept"),
    [("1", "1.0"), ("0.5", "0.5"), ("+Inf", "+Inf"), ("3600000", "3.6e+06"), ("600000", "600000.0"), ("0", "0.0")],
)
def test_bounds_are_kept_as_prometheus_3_keeps_them(text, kept):
    assert exposition.bound(text) == kept


def test_the_store_lets_go_of_the_oldest():
    store = Store(most=100, retention=10**9)
    for time in range(1, 151):
        store.append(store.series(labels({"__name__": "a"})), time, 1.0)
        store.append(store.series(labels({"__name__": f"once{time % 3}"})), time, 1.0)
    store.trim(150)
    assert store.count <= 100
    (newest,) = [s for s in store.between(0, 150) if dict(s.labels)["__name__"] == "a"]
    assert newest.times[-1] == 150


def numbers(time: int) -> float:
    """Steady, then a counter, a marker, and zeroes of both signs: what bits tell apart stays apart."""
    return {0: 5.0, 1: float(time), 2: STALE if time % 7 else 1.5, 3: -0.0 if time % 2 else 0.0}[time // 40 % 4]


@pytest.mark.parametrize(
    ("start", "end"),
    [(1, 400), (100, 131), (390, 500), (-5, 0), (0, 1), (32, 33), (64, 64), (401, 500)],
    ids=lambda time: f"{time}",
)
def test_packed_samples_are_what_was_appended(start, end):
    series = Held(labels({"__name__": "a"}))
    for time in range(1, 401):
        series.append(time, numbers(time))
    times, values = series.part(start, end)
    part = [(t, struct.pack("d", v)) for t, v in zip(times, values, strict=True) if start <= t <= end]
    assert part == [(t, struct.pack("d", numbers(t))) for t in range(max(1, start), min(400, end) + 1)]
    assert series.has_between(start, end) == bool(part)


def test_the_store_lets_go_of_packed_samples_until_it_is_small_enough():
    store = Store(most=1000, retention=10**9)
    for time in range(1, 500):
        for name in "abcd":
            store.append(store.series(labels({"__name__": name})), time, 1.0)
    store.trim(500)
    assert 0 < store.count <= 1000
    assert store.count == sum(len(series.times) for series in store.between(0, 500))


def test_the_store_takes_no_older_sample():
    store = Store()
    series = store.series(labels({"a": "b"}))
    assert store.append(series, 2, 1.0)
    assert not store.append(series, 2, 2.0)


def test_a_series_that_was_let_go_comes_back_with_its_next_sample():
    store = Store(retention=10)
    series = store.series(labels({"__name__": "a"}))
    store.append(series, 1, 1.0)
    store.trim(100)
    assert (len(store), store.count) == (0, 0)
    store.append(series, 101, 2.0)
    assert value(store, "a", 101) == [2.0]


@pytest.fixture
def ask():
    following = Following(Store(), {})
    of = scrapes(following.store)
    of.take(PAGE, 1_700_000_000_000, 0.01)
    following.scrapes[of.target] = of
    served = api.Api(following, lambda: None, has_lifecycle=True)

    def asked(path, method="GET", **query):
        text = urlencode(query, doseq=True)
        request = Request(
            method=method, path=path, query=text if method == "GET" else "", fields=[], headers={},
            body=text.encode() if method == "POST" else b"", peer="",
        )  # fmt: skip
        reply = served.handle(request)
        return reply.status, json.loads(reply.body) if reply.body.startswith(b"{") else reply.body.decode()

    return asked


AT = "1700000000"
VECTOR = {"resultType": "vector", "result": [{"metric": {}, "value": [1_700_000_000.0, "8"]}]}
SCALAR = {"resultType": "scalar", "result": [1_700_000_000.0, "2"]}
MATRIX = {"resultType": "matrix", "result": [{"metric": {}, "values": [[1_700_000_000.0, "8"]]}]}
SERIES = [{"__name__": "requests", "code": "503", "instance": "a:1", "job": "j", "path": "}"}]


@pytest.mark.parametrize(
    ("path", "query", "expected"),
    [
        ("query", {"query": "sum(requests)", "time": AT}, VECTOR),
        ("query", {"query": "1+1", "time": "2023-11-14T22:13:20Z"}, SCALAR),
        ("query_range", {"query": "sum(requests)", "start": AT, "end": AT, "step": "15s"}, MATRIX),
        ("label/code/values", {}, ["200", "503", "mine"]),
        ("series", {"match[]": 'requests{code="503"}'}, SERIES),
        ("metadata", {"metric": "requests"}, {"requests": [{"type": "counter", "help": "All of them.", "unit": ""}]}),
    ],
    ids=["instant", "a date", "range", "values", "series", "metadata"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_api_answers(ask, path, query, expected, method):
    assert ask(f"/api/v1/{path}", method, **query) == (200, {"status": "success", "data": expected})


@pytest.mark.parametrize(
    ("path", "query", "status", "words"),
    [
        ("query", {"query": "sum("}, 400, "unclosed left parenthesis"),
        ("query", {}, 400, 'parameter "query"'),
        ("query", {"query": "a", "time": "soon"}, 400, "valid timestamp"),
        ("query_range", {"query": "a", "start": "2", "end": "1", "step": "1"}, 400, "before start"),
        ("query_range", {"query": "a", "start": "1", "end": "2", "step": "0"}, 400, "step"),
        ("query", {"query": "requests * on() requests", "time": AT}, 422, "many-to-many"),
        ("nothing", {}, 404, "not served"),
    ],
    ids=["syntax", "no query", "no time", "backwards", "no step", "ambiguous", "no page"],
)
def test_the_api_refuses(ask, path, query, status, words):
    code, answer = ask(f"/api/v1/{path}", **query)
    assert (code, answer["status"]) == (status, "error")
    assert words in answer["error"]


def test_targets_say_how_their_last_read_went(ask):
    _, answer = ask("/api/v1/targets", state="active")
    (target,) = answer["data"]["activeTargets"]
    assert (target["scrapeUrl"], target["health"], target["lastError"]) == ("http://a:1/metrics", "up", "")


def test_it_is_healthy_ready_and_reloads(ask):
    assert [ask(path)[0] for path in ("/-/healthy", "/-/ready")] == [200, 200]
    assert (ask("/-/reload", "POST")[0], ask("/-/reload")[0]) == (200, 405)
