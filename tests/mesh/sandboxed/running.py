"""A pod of one real Envoy with a placed configuration, and servers that say what reached them and how."""

import contextlib
import json
import socket
import socketserver
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labkit.base import waiting
from labkit.mesh import model, sandboxed
from labkit.sandbox.network import addresses, proxyheader, sockets
from labkit.sandbox.proxy import agent
from tests.mesh.sandboxed import recorded

HCM = "envoy.filters.network.http_connection_manager"


@dataclass(kw_only=True)
class Pod:
    """Running."""

    folder: Path
    ip: str
    other: str
    """The address of another pod, where a plain server listens on port 9080."""

    said: list[str] = field(default_factory=list)
    """What the stand-ins of the network were told."""

    def captured(self, host: str, port: int, request: bytes) -> bytes:
        """What comes back of a connection that a program of the pod makes to ``host:port``."""
        header = proxyheader.of((self.ip, 40000), (host, port))
        return _exchange(sockets.connect(self.folder / "outbound.sock"), header + request)

    def entered(self, port: int, request: bytes, *, source: str) -> bytes:
        """What comes back of a connection from another pod to a port of this one."""
        link = socket.socket()
        link.bind((source, 0))
        link.connect((self.ip, port))
        return _exchange(link, request)

    def handed(self, port: int, request: bytes, *, source: str) -> bytes:
        """The same, for a port that Envoy does not listen on: handed to its socket."""
        header = proxyheader.of((source, 40000), (self.ip, port))
        return _exchange(sockets.connect(self.folder / "inbound.sock"), header + request)


def get(host: str, path: str = "/") -> bytes:
    """A request."""
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()


def _exchange(link: socket.socket, data: bytes) -> bytes:
    with link:
        link.settimeout(5)
        link.sendall(data)
        parts = []
        with contextlib.suppress(ConnectionResetError):
            while part := link.recv(65536):
                parts.append(part)
        return b"".join(parts)


class _Handler(socketserver.StreamRequestHandler):
    """Answers HTTP and bytes alike with a line that says who it is and who came."""

    server: "_Server"

    def handle(self) -> None:
        came = ""
        if self.server.reads_header:
            source, destination = proxyheader.read(self.rfile.read)
            came = f" from {source[0]} to {destination[0]}:{destination[1]}"
        elif self.client_address:
            came = f" from {self.client_address[0]}"
        first = self.rfile.readline().decode().strip()
        text = f"{self.server.name}{came}"
        if not first.endswith("HTTP/1.1"):
            self.wfile.write(f"{first} at {text}\n".encode())
            return
        headers = []
        while line := self.rfile.readline().strip():
            headers.append(line.decode())
        body = "\n".join([text, first, *headers]).encode()
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    allow_reuse_address = True
    reads_header = False
    name = ""


class _UnixServer(_Server):
    address_family = socket.AF_UNIX

    def get_request(self) -> tuple[Any, Any]:
        link, _ = super().get_request()
        return link, None


@contextlib.contextmanager
def _serving(at: Path | tuple[str, int], name: str, *, reads_header: bool = False) -> Iterator[None]:
    kind = _UnixServer if isinstance(at, Path) else _Server
    short = sockets.named(at) if isinstance(at, Path) else contextlib.nullcontext(at)
    with short as address, kind(address, _Handler) as server:  # type: ignore[arg-type]
        server.name, server.reads_header = name, reads_header
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield
        server.shutdown()


def _listens(path: Path) -> bool:
    """Whether somebody listens: a socket is bound, and so to be seen, before that."""
    try:
        sockets.connect(path).close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def pod(folder: Path, block: addresses.Block) -> Iterator[Pod]:
    """Start everything; stopped when the context ends."""
    ip, other = block.pod(2), block.pod(3)
    place = sandboxed.Place(ip=ip, ports=frozenset({9443}))
    config = sandboxed.placed(recorded.config("reviews-v1", base=block.base), place)
    file = folder / "envoy.json"
    file.write_text(json.dumps(_bootstrap(config, ip, other)))
    program = agent.envoy()
    assert program is not None
    with contextlib.ExitStack() as stack:
        stack.enter_context(_serving(folder / "9080.sock", "app"))
        stack.enter_context(_serving(folder / "network.sock", "network", reads_header=True))
        stack.enter_context(_serving(folder / "passthrough.sock", "passthrough", reads_header=True))
        stack.enter_context(_serving((other, 9080), "other"))
        log = stack.enter_context((folder / "envoy.log").open("w"))
        envoy = subprocess.Popen([program, "-c", str(file), *agent.FLAGS], cwd=folder, stdout=log, stderr=log)
        try:
            waiting.until(
                lambda: all(_listens(folder / name) for name in ("outbound.sock", "inbound.sock")),
                what="Envoy",
                timeout=20.0,
                next_step=f"read {folder / 'envoy.log'}",
            )
            yield Pod(folder=folder, ip=ip, other=other)
        finally:
            envoy.terminate()
            envoy.wait(10)


def _bootstrap(config: model.Config, ip: str, other: str) -> dict[str, Any]:
    clusters = [_standing(c, config.endpoints) for c in config.clusters.values()]
    for cluster in clusters:
        if cluster["name"] == "outbound|9080||ratings.default.svc.cluster.local":
            endpoint = {"endpoint": {"address": {"socket_address": {"address": other, "port_value": 9080}}}}
            cluster["load_assignment"]["endpoints"] = [{"lb_endpoints": [endpoint]}]
    listeners = [_plain(listener, config) for listener in config.listeners.values()]
    return {
        "node": {"id": "test", "cluster": "test"},
        "admin": {"address": {"pipe": {"path": "15000.sock", "mode": 0o600}}},
        "cluster_manager": {"upstream_bind_config": {"source_address": {"address": ip, "port_value": 0}}},
        "static_resources": {"clusters": clusters, "listeners": listeners},
    }


def _standing(cluster: Mapping[str, Any], endpoints: Mapping[str, Any]) -> dict[str, Any]:
    """A cluster with its endpoints inside, without the certificates that only istiod has."""
    found = {k: v for k, v in cluster.items() if k not in ("eds_cluster_config", "transport_socket_matches")}
    if cluster.get("type") == "EDS":
        found |= {"type": "STATIC", "load_assignment": endpoints[cluster["name"]]}
    return found


def _plain(listener: Mapping[str, Any], config: model.Config) -> dict[str, Any]:
    """A listener with its routes and filters inside, without the chains that need certificates."""
    found = json.loads(json.dumps(listener))
    found["filter_chains"] = [c for c in found["filter_chains"] if "transport_socket" not in c]
    for chain in found["filter_chains"]:
        for part in chain["filters"]:
            if part["name"] != HCM:
                continue
            manager = part["typed_config"]
            if rds := manager.pop("rds", None):
                manager["route_config"] = config.routes[rds["route_config_name"]]
            manager["http_filters"] = [config.extensions.get(f["name"], f) for f in manager["http_filters"]]
    return dict(found)
