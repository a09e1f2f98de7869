"""HTTP to pods and Services through the API server."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from labkit.kube import status
from labkit.sandbox.apiserver import proxying

MERGE = {"Content-Type": "application/merge-patch+json"}
ADDRESS = "127.253.0.1"
"""A pod's: of a block that no sandbox has."""


class Echo(BaseHTTPRequestHandler):
    """Tells what it was asked."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self._tell(body)

    def do_GET(self):
        self._tell("")

    def _tell(self, body):
        told = {"method": self.command, "path": self.path, "body": body, "headers": dict(self.headers)}
        data = json.dumps(told).encode()
        self.send_response(404 if self.path.startswith("/nosuch") else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-From", "echo")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def port():
    with ThreadingHTTPServer((ADDRESS, 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.fixture
def web(ask, port):
    """A pod that answers, and a Service of it."""
    containers = [{"name": "c", "image": "x", "ports": [{"containerPort": port}]}]
    spec = {"containers": containers, "schedulerName": "nobody"}
    ask("POST", "pods", {"metadata": {"name": "web", "labels": {"app": "web"}}, "spec": spec})
    ready = [{"type": "Ready", "status": "True"}]
    running = {"phase": "Running", "podIP": ADDRESS, "podIPs": [{"ip": ADDRESS}], "conditions": ready}
    ask("PATCH", "pods/web/status", {"status": running}, headers=MERGE)
    ports = [{"name": "http", "port": 80, "targetPort": port}]
    ask("POST", "services", {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": ports}})
    slices = "endpointslices?labelSelector=kubernetes.io/service-name=web"
    ask.until(slices, lambda body: any(s["endpoints"] for s in body["items"]), group="discovery.k8s.io/v1")
    return ask


@pytest.mark.parametrize(
    "place", ["services/web", "services/web:80", "services/web:http", "services/http:web:http", "pods/web"]
)
def test_a_request_reaches_what_is_behind_the_name(web, place):
    answer = web("GET", f"{place}/proxy/a%20b/c", query="d=e&f")
    assert (answer.code, answer.body["path"]) == (200, "/a%20b/c?d=e&f")
    assert answer.headers["X-From"] == "echo"


def test_a_body_and_its_headers_are_passed_on(web):
    answer = web("POST", "services/web/proxy/", "hello", headers={"Content-Type": "text/plain", "X-Mine": "1"})
    assert "hello" in answer.body["body"]
    assert {"X-Mine": "1", "Content-Type": "text/plain"}.items() <= answer.body["headers"].items()


def test_the_callers_credentials_end_at_the_server():
    assert list(proxying.passed({"Authorization": "Bearer secret", "Connection": "close", "X-A": "1"})) == ["X-A"]


def test_an_error_of_the_app_is_the_answer(web):
    answer = web("GET", "services/web/proxy/nosuch")
    assert answer.code == 404 and answer.body["path"] == "/nosuch"


@pytest.mark.parametrize(
    ("place", "code", "told"),
    [
        ("services/nosuch", 404, 'services "nosuch" not found'),
        ("services/web:81", 503, 'no service port 81 found for service "web"'),
        ("services/idle", 503, 'no endpoints available for service "idle"'),
        ("services/ftp:web:80", 400, "invalid service request"),
        ("pods/web:1", 503, "error trying to reach service"),
    ],
    ids=["unknown", "port", "endpoints", "scheme", "closed"],
)
def test_what_cannot_be_reached_is_said(web, place, code, told):
    web("POST", "services", {"metadata": {"name": "idle"}, "spec": {"ports": [{"port": 80}]}})
    answer = web("GET", f"{place}/proxy/")
    assert answer.code == code and told in answer.message


@pytest.mark.parametrize(
    ("told", "parts"),
    [("a", ("", "a", "")), ("a:80", ("", "a", "80")), ("https:a:", ("https", "a", "")), (":a:x", ("", "a", "x"))],
)
def test_a_name_may_carry_a_scheme_and_a_port(told, parts):
    assert proxying.split(told) == parts


@pytest.mark.parametrize("told", ["", "ftp:a:1", "a:b:c:d"])
def test_other_names_are_refused(told):
    with pytest.raises(status.StatusError, match="invalid service request"):
        proxying.split(told)
