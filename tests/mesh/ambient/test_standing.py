"""A real Envoy in ztunnel's place: drawn policies against a model of them, and a hand-made client of HBONE."""

import contextlib
import os
import random
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from labkit.kube.resources import Object
from labkit.mesh.ambient import decisions, tables
from labkit.sandbox.network import addresses
from labkit.sandbox.proxy import agent
from tests.mesh.ambient import drawn, standing
from tests.mesh.ambient.standing import OTHER, PORT

PODS, PER_POD = 50, 20
ALLOWED, REFUSED = "allowed", "refused"


@dataclass(frozen=True, kw_only=True)
class Scene:
    """The pods by name, all that there is, and the Envoy that serves them."""

    ips: Mapping[str, str]
    tables: tables.Tables
    envoy: standing.Standing
    callers: tuple[str, ...]
    """Addresses of callers."""


OPEN = "open"
"""A pod that nobody restricts."""

OWN_PORT = 8123
"""A declared port of that pod, at which its program listens itself."""

STRICT = "strict"
"""One that takes no plaintext and nobody but ``amb/curl``."""


def _fixed() -> list[Object]:
    spec = {"selector": {"matchLabels": {"app": STRICT}}}
    allow = {**spec, "rules": [{"from": [{"source": {"principals": ["cluster.local/ns/amb/sa/curl"]}}]}]}
    peers = {**spec, "mtls": {"mode": "STRICT"}}
    return [
        drawn.security("AuthorizationPolicy", "only-curl", "amb", allow),
        drawn.security("PeerAuthentication", "strict", "amb", peers),
    ]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    if agent.envoy() is None:
        pytest.skip("there is no Envoy for this platform")
    chance = random.Random(os.environ.get("EXAMPLES", "ambient"))
    with addresses.hold_block() as block:
        names = [f"pod-{number}" for number in range(PODS)]
        ips = {name: block.pod(2 + number) for number, name in enumerate([*names, OPEN, STRICT])}
        draw = drawn.Draw(random=chance, ranges=drawn.ranges(block.base))
        every = [*drawn.policies(draw, names), *_fixed()]
        snapshot = standing.snapshot(
            [
                standing.pod(name, ip, account="served", own=[OWN_PORT] if name == OPEN else [])
                for name, ip in ips.items()
            ],
            authorizationpolicies_security_istio_io=[p for p in every if p["kind"] == "AuthorizationPolicy"],
            peerauthentications_security_istio_io=[p for p in every if p["kind"] == "PeerAuthentication"],
        )
        folder = tmp_path_factory.mktemp("ambient")
        with standing.standing(folder, snapshot) as envoy:
            apps = [standing.App(folder, name) for name in ips]
            apps += [standing.App(folder, name, OTHER) for name in names]
            callers = (block.pod(2), block.pod(40), block.pod(200), block.pod(300))
            yield Scene(ips=ips, tables=tables.of(snapshot), envoy=envoy, callers=callers)
            for app in apps:
                app.close()


def _plain(scene: Scene, source: str, ip: str, port: int) -> str:
    try:
        with socket.create_connection((ip, port), 10, source_address=(source, 0)) as link:
            link.sendall(b"hello")
            return ALLOWED if link.recv(100) else REFUSED
    except ConnectionError:
        return REFUSED


def test_a_thousand_drawn_connections_are_decided_as_the_model_decides_them(scene: Scene) -> None:
    chance = random.Random(os.environ.get("EXAMPLES", "connections"))
    different, count, refused = [], 0, 0
    for name, ip in scene.ips.items():
        account, source = chance.choice(drawn.ACCOUNTS), chance.choice(scene.callers)
        tunnel = standing.Tunnel(scene.envoy, account, source, ip)
        for _ in range(PER_POD if name not in (OPEN, STRICT) else 0):
            port, is_plain = chance.choice((PORT, OTHER)), chance.random() < 0.3
            principal = "" if is_plain else standing.identity(account).removeprefix("spiffe://")
            asked = decisions.Connection(
                principal=principal, source_ip=source, destination_ip=ip, destination_port=port
            )
            decision = decisions.decide(scene.tables, f"Kubernetes//Pod/amb/{name}", asked)
            if is_plain:
                answer = _plain(scene, source, ip, port)
            else:
                status, reply = tunnel.connect(f"{ip}:{port}", b"hello")
                answer = {200: ALLOWED, 401: REFUSED}.get(status, str(status))
                assert status != 200 or reply == f"{name}:{source}:hello".encode(), "the app sees its caller"
            count, refused = count + 1, refused + (not decision.is_allowed)
            if answer != (ALLOWED if decision.is_allowed else REFUSED):
                different.append((name, account, asked, decision, answer))
        tunnel.close()
    assert different == []
    assert count == PODS * PER_POD
    assert count * 0.2 < refused < count * 0.8, "the draw should decide both ways"


