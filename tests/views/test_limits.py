"""The rate-limit meter, drawn from data."""

import pytest

from labkit.base import errors
from labkit.views import limits


def bucket(allowed=0, refused=0, **more):
    row = {"where": "proxy", "name": "shop", "most": 4, "per": 8.0, "shadow": 0}
    return {**row, "allowed": allowed, "refused": refused, **more}


def window(allowed=0, refused=0, **more):
    return bucket(allowed, refused, **{"where": "service", "name": "shop.PATH", "per": 60.0, **more})


def looks(*rows):
    """A meter that found these rows, each at its second."""
    meter = limits.LimitView("gateway", every=None)
    for now, row in rows:
        meter.take([row], now=now)
    return meter.rows[0]


@pytest.mark.parametrize(
    ("rows", "left"),
    [
        pytest.param([(0, bucket())], 4.0, id="a bucket is full at first"),
        pytest.param([(0, bucket()), (1, bucket(3))], 1.0, id="what passed is taken from it"),
        pytest.param([(0, bucket()), (1, bucket(4)), (3, bucket(4))], 1.0, id="tokens come back evenly"),
        pytest.param([(0, bucket()), (99, bucket())], 4.0, id="and no more than it holds"),
        pytest.param([(0, bucket(50)), (2, bucket(50))], 1.0, id="unknown at first, it is taken for empty"),
        pytest.param([(0, bucket()), (1, bucket(1, 3))], 1.0, id="a refusal means that it was empty"),
        pytest.param([(0, window()), (1, window(3))], 1, id="a window by what it counted"),
        pytest.param([(0, window()), (1, window(4, 9))], 0, id="a window that is used up"),
        pytest.param([(0, window()), (59, window(4, 9)), (60, window(4, 9))], 4, id="a new window"),
        pytest.param([(0, window(most=None))], None, id="no limit"),
    ],
)
def test_what_is_left_is_reckoned_as_the_limit_is_kept(rows, left):
    assert looks(*rows)["left"] == left


def test_changes_are_told_since_the_last_look():
    row = looks((0, bucket(2, 1)), (2, bucket(5, 3)))
    assert (row["passed"], row["lately"]) == (3, 2)


def test_a_proxy_that_began_anew_let_nothing_pass_lately():
    row = looks((0, bucket(50, 9)), (2, bucket(1, 0)))
    assert (row["passed"], row["lately"]) == (0, 0)


def test_points_are_rates():
    meter = limits.LimitView("gateway", every=None)
    meter.take([bucket()], now=10.0)
    meter.take([bucket(4, 6)], now=12.0)
    assert meter.points[-1] == {"t": 12.0, "allowed": 2.0, "refused": 3.0}


def test_asked_and_measured_stand_beside_each_other():
    meter = limits.LimitView.of_rows("gateway", [bucket(4, 6), window(2, 0, shadow=1)])
    assert meter.table().to_dict("index") == {
        "shop": {
            "kept by": "each proxy",
            "asked": "4 per 8 s",
            "left": "0",
            "allowed": "4",
            "refused": "6",
            "measured": "60% of 10 refused",
        },
        "shop.PATH": {
            "kept by": "the service",
            "asked": "4 per 60 s",
            "left": "4",
            "allowed": "2",
            "refused": "0",
            "measured": "0% of 2 refused, 1 over the limit passed in shadow mode",
        },
    }
    assert repr(meter) == "Limits(gateway: 2 limits, 6 allowed, 6 refused)"


def test_names_never_become_markup():
    data, _ = limits.LimitView.of_rows("<i>", [bucket(name="<b>x</b>")])._repr_mimebundle_()
    assert "<i>" not in data["text/html"]
    assert "<b>" not in data["text/html"]


def test_an_empty_meter_says_what_to_do():
    assert "apply an EnvoyFilter" in limits.LimitView.of_rows("gateway", []).static_html()


def test_a_source_that_does_not_answer_is_told_and_the_rows_stay():
    answers = iter([[bucket()], errors.LabError("the pod is gone")])

    def read():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    meter = limits.LimitView("gateway", read, every=None).look().look()
    assert (meter.message, len(meter.rows)) == ("the pod is gone", 1)


def test_a_page_that_shows_it_starts_it_and_the_last_one_that_leaves_stops_it():
    meter = limits.LimitView("gateway", lambda: [bucket()])
    meter._on_message(meter, {"alive": "a", "first": True}, [])
    assert meter.running
    meter._on_message(meter, {"gone": "a"}, [])
    assert not meter.running


def test_limits_that_are_taken_away_leave_their_last_numbers_and_say_so():
    meter = limits.LimitView("gateway", every=None)
    meter.take([bucket(3, 2)], now=0.0)
    meter.take([], now=1.0)
    assert ([row["refused"] for row in meter.rows], "taken away" in meter.message) == ([2], True)
    meter.take([bucket(1)], now=2.0)
    assert ([row["allowed"] for row in meter.rows], meter.message) == ([1], "")
