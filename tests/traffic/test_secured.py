"""HTTPS requests of a lesson, at a server of the test's own: what was agreed on, and why nothing was."""

import base64
import ssl
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from labkit.base import private
from labkit.traffic import secured
from labkit.traffic.authorities import Authority

OURS, OTHERS = Authority("Course CA"), Authority("Another CA")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


class Server(HTTPServer):
    def handle_error(self, *_):
        """Refused handshakes are what some tests are about."""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A server that lets in who shows a certificate of ours, and who shows none."""
    folder, own = tmp_path_factory.mktemp("server"), OURS.issue("shop.example")
    private.write(folder / "own.pem", own.key + own.chain)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=OURS.pem.decode())
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_cert_chain(folder / "own.pem")
    with Server(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address
        server.shutdown()


def ask(address, name="shop.example", *, trusting=OURS, showing=None):
    return secured.ask(address, name, "/", trusting=trusting, showing=showing)


@pytest.mark.parametrize("showing", [None, OURS.issue("partner")], ids=["nothing", "a certificate"])
def test_an_answer_says_what_was_agreed_on(address, showing):
    answer = ask(address, showing=showing)
    assert (answer.status, answer.text) == (200, "ok")
    assert repr(answer) == "200 over TLSv1.3, certificate of shop.example, signed by Course CA"


REFUSED = {
    "an authority that the client does not know": ({"trusting": OTHERS}, "the client does not trust the certificate"),
    "nobody's authority": ({"trusting": None}, "the client does not trust the certificate"),
    "another host's name": ({"name": "other.example"}, "the client does not trust the certificate"),
    "a stranger's certificate": ({"showing": OTHERS.issue("stranger")}, "the server"),
}


@pytest.mark.parametrize(("options", "problem"), REFUSED.values(), ids=REFUSED)
def test_without_an_answer_the_reason_is_told(address, options, problem):
    answer = ask(address, **options)
    assert answer.status == 0
    assert answer.problem.startswith(problem)


def test_nobody_at_the_address_is_told_too(address):
    assert ask((address[0], 1)).problem.startswith("the connection was closed")


def test_a_secret_holds_what_a_gateway_asks_for_and_no_text_shows_the_key():
    shop = OURS.issue("shop.example")
    secret = shop.secret("shop", trusting=OURS)
    data = {name: base64.b64decode(value) for name, value in secret["data"].items()}
    assert data == {"tls.crt": shop.chain, "tls.key": shop.key, "ca.crt": OURS.pem}
    assert shop.secret("shop")["type"] == "kubernetes.io/tls"
    assert repr(shop).startswith("certificate of shop.example, signed by Course CA, until ")
    assert "PRIVATE" not in repr(shop) + repr(OURS)
