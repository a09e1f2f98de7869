"""Golden signals as a live view: what is drawn, its twins, and a Prometheus that does not answer."""

from datetime import UTC, datetime

import pandas as pd

from labkit.base import errors
from labkit.telemetry.golden import Mark
from labkit.views.golden import Golden
from labkit.views.signals import SignalsView

AT = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
MARK = Mark(time=AT, what="virtualservice/reviews deleted")
GOLDEN = Golden(
    service="reviews",
    frame=pd.DataFrame(
        {"requests_per_s": [9.0, 10.0], "failed_percent": 0.0, "p50_ms": [4.0, 5.0],
         "p95_ms": float("nan"), "p99_ms": float("inf")},
        index=pd.date_range(AT, periods=2, freq="10s", tz="UTC"),
    ),
    marks=[MARK],
)  # fmt: skip


def test_a_page_gets_numbers_that_json_has():
    view = SignalsView.of_golden(GOLDEN)
    first = {"requests_per_s": 9.0, "failed_percent": 0.0, "p50_ms": 4.0, "p95_ms": None, "p99_ms": None}
    assert view.points[0] == {"t": AT.timestamp(), **first}
    assert view.changes == [{"t": AT.timestamp(), "what": MARK.what}]


def test_its_twins_are_those_of_the_recorded_signals():
    view = SignalsView.of_golden(GOLDEN)
    assert repr(view) == repr(GOLDEN) and view.static_html() == GOLDEN._repr_html_()
    assert view.table() is GOLDEN.frame and view.marks == [MARK]


def test_a_prometheus_that_does_not_answer_leaves_the_last_numbers_and_says_so():
    answers = iter([GOLDEN, errors.LabError("no Prometheus")])

    def read() -> Golden:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    view = SignalsView("reviews", read, every=None).look().look()
    assert view.message == "no Prometheus" and len(view.points) == 2
