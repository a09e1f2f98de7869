"""A real Envoy that answers requests by a proxy's own listeners and routes; every cluster is one small server."""

import contextlib
import json
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labkit.mesh.explain import connections
from labkit.mesh.model import Config, Resource
from labkit.sandbox.proxy import agent
from tests.mesh import envoys

CLIENT = "10.9.9.9"
PATIENCE = 20.0
"""Seconds after which an Envoy that does not start or answer is a fault of the test."""

FIELDS = {
    "source": "%DOWNSTREAM_REMOTE_ADDRESS%",
    "route": "%ROUTE_NAME%",
    "cluster": "%UPSTREAM_CLUSTER_RAW%",
    "code": "%RESPONSE_CODE%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "location": "%RESP(LOCATION)%",
}


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One request on a connection of its own."""

    connection: connections.Connection
    host: str
    path: str
    method: str
    headers: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What Envoy's access log says of a request; nothing, and the code 0, of a connection that it closes."""

    route: str = ""
    cluster: str = ""
    code: int = 0
    details: str = ""
    location: str = ""


def answers(config: Config, sent: Sequence[Sent], folder: Path, ip: str) -> list[Answer]:
    """How an Envoy with this configuration answers each request, one after the other."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "access.log"
    log.write_text("")
    file = folder / "envoy.json"
    file.write_text(json.dumps(_bootstrap(config, folder, ip)))
    program = agent.envoy()
    assert program is not None
    with _server(folder / "server.sock"), (folder / "envoy.log").open("w") as output:
        command = [program, "-c", str(file), *agent.FLAGS]
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output)
        try:
            _until_ready(folder, process)
            ports = [_send(config, request, number, folder, ip) for number, request in enumerate(sent)]
        finally:
            # It writes its access logs out when it is asked to end.
            process.terminate()
            process.wait(PATIENCE)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    by_port: dict[int, list[Mapping[str, Any]]] = {}
    for line in lines:
        by_port.setdefault(int((line["source"] or ":0").rpartition(":")[2]), []).append(line)
    # The kernel may give the port of a closed connection to the next one: lines and requests are both in order.
    return [_answer(by_port[port].pop(0) if by_port.get(port) else None) for port in ports]


def _answer(line: Mapping[str, Any] | None) -> Answer:
    if line is None:
        return Answer()
    return Answer(
        route=line["route"] or "",
        cluster=line["cluster"] or "",
        code=int(line["code"] or 0),
        details=line["details"] or "",
        location=line["location"] or "",
    )


def _bootstrap(config: Config, folder: Path, ip: str) -> dict[str, Any]:
    return {
        "admin": {"address": {"pipe": {"path": str(folder / "admin.sock")}}},
        "static_resources": {
            "clusters": [_cluster(name, folder) for name in config.clusters],
            "listeners": [
                _listener(config, listener, folder)
                for listener in config.listeners.values()
                if listener.get("traffic_direction") != "INBOUND"
            ],
        },
    }


def _cluster(name: str, folder: Path) -> Resource:
    address = {"pipe": {"path": str(folder / "server.sock")}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
    return {"name": name, "type": "STATIC", "load_assignment": {"cluster_name": name, "endpoints": endpoints}}


def _listener(config: Config, listener: Resource, folder: Path) -> Resource:
    kept = ("name", "address", "use_original_dst", "listener_filters", "bind_to_port", "traffic_direction")
    own: Resource = {key: listener[key] for key in kept if key in listener}
    if "pipe" in own["address"]:
        own["address"] = {"pipe": {"path": str(folder / "outbound.sock"), "mode": 384}}
    own["filter_chains"] = [_chain(config, c, folder) for c in listener.get("filter_chains") or ()]
    if "default_filter_chain" in listener:
        own["default_filter_chain"] = _chain(config, listener["default_filter_chain"], folder)
    return own


def _chain(config: Config, chain: Resource, folder: Path) -> Resource:
    own: Resource = {"filters": [f for part in chain["filters"] if (f := _filter(config, part, folder))]}
    own |= {key: chain[key] for key in ("filter_chain_match", "name") if key in chain}
    if "transport_socket" in chain:
        kind = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
        context = {"alpn_protocols": ["http/1.1"], "tls_certificates": [CERTIFICATE]}
        typed = {"@type": f"type.googleapis.com/{kind}", "common_tls_context": context}
        own["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": typed}
    return own


CERTIFICATE = envoys.certificate("shop.example.com")


def _filter(config: Config, part: Resource, folder: Path) -> Resource | None:
    typed = part.get("typed_config") or {}
    kind = str(typed.get("@type", ""))
    if kind.endswith("TcpProxy"):
        kept = {key: typed[key] for key in ("@type", "stat_prefix", "cluster", "weighted_clusters") if key in typed}
        return {"name": part["name"], "typed_config": {**kept, "access_log": [_log(folder)]}}
    if not kind.endswith("HttpConnectionManager"):
        return None
    name = (typed.get("rds") or {}).get("route_config_name", "")
    table = config.routes.get(name) or typed.get("route_config") or {}
    kept_fields = ("@type", "stat_prefix", "normalize_path", "merge_slashes", "path_with_escaped_slashes_action")
    router = {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}
    manager = {key: typed[key] for key in kept_fields if key in typed} | {
        "route_config": {**_without_filters(table), "validate_clusters": False},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}],
        "access_log": [_log(folder)],
        "upgrade_configs": typed.get("upgrade_configs", []),
    }
    return {"name": part["name"], "typed_config": manager}


def _without_filters(value: Any) -> Any:
    """Routes without what other HTTP filters than the router would do, and without waiting."""
    left_out = ("typed_per_filter_config", "rate_limits", "retry_policy", "request_mirror_policies")
    if isinstance(value, dict):
        return {key: _without_filters(inner) for key, inner in value.items() if key not in left_out}
    return [_without_filters(inner) for inner in value] if isinstance(value, list) else value


def _log(folder: Path) -> Resource:
    kind = "envoy.extensions.access_loggers.file.v3.FileAccessLog"
    form = {"json_format": FIELDS, "omit_empty_values": False}
    typed = {"@type": f"type.googleapis.com/{kind}", "path": str(folder / "access.log"), "log_format": form}
    return {"name": "envoy.access_loggers.file", "typed_config": typed}


def _send(config: Config, sent: Sent, number: int, folder: Path, ip: str) -> int:
    """Send, wait for the end of the answer, and return the port that the access log will tell."""
    port = 20_000 + number
    family = socket.AF_UNIX if connections.is_sidecar(config) else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as plain:
        plain.settimeout(PATIENCE)
        try:
            if family == socket.AF_UNIX:
                plain.connect(str(folder / "outbound.sock"))
                address = sent.connection.address or "192.0.2.1"
                plain.sendall(f"PROXY TCP4 {CLIENT} {address} {port} {sent.connection.port}\r\n".encode())
            else:
                plain.connect((ip, sent.connection.port or 0))
                port = plain.getsockname()[1]
            _exchange(plain, sent)
        except OSError:  # closed by Envoy: its log tells, or has nothing
            pass
    return port


def _exchange(plain: socket.socket, sent: Sent) -> None:
    lines = [f"{sent.method} {sent.path} HTTP/1.1", f"Host: {sent.host}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in sent.headers.items()]
    text = ("\r\n".join(lines) + "\r\n\r\n").encode()
    with contextlib.ExitStack() as stack:
        stream: socket.socket = plain
        if sent.connection.is_tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.set_alpn_protocols(list(connections.TLS_PROTOCOLS[1:]))
            name = sent.connection.server_name or None
            stream = stack.enter_context(context.wrap_socket(plain, server_hostname=name))
        stream.sendall(text)
        while stream.recv(4096):
            pass


@contextlib.contextmanager
def _server(path: Path) -> Iterator[None]:
    """Answers 200 to whatever comes, also to bytes that are no HTTP, and hangs up."""
    program = (
        "import socketserver,sys\n"
        "class H(socketserver.BaseRequestHandler):\n"
        "  def handle(self):\n"
        "    self.request.settimeout(5)\n"
        "    self.request.recv(65536)\n"
        "    self.request.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n')\n"
        "class S(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):\n"
        "  daemon_threads = True\n"
        "  request_queue_size = 100\n"
        "S(sys.argv[1], H).serve_forever()\n"
    )
    path.unlink(missing_ok=True)
    process = subprocess.Popen([sys.executable, "-c", program, str(path)])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _until_ready(folder: Path, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        if b"LIVE" in _admin(folder, "GET", "/ready"):
            return
        time.sleep(0.02)
    raise AssertionError((folder / "envoy.log").read_text()[-3000:])


def _admin(folder: Path, method: str, page: str) -> bytes:
    with socket.socket(socket.AF_UNIX) as s, contextlib.suppress(OSError):
        s.settimeout(PATIENCE)
        s.connect(str(folder / "admin.sock"))
        s.sendall(f"{method} {page} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        data = b""
        while chunk := s.recv(65536):
            data += chunk
        return data
    return b""
