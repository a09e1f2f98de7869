"""AuthorizationPolicies on ports that are not HTTP, on a real Envoy: istio.io, Authorization for TCP traffic."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from labkit.clusters import cluster
from labkit.kube import resources
from labkit.lab import Lab

pytestmark = pytest.mark.sandbox

SCENE = Path(__file__).with_name("tcp_permissions.yaml")
CLIENT = "cluster.local/ns/echoes/sa/client"
PORTS = (9000, 9001, 9002)
EVERY, NONE = set(PORTS), set[int]()
LINE = "a line of text"
ASK = " & ".join(f"echo {port} | nc -w 2 tcp-echo {port}" for port in PORTS) + " & wait"


@dataclass(frozen=True, kw_only=True)
class Echoes:
    """A server of lines on three ports, a client in the mesh, and a gateway's TCP port."""

    lab: Lab
    server: str
    gateway: str

    def answered_in_mesh(self) -> set[int]:
        """The ports that answer the client with a sidecar."""
        text = str(self.lab.kubectl(f"-n echoes exec deploy/client -- sh -c '{ASK}'"))
        return {port for port in PORTS if f"hello {port}" in text}

    def answered_plain(self) -> set[int]:
        """The ports that answer a client without one."""
        return {port for port in PORTS if echoes(self.server, port)}

    def decide(self, spec: dict[str, object], namespace: str, labels: dict[str, str]) -> None:
        """Have one policy, in force when this returns."""
        metadata = {"name": "tcp-policy", "namespace": namespace}
        body = {"selector": {"matchLabels": labels}, **spec}
        kind = {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy"}
        self.lab.apply([{**kind, "metadata": metadata, "spec": body}], quiet=True)


def echoes(address: str, port: int) -> bool:
    """Whether a line comes back."""
    try:
        with socket.create_connection((address, port), timeout=60) as link:
            link.sendall(LINE.encode() + b"\n")
            return link.recv(64) == f"hello {LINE}\n".encode()
    except ConnectionError:
        return False


@pytest.fixture(scope="module")
def scene(kubectl, sandbox) -> Iterator[Echoes]:
    kubectl("apply", "-f", str(SCENE))
    kubectl("-n", "echoes", "wait", "--for=condition=Available", "deployment", "--all", "--timeout=60s")

    def address(namespace: str, labels: str) -> str:
        (pod,) = sandbox.client.list(resources.PODS, namespace, labels=labels)
        return str(pod["status"]["podIP"])

    yield Echoes(
        lab=Lab(cluster.of_sandbox(sandbox.kubeconfig)),
        server=address("echoes", "app=tcp-echo"),
        gateway=address("istio-system", "istio=ingressgateway"),
    )
    kubectl("delete", "authorizationpolicy", "tcp-policy", "-n", "istio-system", "--ignore-not-found")
    kubectl("delete", "namespace", "echoes", "--wait=false")


def to(*ports: str, **more: object) -> dict[str, object]:
    return {"to": [{"operation": {"ports": list(ports), **more}}]}


def source(**fields: object) -> dict[str, object]:
    return {"from": [{"source": fields}]}


def when(key: str, value: str) -> dict[str, object]:
    return {"when": [{"key": key, "values": [value]}]}


GET = {"methods": ["GET"]}
CASES = {
    "ports that are allowed": ("ALLOW", [to("9000", "9001")], {9000, 9001}, {9000, 9001}),
    "an allowing rule with a method applies to no connection": ("ALLOW", [to("9000", **GET)], NONE, NONE),
    "the other rules of its policy do": ("ALLOW", [to("9000", **GET), to("9001")], {9001}, {9001}),
    "a denying rule loses its method": ("DENY", [to("9000", **GET)], {9001, 9002}, {9001, 9002}),
    "a denying rule loses its negated token": ("DENY", [source(notRequestPrincipals=["*"])], NONE, NONE),
    "an allowing rule with a token": ("ALLOW", [source(requestPrincipals=["*"])], NONE, NONE),
    "a caller with a certificate": ("ALLOW", [source(principals=[CLIENT])], EVERY, NONE),
    "a namespace that is denied one port": (
        "DENY", [{**source(namespaces=["echoes"]), **to("9001")}], {9000, 9002}, EVERY,
    ),
    "a trust domain": ("ALLOW", [source(trustDomains=["cluster.local"])], EVERY, NONE),
    "another trust domain": ("ALLOW", [source(trustDomains=["cluster.example"])], NONE, NONE),
    "a port of the connection": ("ALLOW", [when("destination.port", "9002")], {9002}, {9002}),
    "a denying rule loses its header": ("DENY", [when("request.headers[x]", "1")], NONE, NONE),
    "an audit refuses nobody": ("AUDIT", [to("9001")], EVERY, EVERY),
}  # fmt: skip


@pytest.mark.parametrize(("action", "rules", "in_mesh", "plain"), CASES.values(), ids=CASES)
def test_which_connections_pass(scene, action, rules, in_mesh, plain):
    scene.decide({"action": action, "rules": rules}, "echoes", {"app": "tcp-echo"})
    assert scene.answered_in_mesh() == in_mesh
    assert scene.answered_plain() == plain


def test_an_authorizer_that_nobody_defines_refuses_what_it_is_asked_about(scene):
    spec = {"action": "CUSTOM", "provider": {"name": "nobody"}, "rules": [to("9001")]}
    scene.decide(spec, "echoes", {"app": "tcp-echo"})
    assert scene.answered_in_mesh() == {9000, 9002}


GATEWAY = {
    "its port is denied": ("DENY", [to("31400")], False),
    "another port is allowed": ("ALLOW", [to("8080")], False),
    "an allowing rule with a method": ("ALLOW", [to("31400", **GET)], False),
    "the caller's address is allowed": ("ALLOW", [source(ipBlocks=["127.0.0.0/8"])], True),
}


@pytest.mark.parametrize(("action", "rules", "passes"), GATEWAY.values(), ids=GATEWAY)
def test_which_connections_pass_a_gateway(scene, action, rules, passes):
    scene.decide({"action": "AUDIT", "rules": [{}]}, "echoes", {"app": "tcp-echo"})
    scene.decide({"action": action, "rules": rules}, "istio-system", {"istio": "ingressgateway"})
    assert echoes(scene.gateway, 31400) == passes
