"""Half seconds of requests, and what a chart of the last minute shows of them."""

import io

import pandas as pd
import pytest

from labkit.views import windows
from tests.views.conftest import sent


def series(*records):
    series_of_rows = windows.Series()
    series_of_rows.add(records)
    return series_of_rows


def test_a_request_counts_in_the_half_second_in_which_it_was_sent():
    rows = series(sent(at=0.1), sent(at=0.4), sent(at=0.6))
    assert {n: w.total for n, w in rows.windows.items()} == {0: 2, 1: 1}


def test_the_newest_window_has_no_point_yet():
    assert [p["t"] for p in series(sent(at=0.0), sent(at=0.5), sent(at=1.0)).points(["v1"])] == [0.0, 0.5]


def test_a_pause_has_no_points():
    assert [p["t"] for p in series(sent(at=0), sent(at=9), sent(at=10)).points(["v1"])] == [0.0, 9.0]


def test_late_answers_change_their_own_window():
    rows = series(sent(at=0.0), sent(at=1.0))
    rows.add([sent("v2", at=0.1)])
    assert rows.points(["v1", "v2"])[0]["shares"] == [0.5, 0.5]


def test_a_point_that_was_drawn_changes_with_what_comes_late():
    rows = series(*(sent("v1", at=n / 2) for n in range(10)))
    before = rows.points(["v1", "v2"])
    rows.add([sent("v2", at=1.0)])
    after = rows.points(["v1", "v2"])
    changed = [n for n, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
    assert changed == list(range(2, 2 + windows.SMOOTH))


def test_only_a_minute_is_kept():
    rows = series(*(sent(at=n / 2) for n in range(500)))
    assert len(rows.windows) == windows.KEEP and min(rows.windows) == 500 - windows.KEEP


def test_shares_look_back_three_seconds_and_rates_do_not():
    rows = series(sent("v1", at=0.0), sent("v2", at=2.6), sent("v2", at=2.7), sent(at=3.1))
    point = rows.points(["v1", "v2"])[-1]
    assert point["shares"] == [pytest.approx(1 / 3, abs=1e-4), pytest.approx(2 / 3, abs=1e-4)]
    assert (point["rate"], point["rates"]) == (4.0, [0.0, 4.0])


@pytest.mark.parametrize(
    ("record", "shares", "failed"),
    [
        pytest.param(sent("", status=503), [0.5], 0.5, id="lost: no version is named"),
        pytest.param(sent("v1", status=500), [1.0], 0.0, id="the version's own: its answer names it"),
        pytest.param(sent("", status=0), [0.5], 0.5, id="no answer at all"),
    ],
)
def test_a_failure_is_the_versions_that_it_names(record, shares, failed):
    point = series(sent("v1"), record, sent(at=1.0)).points(["v1"])[0]
    assert (point["shares"], point["failed"], point["errors"]) == (shares, failed, 2.0)


def test_a_client_error_is_an_answer():
    assert not windows.is_failed(sent(status=404))


def test_latency_is_the_median_of_good_answers():
    rows = series(sent(ms=1), sent(ms=2), sent(ms=9), sent(ms=500, status=503), sent(at=1.0))
    assert rows.points(["v1", "v2"])[0]["latency"] == [2.0, None]


def test_only_the_last_latencies_are_remembered():
    window = windows.Window()
    for _ in range(windows.REMEMBERED):
        window.add(sent(ms=1.0))
    for _ in range(windows.REMEMBERED):
        window.add(sent(ms=9.0))
    assert windows.middle(window.latencies["v1"]) == 9.0 and window.total == 2 * windows.REMEMBERED


def test_a_tally_counts_only_what_was_sent_after_the_change():
    tally = windows.Tally(since=10.0)
    tally.add([sent("v1", at=9.9), sent("v2", at=10.0)])
    assert windows.counts_of(tally.all, ["v1", "v2"]) == {"v1": 0, "v2": 1}


def test_a_version_that_nobody_asked_for_is_counted_too():
    window = windows.merged(series(sent("v3"), sent("v1"), sent("")).windows.values())
    assert windows.counts_of(window, ["v1"]) == {"v1": 1, "v3": 1}


def test_recent_requests_are_those_of_three_seconds():
    assert series(sent(at=0.0), sent(at=9.0), sent(at=10.0)).recent().total == 2


def test_a_window_remembers_its_last_failure():
    window = windows.Window()
    window.add(sent(status=503, error="no healthy upstream"))
    window.add(sent(status=200))
    assert window.last_failure == "503 no healthy upstream"


def test_a_frame_reads_back_from_a_file():
    frame = pd.DataFrame(
        {
            "time": pd.to_datetime([1.5, 2.5], unit="s", utc=True),
            "status": [200, 0],
            "latency_ms": [2.0, 3.0],
            "version": ["v1", ""],
            "error": ["", "connection refused"],
        }
    )
    again = pd.read_csv(io.StringIO(frame.to_csv(index=False)))
    records = [(r.time, r.status, r.version, r.error) for r in windows.records_of(again)]
    assert records == [(1.5, 200, "v1", ""), (2.5, 0, "", "connection refused")]
