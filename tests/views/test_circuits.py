"""The circuit panel, drawn from data."""

import threading

import pytest

from labkit.base import errors
from labkit.views import circuits, presence


def row(**more):
    endpoint = {"address": "127.69.0.5:9080", "state": "healthy", "requests": 1, "errors": 0}
    return {
        "service": "reviews",
        "port": "9080",
        "subset": "v1",
        "connections": (1, 10),
        "waiting": (0, None),
        "requests": (1, None),
        "open": (),
        "refused": 0,
        "ejections": 0,
        "ejected": 0,
        "endpoints": (endpoint,),
        **more,
    }


def view(*looks):
    """A panel whose looks find these rows, one after the other."""
    result = iter(looks)
    return circuits.CircuitView("productpage", lambda: next(result), every=None)


def test_a_row_is_its_state_its_limits_and_its_endpoints():
    out = {"address": "127.69.0.6:9080", "state": "ejected", "requests": 1, "errors": 5}
    cells = circuits.cells({**row(endpoints=(*row()["endpoints"], out)), "lately": 0})
    assert cells == [
        *("reviews v1 :9080", "closed", "1 of 10", "0", "1", "0"),
        "1 of 2 healthy, 127.69.0.6:9080 ejected",
    ]


@pytest.mark.parametrize(
    ("more", "text"),
    [
        pytest.param({"open": ["connections", "waiting requests"]}, "open: connections, waiting requests", id="open"),
        pytest.param({"lately": 3}, "open just now", id="it refused since the last look"),
        pytest.param({"connections": (1, 1)}, "closed, connections used up", id="full"),
        pytest.param({}, "closed", id="closed"),
    ],
)
def test_a_circuit_is_open_while_a_limit_is_reached_or_was_just_now(more, text):
    assert circuits.circuit({"lately": 0, **row(), **more}) == text


def test_refusals_are_told_since_the_last_look():
    panel = view([row(refused=5)], [row(refused=12)]).look()
    assert panel.rows[0]["lately"] == 0
    assert panel.look().rows[0]["lately"] == 7


def test_a_proxy_that_began_anew_refused_nothing_lately():
    panel = view([row(refused=50)], [row(refused=2)]).look().look()
    assert panel.rows[0]["lately"] == 0


def test_points_are_a_rate_and_a_number():
    panel = circuits.CircuitView("productpage", every=None)
    panel.take([row(refused=0)], now=10.0)
    panel.take([row(refused=8, ejected=1)], now=12.0)
    assert panel.points == [
        {"t": 10.0, "refused": 0.0, "ejected": 0},
        {"t": 12.0, "refused": 4.0, "ejected": 1},
    ]


def test_a_proxy_that_does_not_answer_is_told_and_the_rows_stay():
    def read():
        raise errors.LabError("the pod is gone")

    panel = circuits.CircuitView("productpage", read, every=None)
    panel.rows = [{**row(), "lately": 0, "recent": False}]
    assert panel.look().message == "the pod is gone" and len(panel.rows) == 1


def test_a_page_that_shows_it_starts_it_and_the_last_one_that_leaves_stops_it():
    panel = circuits.CircuitView("productpage", list)
    panel._on_message(panel, {"alive": "a", "first": True}, [])
    assert panel.running
    panel._on_message(panel, {"gone": "a"}, [])
    assert not panel.running


def test_a_panel_stopped_by_hand_stays_stopped():
    panel = view().start()
    panel.stop()
    panel._on_message(panel, {"alive": "a"}, [])
    assert not panel.running


def test_it_stops_by_itself_when_nobody_looks():
    panel = circuits.CircuitView("productpage", lambda: [row()], every=0.001)
    stopped = threading.Event()
    panel.start()
    panel.observe(lambda _: stopped.set(), names="running")
    panel._presence.seen -= presence.UNSEEN + 1
    assert stopped.wait(10) and not panel.running


def test_recorded_rows_are_drawn_without_a_button():
    panel = circuits.CircuitView.of_rows("productpage", [row(open=["connections"], ejected=1)])
    assert not panel.can_read and not panel.start().running
    assert repr(panel) == "Circuits(productpage: 1 upstreams, 1 open, 1 endpoints ejected)"


def test_it_has_a_table_twin_and_a_static_form():
    panel = circuits.CircuitView.of_rows("<i>", [row(open=["connections"])])
    assert panel.table().loc["reviews v1 :9080", "circuit"] == "open: connections"
    data, _ = panel._repr_mimebundle_()
    assert "open: connections" in data["text/html"] and "<i>" not in data["text/html"]


def what_happened(panel):
    return [event["what"] for event in panel.events]


def test_a_circuit_that_opens_is_an_event_and_flapping_is_not():
    calm = row(refused=8)
    panel = view(
        [row()], [row(refused=8)], [calm], [row(refused=9)], [row(refused=9)], [row(refused=9)], [row(refused=9)]
    )
    for _ in range(7):
        panel.look()
    assert what_happened(panel) == ["reviews v1 :9080: the circuit opened", "reviews v1 :9080: the circuit closed"]


def test_an_ejection_and_the_return_are_events():
    out = {**row(ejected=1), "endpoints": [endpoint("ejected")]}
    back = {**row(), "endpoints": [endpoint("healthy")]}
    panel = view([back], [out], [out], [back]).look().look().look().look()
    assert what_happened(panel) == [
        "reviews v1 :9080: 127.66.0.5:9080 is ejected",
        "reviews v1 :9080: 127.66.0.5:9080 is back",
    ]


def endpoint(state):
    return {"address": "127.66.0.5:9080", "state": state, "requests": 1, "errors": 0}


class Load:
    """Notes what is driven and stopped."""

    def __init__(self):
        self.driven, self.stopped = [], 0

    def __call__(self, callers, on_counts):
        self.driven.append(callers)
        on_counts({200: 2, 503: 1})
        return self.stop

    def stop(self):
        self.stopped += 1


def test_choosing_callers_changes_the_load_and_counts_anew():
    load = Load()
    panel = circuits.CircuitView("fortio", lambda: [row()], drive=load, load="http://httpbin:8000/get", every=None)
    panel.callers = 2
    panel.callers = 3
    assert (load.driven, load.stopped, panel.counts) == ([2, 3], 1, {"200": 2, "503": 1})
    panel.callers = 0
    assert (load.stopped, panel.counts) == (2, {})


def test_when_nobody_looks_nothing_is_sent():
    load = Load()
    panel = circuits.CircuitView("fortio", lambda: [row()], drive=load, every=None)
    panel._on_message(panel, {"alive": "a", "first": True}, [])
    panel.callers = 2
    panel._on_message(panel, {"gone": "a"}, [])
    assert (panel.callers, load.stopped, panel.running) == (0, 1, False)