@pytest.mark.parametrize(
    ("authority", "status"),
    [
        pytest.param("{ip}:9080", 200, id="a port that is served"),
        pytest.param("{ip}:9090", 503, id="a port that nothing serves"),
        pytest.param("{ip}:7", 503, id="a port that nobody declared"),
        pytest.param("127.0.0.9:9080", 400, id="another pod's address"),
        pytest.param("httpbin:9080", 400, id="a name"),
    ],
)
def test_an_authority_is_answered_as_ztunnel_answers_it(scene: Scene, authority: str, status: int) -> None:
    ip = scene.ips[OPEN]
    tunnel = standing.Tunnel(scene.envoy, "amb/curl", scene.callers[0], ip)
    assert tunnel.connect(authority.format(ip=ip))[0] == status
    tunnel.close()


def test_a_tunnel_leads_to_a_program_that_keeps_its_port(scene: Scene) -> None:
    ip = scene.ips[OPEN]
    with (
        socket.create_server((ip, OWN_PORT)) as listener,
        contextlib.closing(standing.Tunnel(scene.envoy, "amb/curl", scene.callers[0], ip)) as tunnel,
    ):
        assert tunnel.connect(f"{ip}:{OWN_PORT}")[0] == 200
        listener.accept()[0].close()


def test_a_policy_refuses_an_identity_with_401(scene: Scene) -> None:
    ip = scene.ips[STRICT]
    answers = {}
    for account in ("amb/curl", "shop/curl"):
        tunnel = standing.Tunnel(scene.envoy, account, scene.callers[0], ip)
        answers[account] = tunnel.connect(f"{ip}:{PORT}", b"hello")[0]
        tunnel.close()
    assert answers == {"amb/curl": 200, "shop/curl": 401}


def test_strict_refuses_plaintext_under_istiods_own_name(scene: Scene) -> None:
    assert _plain(scene, scene.callers[0], scene.ips[STRICT], PORT) == REFUSED
    assert _plain(scene, scene.callers[0], scene.ips[OPEN], PORT) == ALLOWED


def test_nobody_gets_a_tunnel_without_a_certificate_of_the_mesh(scene: Scene, tmp_path: Path) -> None:
    ip = scene.ips[OPEN]
    for client, account in ((scene.envoy, ""), (standing.stranger(scene.envoy, tmp_path), "amb/curl")):
        with (
            pytest.raises((ssl.SSLError, ConnectionError)),
            contextlib.closing(standing.Tunnel(client, account, scene.callers[0], ip)) as tunnel,
        ):
            tunnel.connect(f"{ip}:{PORT}")


def test_connections_that_are_open_at_once_keep_their_own_callers(scene: Scene) -> None:
    seen = {}
    with contextlib.ExitStack() as stack:
        for name in ("pod-0", "pod-1", "pod-2"):
            link = stack.enter_context(scene.envoy.connect(f"uid-{name}", scene.ips[name], scene.ips[OPEN], PORT))
            link.sendall(b"hello")
            seen[name] = link.recv(100).decode()
    assert seen == {name: f"{OPEN}:{scene.ips[name]}:hello" for name in seen}


@pytest.mark.parametrize("size", [1, 1000, 300_000])
def test_an_app_that_answers_and_closes_at_once_is_heard_to_the_last_byte(scene: Scene, size: int) -> None:
    link = scene.envoy.connect("uid-pod-0", scene.ips["pod-0"], scene.ips[OPEN], PORT)
    link.sendall(f"{standing.ANSWER}{size}".encode())
    received = 0
    while data := link.recv(65536):
        received += len(data)
    link.close()
    assert received == size
