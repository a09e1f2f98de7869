"""What a proxy shows istiod: on a real Envoy, with a clock that the test moves."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from labkit.mesh import model
from labkit.sandbox.apiserver import tokens as issuing
from labkit.sandbox.istiod import ads, authority, serving
from labkit.sandbox.kubelet import tokens, volumes
from labkit.sandbox.proxy import agent, bootstrap, credentials

IP = "127.211.0.10"
HOUR = 3600.0
ISTIO_TOKEN = "istio-ca", 43200
ACCOUNT = {"kind": "ServiceAccount", "metadata": {"name": "web", "namespace": "default", "uid": "1"}}
POD = {"kind": "Pod", "metadata": {"name": "web", "namespace": "default", "uid": "2"}, "spec": {}}
MOUNTS = [
    {"name": "token", "mountPath": "/var/run/secrets/tokens"},
    {"name": "root", "mountPath": "/var/run/secrets/istio/"},
]
START = bootstrap.Start(
    role="sidecar",
    name="web",
    namespace="default",
    ip=IP,
    istiod=IP,
    metadata={},
    credentials=credentials.SOCKET,
    refresh=0.2,
)


def key() -> bytes:
    pem, raw = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(pem, raw, serialization.NoEncryption())


@dataclass(kw_only=True)
class Cluster:
    """An API server's tokens, a kubelet that renews them, and istiod, by one clock."""

    folder: Path
    now: float = 1_800_000_000.0
    root: authority.Authority = field(default_factory=authority.Authority.new)

    def __post_init__(self) -> None:
        objects = {"/serviceaccounts": ACCOUNT, "/pods": POD}
        lookup = lambda table, namespace, name: objects.get(table)  # noqa: E731
        self.issued = issuing.Tokens(key(), admin="admin", lookup=lookup, clock=lambda: self.now)
        self.held = tokens.Tokens(self, POD, clock=lambda: self.now)
        self.discovery = ads.Discovery(self._authenticate, lambda _: {}, lambda _: None)

    async def create(self, place: Any, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """The API server's answer to the kubelet's TokenRequest."""
        seconds = request["spec"]["expirationSeconds"]
        token, _ = self.issued.issue(ACCOUNT, audiences=request["spec"]["audiences"], seconds=seconds, bound=POD)
        return {"status": {"token": token}}

    async def _authenticate(self, metadata: Mapping[str, str], node: Mapping[str, Any]) -> model.Proxy:
        token = metadata.get("authorization", "").removeprefix("Bearer ")
        try:
            self.issued.reviewed(token, [ISTIO_TOKEN[0]])
        except issuing.RefusedTokenError as e:
            raise PermissionError(str(e)) from e
        return model.Proxy(name="web", namespace="default", role="sidecar", ip=IP)

    async def keep_house(self) -> None:
        """What the kubelet does every half minute."""
        await self.held.renew([ISTIO_TOKEN])
        held = await self.held.get([ISTIO_TOKEN])
        volumes.write(self.folder / "token", {"istio-token": volumes.File(data=held[ISTIO_TOKEN].encode())})
        volumes.write(self.folder / "root", {"root-cert.pem": volumes.File(data=self.root.root.encode())})

    @asynccontextmanager
    async def istiod(self) -> AsyncIterator[None]:
        server = await serving.discovery((self.discovery.handler(),), self.root.server(*serving.NAMES), IP)
        try:
            yield
        finally:
            await server.stop(0)

    async def until_connected(self) -> None:
        async with asyncio.timeout(60):
            while not self.discovery.streams:
                await self.discovery.until_change()

    async def until_gone(self) -> None:
        async with asyncio.timeout(60):
            while self.discovery.streams:
                await self.discovery.until_change()

    @asynccontextmanager
    async def envoy(self) -> AsyncIterator[None]:
        service = credentials.Service(credentials.files({"volumeMounts": MOUNTS}, self.folder))
        server = await service.listen(self.folder)
        (self.folder / "envoy.json").write_text(json.dumps(bootstrap.bootstrap(START)))
        command = [agent.envoy() or "envoy", "-c", "envoy.json", *agent.FLAGS]
        envoy = await asyncio.create_subprocess_exec(*command, cwd=self.folder, stdout=DEVNULL, stderr=DEVNULL)
        try:
            yield
        finally:
            envoy.kill()
            await envoy.wait()
            server.close()


def test_istiod_may_restart_when_the_first_token_has_long_expired(tmp_path: Path) -> None:
    async def play() -> None:
        cluster = Cluster(folder=tmp_path)
        await cluster.keep_house()
        async with cluster.envoy():
            async with cluster.istiod():
                await cluster.until_connected()
                first = cluster.held.by_key[ISTIO_TOKEN]
                cluster.now += 30 * HOUR
                await cluster.keep_house()
            await cluster.until_gone()
            with pytest.raises(issuing.RefusedTokenError, match="expired"):
                cluster.issued.reviewed(first, [ISTIO_TOKEN[0]])
            async with cluster.istiod():
                await cluster.until_connected()

    asyncio.run(play())


def test_istiod_may_restart_with_another_root(tmp_path: Path) -> None:
    async def play() -> None:
        cluster = Cluster(folder=tmp_path)
        await cluster.keep_house()
        async with cluster.envoy():
            async with cluster.istiod():
                await cluster.until_connected()
            await cluster.until_gone()
            cluster.root = authority.Authority.new()
            async with cluster.istiod():
                await cluster.keep_house()
                await cluster.until_connected()

    asyncio.run(play())


def test_an_envoy_holds_no_watch_and_its_file_no_token(tmp_path: Path) -> None:
    text = json.dumps(bootstrap.bootstrap(START))
    assert "Bearer" not in text and "watched" not in text and "path_config_source" not in text


def test_a_secret_of_another_name_is_not_answered(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        credentials.answer({"resource_names": ["ca-key"]}, {})


def test_the_version_changes_with_the_file_and_with_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "istio-token"
    asked = {"resource_names": [credentials.TOKEN]}

    def version(text: str) -> str:
        file.write_text(text)
        return str(credentials.answer(asked, {credentials.TOKEN: file})["version_info"])

    assert version("one") == version("one") != version("two")
