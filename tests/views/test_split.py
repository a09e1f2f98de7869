"""The split view on fakes: what it applies, when it sends, what it says."""

import threading
import time

import pytest

from labkit.views import presence, split, splittable
from tests.views.conftest import Mesh, sent


def later(version="v1", **more):
    """A request sent long enough after the change to count."""
    return sent(version, at=time.time() + 2 * split.SETTLE, **more)


def test_making_it_applies_the_weights_and_shows_the_yaml(mesh):
    view = mesh.view(v1=90, v2=10)
    assert mesh.applied == [{"v1": 90, "v2": 10}] and view.applied == view.weights
    assert "weight: 90" in view.yaml and view.message == ""


def test_assigning_weights_is_what_the_sliders_do(mesh):
    view = mesh.view(v1=90, v2=10)
    before = view.turn
    view.weights = {"v1": 50, "v2": 50}
    assert mesh.applied[-1] == {"v1": 50, "v2": 50} and view.turn == before + 1
    assert [entry[1:] for entry in view.asked] == [[0.9, 0.1], [0.5, 0.5]]


def test_a_refusal_is_told_and_the_old_split_stays(mesh):
    view = mesh.view(v1=90, v2=10)
    mesh.refuses = 'virtualservice "reviews": spec.http[0].route[0].weight: must be >= 0'
    turn = view.turn
    view.weights = {"v1": 110, "v2": -10}
    assert view.message == f"Not applied, the split is as it was before.\n{mesh.refuses}"
    assert view.applied == {"v1": 90, "v2": 10} and view.turn == turn + 1
    assert [row["asked"] for row in view.rows] == [0.9, 0.1]


def test_a_refusal_at_once_is_no_traceback():
    view = Mesh(refuses="no such definition").view(v1=90, v2=10)
    assert "no such definition" in view.message and view.applied == {"v1": 0, "v2": 0}


def test_the_next_good_change_takes_the_message_away(mesh):
    view = mesh.view(v1=1, v2=1)
    assert "sum to 2" in view.message
    view.weights = {"v1": 50, "v2": 50}
    assert view.message == ""


def test_only_requests_sent_after_the_change_are_measured(mesh):
    view = mesh.view(v1=90, v2=10).start()
    mesh.answers([sent("v1", at=time.time()), later("v2")])
    assert view.measured == {"v1": 0, "v2": 1}
    view.weights = {"v1": 0, "v2": 100}
    assert view.measured == {"v1": 0, "v2": 0}


def test_failures_are_counted_and_told(mesh):
    view = mesh.view(v1=100, v2=0).start()
    mesh.answers([later("", status=503, error="no healthy upstream")])
    assert view.failed == 1 and view.rows[-1]["version"] == splittable.LOST
    assert view.trouble == "1 of the last 1 requests failed; the last one: 503 no healthy upstream"


def test_a_gateway_that_is_down_is_told(mesh):
    view = mesh.view(v1=100, v2=0).start()
    mesh.answers([later("", status=0, error="connection refused")])
    assert view.trouble.startswith("The gateway does not answer: no answer connection refused.")


def test_start_and_stop_are_the_traffics(mesh):
    view = mesh.view(v1=90, v2=10)
    assert not mesh.sending
    view.start()
    assert mesh.sending and view.running
    view.stop()
    assert not mesh.sending


def test_traffic_that_cannot_start_says_why(mesh):
    def send(on_batch):
        raise split.errors.LabError("no gateway")

    view = split.SplitView("reviews", {"v1": 1}, send=send).start()
    assert (view.message, view.running) == ("no gateway", False)


def test_running_the_cell_again_stops_the_old_view(mesh):
    old = mesh.view(v1=90, v2=10).start()
    mesh.view(v1=90, v2=10)
    assert not old.running and not mesh.sending


def test_only_one_view_sends(mesh):
    other = Mesh()
    first = mesh.view(v1=90, v2=10).start()
    second = split.SplitView("ratings", {"v1": 100}, send=other.send).start()
    assert (first.running, second.running, mesh.sending, other.sending) == (False, True, False, True)


def test_it_stops_when_the_last_page_that_shows_it_is_gone(mesh):
    view = mesh.view(v1=90, v2=10).start()
    for message in ({"alive": "a"}, {"alive": "b"}, {"gone": "a"}):
        view._on_message(view, message, [])
    assert view.running
    view._on_message(view, {"gone": "b"}, [])
    assert not view.running and "Nobody looks" in view.message


def test_it_stops_when_no_page_gives_a_sign_of_life(mesh):
    view = mesh.view(v1=90, v2=10).start()
    view._presence.seen -= presence.UNSEEN + 1
    mesh.answers([later()])
    assert not view.running and "Nobody looks" in view.message


