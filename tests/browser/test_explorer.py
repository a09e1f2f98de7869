"""The request explorer in JupyterLab: typed, sent, looked into, by keyboard alone."""

import pytest

pytestmark = pytest.mark.browser

WITHIN = 60_000.0
CELL = """
from labkit.views.explorer import Answer, ExplorerView, Hop, Trace

def send(ask):
    page = f"<h1>Hello {ask.user}</h1><script>document.body.textContent = 'ran'</script>"
    return [Answer(status=200, latency_ms=9.5, version="v2", request_id=f"id-{n}", html=page) for n in range(ask.count)]

def explain(request_id):
    hops = [Hop(proxy="gateway", sent_to="productpage", status=200, ms=9.5),
            Hop(proxy="productpage-v1", sent_to="reviews v2", status=503, ms=3.0, start_ms=2.0, flags="UO")]
    return Trace(hops=hops, lines=[("gateway", f"GET /productpage 200 {request_id}")])

ExplorerView(send, explain=explain)
"""


@pytest.fixture(scope="module")
def view(open_notebook):
    notebook = open_notebook(cells=(CELL,))
    notebook.run_all()
    element = notebook.page.locator(".lk-explorer")
    element.wait_for(timeout=WITHIN)
    return element


def test_a_request_is_sent_and_looked_into_by_keyboard(view):
    keyboard = view.page.keyboard
    view.get_by_label("User").focus()
    keyboard.press("ControlOrMeta+A")
    keyboard.type("jason")
    keyboard.press("Tab")
    keyboard.press("ControlOrMeta+A")
    keyboard.type("2")
    keyboard.press("Enter")
    view.get_by_text("✓ 200 OK").wait_for(timeout=WITHIN)
    view.get_by_text("UO: the circuit is open").wait_for(timeout=WITHIN)
    second = view.get_by_role("button", name="Look into answer 2")
    second.focus()
    keyboard.press("Enter")
    view.get_by_text("GET /productpage 200 id-1").wait_for(timeout=WITHIN)


def test_a_page_is_shown_and_its_scripts_do_not_run(view):
    view.get_by_label("User").fill("jason")
    view.get_by_role("button", name="Send").press("Enter")
    view.locator("iframe").scroll_into_view_if_needed()  # a frame out of sight is not laid out
    frame = view.frame_locator("iframe")
    frame.get_by_text("Hello jason").wait_for(timeout=WITHIN)


def test_a_form_that_cannot_be_sent_says_which_field(view):
    view.get_by_label("Path").fill("productpage")
    view.get_by_role("button", name="Send").press("Enter")
    view.get_by_text("The path 'productpage' does not begin with /.").wait_for(timeout=WITHIN)
