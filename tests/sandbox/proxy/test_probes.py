"""Probes that a proxy answers for its app, on a real Envoy."""

import http.client
import json
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labkit.base import waiting
from labkit.mesh.place import app_socket
from labkit.sandbox.proxy import agent, bootstrap, credentials

IP = "127.211.0.9"
PATH = "/app-health/web/readyz"
START = bootstrap.Start(
    role="sidecar",
    name="web",
    namespace="default",
    ip=IP,
    istiod="127.211.0.1",
    metadata={},
    probers={PATH: {"tcpSocket": {"port": 8081}}},
)


@pytest.fixture
def status(tmp_path: Path) -> Iterator[Callable[[], int]]:
    """The status that port 15020 of the proxy answers a probe of the app with."""
    config = bootstrap.bootstrap(START)
    del config["dynamic_resources"]
    parts = config["static_resources"]
    parts["clusters"] = [
        cluster for cluster in parts["clusters"] if cluster["name"] not in ("xds-grpc", credentials.UPSTREAM)
    ]
    (tmp_path / "envoy.json").write_text(json.dumps(config))
    command = [agent.envoy() or "envoy", "-c", "envoy.json", *agent.FLAGS]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        yield _asked
        process.kill()


def _asked() -> int:
    connection = http.client.HTTPConnection(IP, 15020, timeout=60)
    try:
        connection.request("GET", PATH)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def _until(status: Callable[[], int], expected: int) -> None:
    waiting.until(lambda: status() == expected, what=f"a {expected}", timeout=30.0, next_step="see Envoy's log")


def test_a_tcp_probe_follows_whether_the_app_listens(status: Callable[[], int], tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as app:
        app.bind(str(tmp_path / app_socket(8081)))
        app.listen(16)
        _until(status, 200)
    _until(status, 503)
