"""The canary on fakes: what it applies at each look, what it logs, when it stops."""

import time

import pytest

from labkit.traffic import canary as deciding
from labkit.views import canary, split
from tests.views.conftest import Mesh, sent


class Versions(Mesh):
    """A mesh whose caller's proxy counts what a test says."""

    def __init__(self) -> None:
        super().__init__()
        self.counted: dict[str, deciding.Count] = {}
        self.is_down = False

    def measure(self):
        if self.is_down:
            raise split.errors.LabError("no pod answers")
        return dict(self.counted)

    def more(self, **counts: tuple[int, int]) -> None:
        """Count further requests: ``more(v3=(100, 0))``."""
        now = {v: deciding.Count(sent=sent, failed=failed) for v, (sent, failed) in counts.items()}
        self.counted = deciding.total([self.counted, now])


@pytest.fixture
def versions():
    made = Versions()
    yield made
    live = split.SplitView._live
    if live is not None:
        live.stop()


@pytest.fixture
def view(versions):
    plan = deciding.Plan(stable="v1", new="v3", steps=(10, 100))
    return canary.CanaryView(
        "reviews", plan, apply=versions.apply, send=versions.send, measure=versions.measure, every=None
    )


def look(view, versions, **counts):
    """A look after the change has settled, with these requests counted since."""
    view._settled = 0.0
    if view._before is None:
        view.look()
    versions.more(**counts)
    return view.look()


def whats(view):
    return [entry["what"] for entry in view.log]


def test_it_begins_with_everything_at_the_stable_version(view, versions):
    assert versions.applied == [{"v1": 100, "v3": 0}] and repr(view) == "Canary(reviews: v3 at 0 %, waiting)"


def test_beginning_sends_traffic_and_takes_the_first_step(view, versions):
    view.begin()
    assert versions.sending and versions.applied[-1] == {"v1": 90, "v3": 10} and view.state == "running"


def test_nothing_is_decided_before_the_change_has_settled(view, versions):
    view.begin()
    versions.more(v3=(1000, 0))
    assert view.look() is None


def test_good_steps_lead_to_the_end(view, versions):
    view.begin()
    assert look(view, versions, v3=(100, 0)).action == "advance"
    assert versions.applied[-1] == {"v1": 0, "v3": 100}
    look(view, versions, v3=(100, 0))
    assert view.state == "done" and whats(view) == ["v3 gets 10 %", "v3 gets 100 %", "v3 keeps 100 %"]


def test_each_step_counts_anew(view, versions):
    view.begin()
    look(view, versions, v3=(100, 0))
    assert look(view, versions, v3=(99, 0)).action == "hold"


def test_failures_over_the_budget_roll_back_with_the_reason(view, versions):
    view.begin()
    look(view, versions, v1=(90, 0), v3=(10, 8))
    assert versions.applied[-1] == {"v1": 100, "v3": 0} and view.state == "rolled back"
    assert "8 of 10 requests to v3 failed" in view.log[-1]["why"] and "canary" not in view.message


def test_a_paused_canary_takes_no_step_but_still_rolls_back(view, versions):
    view.begin()
    view.pause()
    assert look(view, versions, v3=(200, 0)).action == "advance" and view.step == 0
    look(view, versions, v3=(50, 50))
    assert view.state == "rolled back"


def test_it_goes_on_after_a_pause(view, versions):
    view.begin()
    view.pause()
    view.resume()
    look(view, versions, v3=(100, 0))
    assert view.step == 1


def test_steps_and_the_way_back_can_be_taken_by_hand(view, versions):
    view.begin()
    view.advance()
    assert versions.applied[-1] == {"v1": 0, "v3": 100}
    view.roll_back()
    assert versions.applied[-1] == {"v1": 100, "v3": 0} and view.log[-1]["why"] == "by hand"


def test_buttons_arrive_as_messages(view, versions):
    for act in ("begin", "pause", "resume", "advance", "roll back", "nonsense"):
        view._on_message(view, {"canary": act}, [])
    assert view.state == "rolled back"


def test_stopping_the_traffic_pauses_it(view, versions):
    view.begin()
    view.stop()
    assert view.state == "paused" and view.log[-1]["why"] == "the traffic has stopped"


def test_counts_that_cannot_be_had_hold_it(view, versions):
    view.begin()
    versions.is_down = True
    view._settled = 0.0
    assert view.look() is None and "no pod answers" in view.message and view.state == "running"


def test_a_refused_step_is_told_and_nothing_has_begun(view, versions):
    versions.refuses = "spec.http: forbidden"
    view.begin()
    assert view.state == "waiting" and "spec.http: forbidden" in view.message


def test_a_refused_way_back_is_tried_again(view, versions):
    view.begin()
    versions.refuses = "the API server is away"
    look(view, versions, v3=(50, 50))
    assert view.state == "running"
    versions.refuses = ""
    view.look()
    assert view.state == "rolled back" and versions.applied[-1] == {"v1": 100, "v3": 0}


def test_without_a_proxy_to_ask_it_counts_what_it_receives(versions):
    plan = deciding.Plan(stable="v1", new="v3", enough=5)
    view = canary.CanaryView("reviews", plan, apply=versions.apply, send=versions.send, every=None)
    view.begin()
    versions.answers([sent("v3", at=time.time() + 2 * split.SETTLE)] * 5)
    view._settled = 0.0
    assert view.look().action == "advance"


def test_its_log_is_a_frame_and_stands_in_exports(view, versions):
    view.begin()
    assert list(view.history()["what"]) == ["v3 gets 10 %"]
    assert "Canary of v3 beside v1: 10 % → 100 % (running)" in view.static_html()
    assert "asked 90%" in view.static_html()


@pytest.mark.parametrize(
    ("failed", "end"), [pytest.param(0, "done", id="well"), pytest.param(9, "rolled back", id="ill")]
)
def test_finish_waits_for_either_end_and_sends_no_more(versions, failed, end):
    plan = deciding.Plan(stable="v1", new="v3", steps=(100,))

    def measure():
        versions.more(v3=(100, failed))
        return versions.measure()

    view = canary.CanaryView("reviews", plan, apply=versions.apply, send=versions.send, measure=measure, every=0.01)
    assert view.finish(timeout=10) == end
    assert not versions.sending


def test_a_canary_that_can_count_nothing_goes_back_and_says_so(view, versions):
    view.begin()
    for _ in range(canary.BLIND):
        look(view, versions)
    assert view.state == "rolled back"
    assert "no request to reviews was counted" in view.log[-1]["why"]
    assert "lab.explain" in view.message
