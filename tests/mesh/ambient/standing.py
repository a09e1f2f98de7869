"""One real Envoy in ztunnel's place, without a sandbox: its configuration is static, its pods are folders."""

import contextlib
import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h2.connection
import h2.events

from labkit.base import waiting
from labkit.kube.resources import Object
from labkit.mesh import model, names, place
from labkit.mesh.ambient import enrolment, tables, ztunnel
from labkit.sandbox.istiod import authority
from labkit.sandbox.network import proxyheader, sockets
from labkit.sandbox.proxy import agent, bootstrap

NODE, PORT = "node-1", 9080
ANSWER = "answer "
"""What a program is told that answers with so many bytes and closes: ``answer 1000``."""

OTHER = 9090
"""A port that a pod serves beside the first."""


def pod(
    name: str,
    ip: str,
    *,
    namespace: str = "amb",
    account: str = "",
    ports: Sequence[int] = (PORT, OTHER),
    own: Sequence[int] = (),
) -> Object:
    """A pod that istio-cni has redirected; its programs keep the ports of ``own``."""
    declared = [{"containerPort": port} for port in (*ports, *own)]
    annotations = {ztunnel.CAPTURED: ",".join(map(str, ports)), enrolment.REDIRECTION: enrolment.ENABLED}
    return {
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{name}",
            "labels": {"app": name},
            "annotations": annotations,
        },
        "spec": {
            "nodeName": NODE,
            "serviceAccountName": account or name,
            "containers": [{"ports": declared}],
        },
        "status": {"podIP": ip, "phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }


def snapshot(pods: Sequence[Object], **kinds: Sequence[Object]) -> model.Snapshot:
    """Pods and what else there is, by the plural of its kind with ``_`` for ``.``."""
    return model.Snapshot(objects={"pods": pods, **{k.replace("_", "."): v for k, v in kinds.items()}})


def static(config: model.Config, root: authority.Authority, accounts: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    """The configuration with everything in one file: endpoints in their clusters, certificates as they are."""
    clusters = [_with_endpoints(cluster, config) for cluster in config.clusters.values()]
    secrets = [_certificate(name, root, *account) for name, account in accounts.items()]
    trusted = {"name": "ROOTCA", "validation_context": {"trusted_ca": {"inline_string": root.root}}}
    resources = {"clusters": clusters, "listeners": list(config.listeners.values()), "secrets": [*secrets, trusted]}
    kind = "type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener"
    return {
        "node": {"id": "test", "cluster": "test"},
        "admin": {"address": {"pipe": {"path": "15000.sock", "mode": 0o600}}},
        "bootstrap_extensions": [{"name": "envoy.bootstrap.internal_listener", "typed_config": {"@type": kind}}],
        "layered_runtime": {"layers": [{"name": "test", "static_layer": bootstrap.TUNNELS}]},
        "static_resources": _without_discovery(resources, config.extensions),
    }


def _with_endpoints(cluster: dict[str, Any], config: model.Config) -> dict[str, Any]:
    if cluster["type"] != "EDS":
        return cluster
    kept = {key: value for key, value in cluster.items() if key != "eds_cluster_config"}
    return {**kept, "type": "STATIC", "load_assignment": config.endpoints[cluster["name"]]}


def _without_discovery(part: Any, filters: Mapping[str, Any]) -> Any:
    if isinstance(part, dict):
        if "config_discovery" in part:
            return filters[part["name"]]
        return {key: _without_discovery(value, filters) for key, value in part.items() if key != "sds_config"}
    return [_without_discovery(item, filters) for item in part] if isinstance(part, list) else part


def _certificate(name: str, root: authority.Authority, namespace: str, account: str) -> dict[str, Any]:
    own = root.workload(namespace, account)
    pair = {"certificate_chain": {"inline_string": own.chain}, "private_key": {"inline_string": own.key}}
    return {"name": name, "tls_certificate": pair}


class App:
    """A program of a pod: it says its name, who calls and whatever it is told."""

    def __init__(self, folder: Path, name: str, port: int = PORT) -> None:
        path = folder / f"uid-{name}" / "run" / place.announced_socket(port)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._listener, self._name = sockets.listen(path), name
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                link, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._echo, args=(link,), daemon=True).start()

    def _echo(self, link: socket.socket) -> None:
        with link, contextlib.suppress(OSError):
            (caller, _), _ = proxyheader.read(lambda size: link.recv(size, socket.MSG_WAITALL))
            while told := link.recv(65536):
                if told.startswith(ANSWER.encode()):
                    link.sendall(b"x" * int(told.removeprefix(ANSWER.encode())))
                    return
                link.sendall(f"{self._name}:{caller}:".encode() + told)

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()


@dataclass(kw_only=True)
class Standing:
    """Running."""

    folder: Path
    root: authority.Authority
    log: Path
    _contexts: dict[str, ssl.SSLContext] = field(default_factory=dict)

    def connect(self, uid: str, source: str, address: str, port: int) -> socket.socket:
        """A connection of a pod's program: captured, with the header that says where it goes."""
        link = sockets.connect(self.folder / uid / "run" / "outbound.sock", within=10)
        link.sendall(proxyheader.of((source, 40000), (address, port)))
        return link

    def context(self, account: str) -> ssl.SSLContext:
        """TLS with the certificate of ``namespace/account``; empty for none."""
        if account not in self._contexts:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.set_alpn_protocols(["h2"])
            if account:
                own = self.root.workload(*account.split("/"))
                file = self.folder / f"{account.replace('/', '-')}.pem"
                file.write_text(own.chain + own.key)
                context.load_cert_chain(file)
            self._contexts[account] = context
        return self._contexts[account]


class Tunnel:
    """A hand-made client of HBONE: one connection in mutual TLS, one CONNECT after the other."""

    def __init__(self, standing: Standing, account: str, source: str, address: str) -> None:
        plain = socket.create_connection((address, 15008), 10, source_address=(source, 0))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._http = h2.connection.H2Connection()
        self._http.initiate_connection()
        self._link = standing.context(account).wrap_socket(plain)
        try:
            self._link.sendall(self._http.data_to_send())
        except OSError:
            self.close()
            raise

    def connect(self, authority: str, told: bytes = b"") -> tuple[int, bytes]:
        """The answer to a CONNECT, and what comes back through the tunnel for what is told."""
        stream = self._http.get_next_available_stream_id()
        self._http.send_headers(stream, [(":method", "CONNECT"), (":authority", authority)])
        self._link.sendall(self._http.data_to_send())
        status, reply = 0, b""
        while True:
            data = self._link.recv(65536)
            if not data:
                raise ConnectionResetError("the tunnel's connection ended")
            for event in self._http.receive_data(data):
                if isinstance(event, h2.events.ResponseReceived):
                    status = int(dict(event.headers)[b":status"])
                    if status == 200 and told:
                        self._http.send_data(stream, told)
                elif isinstance(event, h2.events.DataReceived):
                    reply += event.data
                    self._http.acknowledge_received_data(event.flow_controlled_length, stream)
                elif isinstance(event, h2.events.StreamEnded | h2.events.StreamReset) and status != 200:
                    return status, reply
            self._link.sendall(self._http.data_to_send())
            if status and (status != 200 or reply or not told):
                if status == 200:
                    self._http.reset_stream(stream)
                    self._link.sendall(self._http.data_to_send())
                return status, reply

    def close(self) -> None:
        """End the connection."""
        self._link.close()


@contextlib.contextmanager
def standing(folder: Path, scene: model.Snapshot) -> Iterator[Standing]:
    """An Envoy for all pods of a scene; stopped when the context ends."""
    program = agent.envoy()
    assert program is not None
    root = authority.Authority.new()
    config = ztunnel.config(scene, tables.of(scene), NODE)
    own = folder / "node" / "run"
    own.mkdir(parents=True)
    pods = list(ztunnel.local_pods(scene, NODE))
    for one in pods:
        (folder / one.uid / "run").mkdir(parents=True, exist_ok=True)
    file, log = own / "envoy.json", own / "envoy.log"
    file.write_text(json.dumps(static(config, root, ztunnel.identities(scene, NODE))))
    with log.open("w") as output:
        envoy = subprocess.Popen([program, "-c", str(file), *agent.FLAGS], cwd=own, stdout=output, stderr=output)
    running = Standing(folder=folder, root=root, log=log)
    try:
        waiting.until(
            lambda: envoy.poll() is not None or _listens(pods[-1].ip),
            what="Envoy",
            timeout=30.0,
            next_step=f"read {log}",
        )
        assert envoy.poll() is None, log.read_text()[-3000:]
        yield running
    finally:
        envoy.terminate()
        envoy.wait(10)


def stranger(running: Standing, folder: Path) -> Standing:
    """The same Envoy for a client whose certificates another authority signed."""
    return Standing(folder=folder, root=authority.Authority.new(), log=running.log)


def _listens(ip: str) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((ip, 15008), 1):
        return True
    return False


def identity(account: str) -> str:
    """The SPIFFE name of ``namespace/account``."""
    return names.spiffe(account)
