"""Golden signals: asked as callers see them, marked where rules changed, drawn with a table beside."""

from datetime import UTC, datetime

import pandas as pd

from labkit.sandbox.apps.prometheus.promql import syntax
from labkit.telemetry import golden
from labkit.views.golden import Golden

AT = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


def rule(name, *times):
    fields = [{"manager": "kubectl", "time": time} for time in times]
    return {"kind": "VirtualService", "metadata": {"name": name, "managedFields": fields}}


def frame(failed=0.0):
    index = pd.date_range(AT, periods=3, freq="10s", tz="UTC")
    numbers = {"requests_per_s": [10.0, 10.0, 8.0], "failed_percent": [0.0, failed, failed]}
    return pd.DataFrame({**numbers, "p50_ms": 4.0, "p95_ms": [5.0, float("nan"), 9.0], "p99_ms": 9.0}, index=index)


def test_every_query_can_be_read():
    for query in golden.queries("reviews", "default", window="1m").values():
        syntax.read(query)


def test_marks_are_the_last_changes_in_order():
    objects = [rule("late", "2026-11-30T12:00:20Z"), rule("early", "2026-11-30T11:00:00Z", "2026-11-30T12:00:10Z")]
    objects.append(rule("before", "2026-11-30T11:00:00Z"))
    assert [mark.what for mark in golden.marks(objects, AT)] == ["virtualservice/early", "virtualservice/late"]


def test_it_says_its_newest_numbers_and_what_changed():
    mark = golden.Mark(time=datetime(2026, 11, 30, 12, 0, 10, tzinfo=UTC), what="virtualservice/<b>")
    shown = Golden(service="reviews", frame=frame(failed=25.0), marks=[mark])
    assert repr(shown).splitlines() == [
        "reviews: 8.0 requests per second, 25.0 % fail, half within 4 ms, 95 % within 9 ms",
        "  changed at 12:00:10: virtualservice/<b>",
    ]
    html = shown._repr_html_()
    assert "virtualservice/&lt;b&gt;" in html and "<b>." not in html
    assert html.count("<svg") == 3 and "<table" in html


def test_without_requests_it_says_so():
    assert repr(Golden(service="reviews", frame=pd.DataFrame())) == "reviews: no requests in this time"
    assert "no requests" in Golden(service="reviews", frame=frame().iloc[:0])._repr_html_()
