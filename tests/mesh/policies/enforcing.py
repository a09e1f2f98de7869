"""One real Envoy that enforces many guards at once: a request says by a header which of them it meets."""

import contextlib
import json
import socket
import ssl
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labkit.base import waiting
from labkit.mesh import ir
from labkit.mesh.envoy import TYPE, filters, rbac, typed
from labkit.mesh.ir import access
from labkit.sandbox.istiod import authority
from labkit.sandbox.network import addresses
from labkit.sandbox.proxy import agent

PLAIN, MUTUAL = 8080, 9080
"""Ports for callers without and with a certificate."""

CASE = "x-case"
ACTIONS = (access.DENY, access.ALLOW)


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request as it is sent."""

    case: int
    """Which guard it meets."""

    account: str = ""
    """``namespace/name`` of the caller's certificate; empty for a plain caller."""

    source: str
    """The caller's address."""

    method: str
    host: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(kw_only=True)
class Enforcer:
    """Running."""

    ip: str
    contexts: dict[str, ssl.SSLContext]
    _links: dict[tuple[str, str], socket.socket] = field(default_factory=dict)

    def statuses(self, calls: Sequence[Call]) -> list[int]:
        """What each call is answered; connections are kept, as pools keep them."""
        return [self._status(call) for call in calls]

    def _status(self, call: Call) -> int:
        link = self._link(call.account, call.source)
        lines = [f"{call.method} {call.path} HTTP/1.1", f"Host: {call.host}", f"{CASE}: {call.case}"]
        lines += [f"{name}: {value}" for name, value in call.headers]
        link.sendall("\r\n".join([*lines, "Content-Length: 0", "", ""]).encode())
        head, body = b"", b""
        while b"\r\n\r\n" not in head:
            part = link.recv(65536)
            assert part, (call, head)
            head += part
        head, _, body = head.partition(b"\r\n\r\n")
        length = next((int(h[15:]) for h in head.lower().split(b"\r\n") if h.startswith(b"content-length:")), 0)
        while len(body) < length and call.method != "HEAD":
            body += link.recv(65536)
        if b"connection: close" in head.lower():
            self._links.pop((call.account, call.source)).close()
        return int(head.split(b" ", 2)[1])

    def _link(self, account: str, source: str) -> socket.socket:
        if (account, source) not in self._links:
            link: socket.socket = socket.create_connection(
                (self.ip, MUTUAL if account else PLAIN), timeout=20, source_address=(source, 0)
            )
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if account:
                link = self.contexts[account].wrap_socket(link, server_hostname="test")
            self._links[account, source] = link
        return self._links[account, source]

    def close(self) -> None:
        """End all connections."""
        for link in self._links.values():
            link.close()


@contextlib.contextmanager
def enforcing(
    folder: Path, block: addresses.Block, guards: Sequence[ir.Access], tokens: ir.Tokens, accounts: Sequence[str]
) -> Iterator[Enforcer]:
    """An Envoy with these guards; all believe the same tokens. Stopped when the context ends."""
    root, ip = authority.Authority.new(), block.pod(2)
    file = folder / "envoy.json"
    file.write_text(json.dumps(_bootstrap(ip, guards, tokens, root)))
    program = agent.envoy()
    assert program is not None
    with (folder / "envoy.log").open("w") as log:
        envoy = subprocess.Popen([program, "-c", str(file), *agent.FLAGS], cwd=folder, stdout=log, stderr=log)
    enforcer = Enforcer(ip=ip, contexts={account: _context(folder, root, account) for account in accounts})
    try:
        waiting.until(lambda: _listens(ip), what="Envoy", timeout=30.0, next_step=f"read {folder / 'envoy.log'}")
        yield enforcer
    finally:
        enforcer.close()
        envoy.terminate()
        envoy.wait(10)


def _listens(ip: str) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((ip, MUTUAL), 1):
        return True
    return False


def _context(folder: Path, root: authority.Authority, account: str) -> ssl.SSLContext:
    namespace, _, name = account.partition("/")
    certificate = root.workload(namespace, name)
    file = folder / f"{namespace}-{name}.pem"
    file.write_text(certificate.chain + certificate.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(file)
    return context


def _bootstrap(ip: str, guards: Sequence[ir.Access], tokens: ir.Tokens, root: authority.Authority) -> dict[str, Any]:
    listeners = [_listener(ip, PLAIN, guards, tokens, None), _listener(ip, MUTUAL, guards, tokens, root)]
    return {
        "node": {"id": "test", "cluster": "test"},
        "admin": {"address": {"pipe": {"path": "15000.sock", "mode": 0o600}}},
        "static_resources": {"listeners": listeners},
    }


def _listener(
    ip: str, port: int, guards: Sequence[ir.Access], tokens: ir.Tokens, root: authority.Authority | None
) -> dict[str, Any]:
    manager = filters.connection_manager(
        ir.Http(side=ir.INBOUND, stat="in", upstream="none", guard=ir.Guard(tokens=tokens))
    )
    config = manager["typed_config"]
    named = {entry["name"]: entry for entry in config["http_filters"]}
    steps = [typed(f"rbac.{action}", "extensions.filters.http.rbac.v3.RBAC") for action in ACTIONS]
    config["http_filters"] = [named[rbac.JWT], *steps, named["envoy.filters.http.router"]]
    config["route_config"] = {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": list(_routes(guards))}]}
    chain: dict[str, Any] = {"filters": [manager]}
    if root is not None:
        chain["transport_socket"] = _mutual_tls(root)
    address = {"socket_address": {"address": ip, "port_value": port}}
    return {"name": str(port), "address": address, "filter_chains": [chain]}


def _routes(guards: Sequence[ir.Access]) -> Iterator[dict[str, Any]]:
    for number, guard in enumerate(guards):
        steps = {step.action: step for step in guard.requests if isinstance(step, ir.Rules)}
        yield {
            "match": {"prefix": "/", "headers": [{"name": CASE, "string_match": {"exact": str(number)}}]},
            "direct_response": {"status": 200},
            "typed_per_filter_config": {
                f"rbac.{action}": {
                    "@type": f"{TYPE}.extensions.filters.http.rbac.v3.RBACPerRoute",
                    "rbac": rbac.config(step),
                }
                for action in ACTIONS
                if (step := steps.get(action)) is not None
            },
        }


def _mutual_tls(root: authority.Authority) -> dict[str, Any]:
    own = root.workload("default", "server")
    common = {
        "tls_certificates": [
            {"certificate_chain": {"inline_string": own.chain}, "private_key": {"inline_string": own.key}}
        ],
        "validation_context": {"trusted_ca": {"inline_string": root.root}},
    }
    return typed(
        "envoy.transport_sockets.tls",
        "extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        require_client_certificate=True,
        common_tls_context=common,
    )
