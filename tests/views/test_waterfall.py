"""A trace as a tree and as a waterfall."""

import pytest

from labkit.telemetry import traces
from labkit.views.waterfall import Traces, Waterfall


def span(id, parent="", *, service="p1", start=0, duration=1000, name="GET", **tags):
    return {
        "traceID": "t", "spanID": id, "operationName": name, "processID": service, "startTime": 1_000_000 + start,
        "duration": duration, "tags": [{"key": k, "type": "string", "value": v} for k, v in tags.items()],
        "references": [{"refType": "CHILD_OF", "traceID": "t", "spanID": parent}] if parent else [],
    }  # fmt: skip


def trace(*spans):
    processes = {"p1": {"serviceName": "shop.default"}, "p2": {"serviceName": "stock.default"}}
    return traces.trace({"traceID": "t", "spans": list(spans), "processes": processes})


WHOLE = (
    span("a", duration=9000, **{"span.kind": "server"}),
    span("b", "a", start=1000, duration=7000, **{"span.kind": "client"}),
    span("c", "b", service="p2", start=2000, duration=5000, error=True),
)


def test_a_trace_is_a_tree():
    tree = trace(*WHOLE)
    assert [(depth, s.id, s.start_ms, s.duration_ms) for depth, s in tree.rows] == [
        (0, "a", 0.0, 9.0), (1, "b", 1.0, 7.0), (2, "c", 2.0, 5.0),
    ]  # fmt: skip
    assert tree.edges() == [("shop.default", "stock.default")]
    assert [s.is_error for s in tree.spans] == [False, False, True]


def test_a_span_whose_parent_is_missing_is_a_root():
    tree = trace(span("a"), span("c", "lost", service="p2"))
    assert [root.id for root in tree.roots] == ["a", "c"]
    assert "2 spans have no parent here" in Waterfall(trace=tree)._repr_html_()


@pytest.mark.parametrize("spans", [(span("a", "b"), span("b", "a")), (span("a", "a"),)], ids=["a circle", "itself"])
def test_spans_that_cause_each_other_end(spans):
    assert len(trace(*spans).spans) <= len(spans)


def test_names_and_tags_never_become_markup():
    tree = trace(span("a", name="<script>alert(1)</script>", url="</td><img src=x>"))
    html = Waterfall(trace=tree)._repr_html_()
    assert "<script" not in html and "<img" not in html
    assert "&lt;script&gt;" in html


def test_bars_lie_where_their_time_is():
    html = Waterfall(trace=trace(*WHOLE))._repr_html_()
    assert "left:11.11%;width:77.78%" in html
    assert "7.0 ms, 1.0 ms after the beginning" in html


def test_each_row_opens_without_a_script():
    html = Waterfall(trace=trace(*WHOLE))._repr_html_()
    assert html.count("<details") == html.count("<summary") == 3
    assert "✗ failed" in html


def test_it_has_a_table_and_a_text():
    shown = Waterfall(trace=trace(*WHOLE))
    assert list(shown.table()["service"]) == ["shop.default", "shop.default", "stock.default"]
    assert repr(shown).splitlines()[-1].split() == ["stock.default", "GET", "2.0", "5.0"]


def test_a_list_of_traces_gives_one_by_its_number():
    listed = Traces(traces=[trace(*WHOLE)])
    assert listed[0].id == "t" and len(listed) == 1
    assert "shop, stock" in repr(listed)
    assert repr(Traces(traces=[])) == "no traces"


@pytest.mark.parametrize(
    ("microseconds", "marks"),
    [
        pytest.param(400_000, ["0", "100", "200", "300", "400 ms"], id="slow"),
        pytest.param(9000, ["0", "2.2", "4.5", "6.8", "9.0 ms"], id="quick"),
        pytest.param(1000, ["0", "0.25", "0.50", "0.75", "1.00 ms"], id="very quick"),
    ],
)
def test_the_marks_of_the_time_differ_however_short_the_trace(microseconds, marks):
    drawn = Waterfall(trace=trace(span("a", duration=microseconds)))._repr_html_()
    assert "".join(f"<span>{mark}</span>" for mark in marks) in drawn
