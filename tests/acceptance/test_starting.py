"""Starting twice, at once, and where another program has the ports."""

import contextlib
import http.server
import subprocess
import sys
import threading

import pytest

from labkit import traffic
from labkit.base import settings, waiting
from labkit.clusters import sandbox as sandboxes
from labkit.kube import resources

pytestmark = pytest.mark.sandbox

UP = [sys.executable, "-m", "labkit", "up", "--no-browser", "--no-jupyter"]


def run(*words, paths):
    """A command line of the kit, started; its output is read by ``communicate``."""
    env = {"LABKIT_HOME": str(paths.home), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(settings.CHECKOUT)}
    return subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@contextlib.contextmanager
def program_on(port):
    """Another program of this machine that answers at a port."""

    class Teapot(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_error(418)

        def log_message(self, *_):
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Teapot)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def fresh(tmp_path):
    """A lab that was never started."""
    paths = settings.Paths(home=tmp_path / "home")
    yield paths
    sandboxes.stop(paths)


def test_a_second_up_finds_what_runs(bookinfo):
    before = sandboxes.running(bookinfo.paths)
    second = run(*UP, paths=bookinfo.paths)
    text, _ = second.communicate(timeout=60)
    assert second.returncode == 0, text
    assert "/productpage" in text
    assert sandboxes.running(bookinfo.paths) == before
    bookinfo.until_serving()


def test_two_at_once_start_one_sandbox(fresh):
    both = [run(*UP, "--empty", paths=fresh) for _ in range(2)]
    text = [one.communicate(timeout=60)[0] for one in both]
    assert [one.returncode for one in both] == [0, 0], text
    assert sandboxes.running(fresh) is not None


def test_a_down_during_an_up_says_that_it_waits(fresh):
    with sandboxes.one_at_a_time(fresh):
        waiting_one = run(sys.executable, "-m", "labkit", "down", paths=fresh)
        assert "another ./lab up or ./lab down" in waiting_one.stdout.readline()
    printed, _ = waiting_one.communicate(timeout=60)
    assert waiting_one.returncode == 0 and "✓ Sandbox and every pod stopped" in printed


def test_a_sandbox_beside_a_running_one_says_so_and_ends(bookinfo):
    other = run(sys.executable, "-m", "labkit.sandbox", paths=bookinfo.paths)
    text, _ = other.communicate(timeout=30)
    assert other.returncode != 0
    assert "already runs" in text
    assert "./lab down stops it" in text
    assert "Traceback" not in text


def test_a_gateway_whose_port_was_taken_meanwhile_gets_another_and_says_so(bookinfo):
    port = int(bookinfo.url.rpartition(":")[2])
    sandboxes.stop(bookinfo.paths)
    with program_on(port):
        client = sandboxes.start(bookinfo.paths).client()
        waiting.until(
            lambda: bookinfo.url.rpartition(":")[2] != str(port),
            what="another node port",
            timeout=60,
            next_step="kubectl -n istio-system get events",
        )
        bookinfo.until_serving()
        waiting.until(
            lambda: [e for e in client.list(resources.EVENTS, "istio-system") if e["reason"] == "NodePortMoved"],
            what="an event about it",
            timeout=60,
            next_step="kubectl -n istio-system get events",
        )


SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: details-outside}
spec:
  type: NodePort
  selector: {app: details}
  ports: [{port: 9080, nodePort: %d}]
"""


def test_a_node_port_that_is_taken_is_told_and_served_once_it_is_free(bookinfo):
    port = free_node_port(bookinfo)
    with program_on(port):
        bookinfo.kubectl("apply", "-f", "-", stdin=SERVICE % port)
        event = waiting.until(
            lambda: bookinfo.kubectl("get", "events", "--field-selector", "reason=NodePortTaken", "-o", "name"),
            what="an event NodePortTaken",
            timeout=60,
            next_step="kubectl get events",
        )
        assert event
    waiting.until(
        lambda: answers(f"http://127.0.0.1:{port}"), what="details", timeout=60, next_step="kubectl get events"
    )
    bookinfo.kubectl("delete", "service", "details-outside")


def answers(url):
    return traffic.send(url, "/details/0")["status"].eq(200).all()


def free_node_port(bookinfo):
    """A number that the API server gives itself: it looks for one that nobody listens on."""
    bookinfo.kubectl("create", "service", "nodeport", "probe", "--tcp=80")
    number = bookinfo.kubectl("get", "service", "probe", "-o", "jsonpath={.spec.ports[0].nodePort}")
    bookinfo.kubectl("delete", "service", "probe")
    return int(number)
