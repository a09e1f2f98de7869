"""The request explorer, drawn from answers and a trace."""

import pytest

from labkit.base import errors
from labkit.lab.gallery.routing import HOPS, LINES
from labkit.telemetry import flags
from labkit.views import explorer

OK = explorer.Answer(status=200, latency_ms=12.0, version="v2", request_id="id-1", html="<h1>Books")
FAILED = explorer.Answer(status=503, latency_ms=3.0, request_id="id-2", error="no healthy upstream")


class Gateway:
    """Answers what a test says and keeps what was asked."""

    def __init__(self, *answers: explorer.Answer) -> None:
        self.answers, self.asked, self.explained = answers, [], []

    def send(self, ask):
        self.asked.append(ask)
        return self.answers

    def explain(self, request_id):
        self.explained.append(request_id)
        return explorer.Trace(hops=HOPS, lines=LINES)

    def view(self):
        return explorer.ExplorerView(self.send, explain=self.explain)


@pytest.fixture
def gateway():
    return Gateway(OK, FAILED)


def test_the_form_sends_what_it_says(gateway):
    view = gateway.view()
    form = {"path": "/productpage", "user": " jason ", "headers": "x-a: 1\n\nx-b:2", "count": "3"}
    view._on_message(view, {"send": form}, [])
    asked = explorer.Ask(path="/productpage", user="jason", headers={"x-a": "1", "x-b": "2"}, count=3)
    assert gateway.asked == [asked] and not view.busy


def test_a_cell_sends_the_same_and_fills_the_form(gateway):
    view = gateway.view().request("/api", user="jason", headers={"x-a": "1"}, count=2)
    assert view.ask == {"path": "/api", "user": "jason", "headers": "x-a: 1", "count": 2}
    assert repr(view) == "Explorer(/api: 200, 503)"


def test_the_first_answer_is_looked_into(gateway):
    view = gateway.view().request()
    assert (view.chosen, view.page, gateway.explained) == (0, "<h1>Books", ["id-1"])
    assert [hop["why"] for hop in view.trace["hops"]] == ["", "the circuit is open; tried again as often as allowed"]


def test_another_one_is_looked_into_on_demand(gateway):
    view = gateway.view().request()
    view._on_message(view, {"choose": 1}, [])
    assert (view.chosen, view.page, gateway.explained) == (1, "", ["id-1", "id-2"])


@pytest.mark.parametrize("content", [{"choose": 9}, {"choose": -1}, {"choose": "x"}, {"other": 1}, None])
def test_messages_that_make_no_sense_change_nothing(gateway, content):
    view = gateway.view().request()
    view._on_message(view, content, [])
    assert view.chosen == 0 and view.message == ""


@pytest.mark.parametrize(
    ("form", "text"),
    [
        pytest.param({"path": "productpage"}, "The path 'productpage' does not begin with /.", id="path"),
        pytest.param({"path": "/", "count": "many"}, "count='many' is not a number.", id="count"),
        pytest.param({"path": "/", "count": 1000}, "count=1000 is not between 1 and 50.", id="too many"),
        pytest.param({"path": "/", "headers": "jason"}, "The header 'jason' is not name: value.", id="no colon"),
        pytest.param({"path": "/", "headers": "a b: c"}, "The header 'a b: c' is not name: value.", id="a space"),
    ],
)
def test_a_form_that_cannot_be_sent_is_told_by_its_field(gateway, form, text):
    view = gateway.view()
    view._on_message(view, {"send": form}, [])
    assert view.message.splitlines()[0] == text and gateway.asked == []


def test_a_gateway_that_is_down_is_told():
    def send(ask):
        raise errors.LabError("Nothing answers at http://127.0.0.1:30080.")

    view = explorer.ExplorerView(send).request()
    assert view.message.startswith("Nothing answers") and not view.busy and view.answers == []


def test_an_answer_without_an_id_has_no_way(gateway):
    gateway.answers = (explorer.Answer(status=200, latency_ms=1.0),)
    assert "no x-request-id" in gateway.view().request().trace["note"] and gateway.explained == []


def test_a_way_that_cannot_be_had_says_why(gateway):
    def explain(request_id):
        raise errors.LabError("access logs are off")

    view = explorer.ExplorerView(gateway.send, explain=explain).request()
    assert view.trace["note"] == "access logs are off" and view.page == "<h1>Books"


def test_recorded_answers_are_drawn_without_a_form():
    view = explorer.ExplorerView.of_answers([OK], explorer.Trace(hops=HOPS, lines=LINES))
    assert not view.can_send and len(view.trace["hops"]) == 2


def test_it_has_table_twins_and_a_static_form():
    view = explorer.ExplorerView.of_answers([OK, FAILED], explorer.Trace(hops=HOPS, lines=LINES))
    assert list(view.table()["status"]) == [200, 503]
    assert list(view.way()["why"])[1] == "the circuit is open; tried again as often as allowed"
    data, _ = view._repr_mimebundle_()
    assert "productpage-v1" in data["text/html"] and "GET /productpage" in data["text/html"]


def test_the_static_form_escapes_what_servers_say():
    bad = explorer.Answer(status=503, latency_ms=1.0, error="<script>", request_id="<b>")
    trace = explorer.Trace(
        hops=[explorer.Hop(proxy="<i>", sent_to="<u>", status=1, ms=1, rule="<a>")], lines=[("<p>", "<img>")]
    )
    html = explorer.ExplorerView.of_answers([bad], trace).static_html()
    assert not any(tag in html for tag in ("<script", "<b>", "<i>", "<u>", "<a>", "<p>", "<img"))


def test_nothing_sent_says_so():
    assert repr(explorer.ExplorerView()) == "Explorer(nothing sent yet)"
    assert "nothing sent yet" in explorer.ExplorerView().static_html()


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("UH", "no healthy upstream"),
        ("-", ""),
        ("", ""),
        ("XYZ", "XYZ"),
        ("UF,URX", "no connection to the upstream; tried again as often as allowed"),
    ],
)
def test_flags_read_as_words(given, text):
    assert flags.explained(given) == text