@pytest.mark.parametrize("content", ["alive", None, {"other": 1}, []])
def test_messages_it_does_not_know_change_nothing(mesh, content):
    view = mesh.view(v1=90, v2=10).start()
    view._on_message(view, content, [])
    assert view.running


@pytest.fixture
def shared(mesh):
    """A view beside which others change the cluster: assign ``shared.asked``."""

    class Shared(Mesh):
        asked = split.Asked(weights={}, yaml="")

        def apply(self, weights):
            text = super().apply(weights)
            self.asked = split.Asked(weights=weights, yaml=text)
            return text

        def change(self, **weights):
            self.asked = split.Asked(weights=weights, yaml=Mesh().apply(weights) if weights else "")

    created = Shared()
    created.seen = split.SplitView("reviews", {"v1": 90, "v2": 10}, apply=created.apply, read=lambda: created.asked)
    return created


def test_what_it_applied_itself_is_no_news(shared):
    shared.seen.follow()
    shared.seen.weights = {"v1": 50, "v2": 50}
    shared.seen.follow()
    assert shared.seen.message == ""


def test_a_change_made_elsewhere_moves_the_sliders_and_is_said(shared):
    shared.change(v1=30, v2=70)
    shared.seen.follow()
    assert shared.seen.weights == shared.seen.applied == {"v1": 30, "v2": 70}
    assert "changed elsewhere" in shared.seen.message and "v1 30, v2 70" in shared.seen.message
    assert shared.applied == [{"v1": 90, "v2": 10}], "following applies nothing"


def test_a_deletion_elsewhere_is_said_and_nothing_is_asked_any_more(shared):
    shared.change()
    shared.seen.follow()
    assert "was deleted elsewhere" in shared.seen.message
    assert [row["asked"] for row in shared.seen.rows] == [None, None]


def test_after_a_deletion_elsewhere_a_slider_applies_again(shared):
    shared.change()
    shared.seen.follow()
    shared.seen.weights = {"v1": 80, "v2": 20}
    assert shared.seen.applied == {"v1": 80, "v2": 20} == shared.applied[-1]


def test_it_follows_while_a_page_shows_it(shared):
    heard = threading.Event()
    shared.change(v1=30, v2=70)
    shared.seen.observe(lambda _: heard.set(), names="message")
    shared.seen._on_message(shared.seen, {"alive": "a", "first": True}, [])
    assert heard.wait(10)
    shared.seen._on_message(shared.seen, {"gone": "a"}, [])
    assert shared.seen._watching is None


def test_waiting_ends_with_a_judgement_and_stops_again(mesh):
    class Fast(Mesh):
        def send(self, on_batch):
            stop = super().send(on_batch)
            on_batch([later("v1")] * 90 + [later("v2")] * 10)
            return stop

    fast = Fast()
    view = fast.view(v1=90, v2=10)
    assert view.wait(count=100).agrees and not view.running


def test_waiting_in_vain_says_what_was_last_seen(mesh):
    with pytest.raises(split.errors.NotReadyError, match="Last seen: 0 requests, 0 failed"):
        mesh.view(v1=90, v2=10).wait(count=1, timeout=0.0)


def test_rules_with_conditions_are_shown(mesh):
    match = {"match": [{"headers": {"end-user": {"exact": "jason"}}}], "route": [{"destination": {"subset": "v2"}}]}
    text = split.rules.yaml.safe_dump({"spec": {"http": [match]}})
    view = split.SplitView("reviews", {"v1": 100}, apply=lambda _: text)
    assert view.kept == [{"when": "end-user is jason", "to": "v2"}]


def test_a_recorded_frame_is_drawn_without_buttons(mesh):
    from labkit import traffic

    frame = traffic.frame([sent("v1", at=n / 10) for n in range(90)] + [sent("v2", at=n) for n in range(10)])
    view = split.SplitView.of_frame("reviews", {"v1": 90, "v2": 10}, frame)
    assert view.measured == {"v1": 90, "v2": 10} and not view.can_send and not view.can_apply
    assert view.points and view.applied == {"v1": 90, "v2": 10}


def test_the_table_twin_is_a_frame(mesh):
    assert list(mesh.view(v1=90, v2=10).table().index) == ["v1", "v2"]


def test_it_reads_as_its_state_and_has_a_static_form(mesh):
    view = mesh.view(v1=90, v2=10)
    data, _ = view._repr_mimebundle_()
    assert data["text/plain"] == repr(view) == "Split(reviews: v1=90, v2=10)"
    assert "asked 90%" in data["text/html"] and "application/vnd.jupyter.widget-view+json" in data
