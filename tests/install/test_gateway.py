"""When the product page answers: Bookinfo does, or a rule that somebody applied."""

import http.server
import threading

import pytest

from labkit.install import gateway


@pytest.fixture
def page():
    """A server that answers with the status in the path."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(int(self.path.split("/")[1]))
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("told", "is_one"),
    [
        ("status 200", True),
        ("status 403", True),
        ("status 429", True),
        ("status 404", False),
        ("status 503", False),
        ("Connection refused", False),
    ],
)
def test_a_refusal_is_an_answer_and_a_missing_route_is_none(told, is_one):
    assert gateway.is_answer(told) is is_one


def test_a_page_that_a_policy_keeps_back_is_told(page):
    assert gateway.note(f"{page}/200") == ""
    assert "status 403" in gateway.note(f"{page}/403") and "lab.reset()" in gateway.note(f"{page}/403")
