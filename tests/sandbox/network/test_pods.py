"""A pod's network on real sockets: where its programs' connections go, and what is carried on for its Envoy."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from labkit.mesh import place
from labkit.sandbox.network import addresses, door, listening, pods, proxyheader, routes, sockets

RULES = ["-u", "1337", "-i", "*", "-b", "*", "-d", "15020,8443", "-o", "7777"]


def pod(*, sidecar: bool = True) -> dict[str, Any]:
    inits = [{"name": "istio-init", "args": RULES}] if sidecar else []
    return {"metadata": {"name": "web-0", "namespace": "shop"}, "spec": {"initContainers": inits, "containers": []}}


class Cluster:
    """A Service ``api`` whose one endpoint is given."""

    def __init__(self, *endpoints: routes.Endpoint) -> None:
        port = routes.Port(name="", number=80, node_port=None, endpoints=endpoints)
        service = routes.Service(namespace="shop", name="api", cluster_ip="10.96.0.7", ports={80: port})
        self.leads = routes.Routes([service])

    def service_object(self, namespace: str, name: str) -> Any:
        return {"spec": {"clusterIP": "10.96.0.7"}} if (namespace, name) == ("shop", "api") else None

    def slices_of(self, namespace: str, name: str) -> Any:
        return ()

    def entry(self, host: str) -> Any:
        return None

    def entry_endpoint(self, address: str, port: int) -> routes.Endpoint | None:
        return None


Scene = Callable[[pods.Network, dict[str, str]], Awaitable[Any]]


@pytest.fixture
def play(tmp_path: Path) -> Callable[..., Any]:
    """Run a scene with a network and the environment of its programs."""

    def run(scene: Scene, *, sidecar: bool = True, folder: str = "pod") -> Any:
        async def main() -> Any:
            with addresses.hold_block() as block:
                app = await asyncio.start_server(_echo, block.pod(9), 8080)
                cluster = Cluster((block.pod(9), 8080))
                networks = pods.Networks(block, cluster, api_port=1)
                network = await networks.open(pod(sidecar=sidecar), block.pod(2), tmp_path / folder, has_proxy=sidecar)
                try:
                    return await scene(network, network.environment())
                finally:
                    networks.close(network.ways.ip)
                    app.close()

        return asyncio.run(main())

    return run


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    peer = writer.get_extra_info("peername")
    line = await reader.readline()
    writer.write(line.strip() + f" from {peer[0] if isinstance(peer, tuple) else 'a socket'}".encode())
    writer.close()


@contextlib.asynccontextmanager
async def envoy(network: pods.Network, name: str) -> AsyncIterator[list[Any]]:
    """A stand-in that notes the header of each connection and answers it."""
    seen: list[Any] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        start = await reader.readexactly(16)
        seen.append(proxyheader.parse(start + await reader.readexactly(proxyheader.size_of(start) - 16)))
        await _echo(reader, writer)

    listener = sockets.listen(network.ways.folder / name)
    listener.setblocking(False)
    server = await asyncio.start_unix_server(serve, sock=listener)
    yield seen
    server.close()


@contextlib.asynccontextmanager
async def listens(port: int, env: dict[str, str]) -> AsyncIterator[socket.socket]:
    """A program of its own would wait for the network's word; here both share a loop."""
    context = listening.listening(port, env)
    listener, _ = await asyncio.to_thread(context.__enter__)
    listener.setblocking(False)
    try:
        yield listener
    finally:
        await asyncio.to_thread(context.__exit__, None, None, None)


async def say(host: str, port: int, env: dict[str, str]) -> str:
    """What comes back of one line that a program sends."""

    def talk() -> str:
        with door.connect(host, port, env, within=60.0) as link:
            link.sendall(b"hello\n")
            return link.makefile().read()

    return await asyncio.to_thread(talk)


def test_a_service_is_called_by_name_through_the_envoy(play: Any) -> None:
    async def scene(network: pods.Network, env: dict[str, str]) -> Any:
        async with envoy(network, place.OUTBOUND) as seen:
            return await say("api", 80, env), [(s[0], d) for s, d in seen], network.ways.ip

    text, seen, ip = play(scene)
    assert text == "hello from a socket"
    assert seen == [(ip, ("10.96.0.7", 80))]


def test_a_protocol_of_asyncio_goes_the_same_way(play: Any) -> None:
    async def scene(network: pods.Network, env: dict[str, str]) -> Any:
        async with envoy(network, place.OUTBOUND) as seen:
            reader = asyncio.StreamReader()
            transport, _ = await door.open_connection(lambda: asyncio.StreamReaderProtocol(reader), "api", 80, env)
            transport.write(b"hello\n")  # type: ignore[attr-defined]
            text = await reader.read()
            transport.close()
            return text, len(seen)

    assert play(scene) == (b"hello from a socket", 1)


def test_without_an_envoy_a_service_leads_to_an_endpoint_that_sees_the_pod(play: Any) -> None:
    async def scene(network: pods.Network, env: dict[str, str]) -> Any:
        return await say("api.shop.svc", 80, env), network.ways.ip

    text, ip = play(scene, sidecar=False)
    assert text == f"hello from {ip}"


def test_what_is_excluded_goes_past_the_envoy(play: Any) -> None:
    async def scene(network: pods.Network, env: dict[str, str]) -> Any:
        return (
            network.ways.way("192.0.2.1", 7777),
            network.ways.way("192.0.2.1", 7778).socket,
            network.ways.way("192.0.2.1", 1, uid=1337),
        )

    excluded, captured, proxy = play(scene)
    assert (excluded.address, excluded.port, excluded.is_announced) == ("192.0.2.1", 7777, False)
    assert captured == place.OUTBOUND
    assert proxy.address == "192.0.2.1"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.0.0.5", "0.0.0.0", "web-0", "OWN"])
@pytest.mark.parametrize("sidecar", [True, False], ids=["behind-envoy", "alone"])
def test_localhost_is_the_pod(play: Any, host: str, sidecar: bool) -> None:
    async def scene(network: pods.Network, env: dict[str, str]) -> Any:
        async with listens(8080, env) as listener:
            serve = asyncio.start_unix_server if sidecar else asyncio.start_server
            async with await serve(_echo, sock=listener):
                return await say(host.replace("OWN", network.ways.ip), 8080, env)

    assert play(scene, sidecar=sidecar).startswith("hello from")


@pytest.mark.parametrize("sidecar", [True, False], ids=["behind-envoy", "alone"])
def test_where_nobody_listens_the_connection_is_refused(play: Any, sidecar: bool) -> None:
    async def scene(network: pods.Network, env: dict[str, str]) -> Any:
        # What listens on the machine's own loopback is nobody's here.
        with socket.create_server(("127.0.0.1", 0)) as machine:
            await say("localhost", machine.getsockname()[1], env)

    with pytest.raises(ConnectionRefusedError):
        play(scene, sidecar=sidecar)


def test_a_name_that_nobody_has_is_not_known(play: Any) -> None:
    async def scene(network: pods.Network, env: dict[str, str]) -> Any:
        await say("nosuch.shop.svc.cluster.local.", 80, env)

    with pytest.raises(socket.gaierror, match="not known"):
        play(scene)


def test_an_envoy_that_is_not_there_yet_refuses(play: Any) -> None:
    async def scene(network: pods.Network, env: dict[str, str]) -> Any:
        await say("api", 80, env)

    with pytest.raises(ConnectionRefusedError):
        play(scene)


def _announced(folder: Path, name: str, destination: proxyheader.Address, source: str) -> str:
    with sockets.connect(folder / name, within=60.0) as link:
        link.sendall(proxyheader.of((source, 40000), destination) + b"hello\n")
        return link.makefile().read()


def test_what_the_envoy_passes_through_leads_on_from_the_pods_address(play: Any) -> None:
    async def scene(network: pods.Network, env: dict[str, str]) -> Any:
        ask = asyncio.to_thread(_announced, network.ways.folder, place.NETWORK, ("10.96.0.7", 80), network.ways.ip)
        return await ask, network.ways.ip

    text, ip = play(scene)
    assert text == f"hello from {ip}"


def test_what_the_envoy_passes_inwards_reaches_the_app_of_that_port(play: Any) -> None:
    async def scene(network: pods.Network, env: dict[str, str]) -> Any:
        async with listens(8099, env) as listener, await asyncio.start_unix_server(_echo, sock=listener):
            return await asyncio.to_thread(
                _announced, network.ways.folder, place.PASSTHROUGH, (network.ways.ip, 8099), "127.66.0.9"
            )

    assert play(scene) == "hello from a socket"


def _from(source: str, address: str, port: int) -> str:
    with socket.create_connection((address, port), 5.0, source_address=(source, 0)) as link:
        link.sendall(b"hello\n")
        return link.makefile().read()


def test_a_port_that_nobody_declared_is_reached_through_the_envoy(play: Any) -> None:
    async def scene(network: pods.Network, env: dict[str, str]) -> Any:
        async with listens(8099, env), envoy(network, place.INBOUND) as seen:
            other = network.ways.block.pod(9)
            text = await asyncio.to_thread(_from, other, network.ways.ip, 8099)
            return text, seen[0][0][0] == other, seen[0][1] == (network.ways.ip, 8099)

    assert play(scene) == ("hello from a socket", True, True)


def test_a_port_that_is_excluded_is_the_apps_own(play: Any) -> None:
    async def scene(network: pods.Network, env: dict[str, str]) -> Any:
        async with listens(8443, env) as listener, await asyncio.start_unix_server(_echo, sock=listener):
            return await asyncio.to_thread(_from, network.ways.block.pod(9), network.ways.ip, 8443)

    assert play(scene) == "hello from a socket"


def test_a_port_that_its_program_gave_up_is_nobodys(play: Any) -> None:
    async def scene(network: pods.Network, env: dict[str, str]) -> Any:
        async with listens(8099, env):
            pass
        for _ in range(100):
            try:
                await asyncio.to_thread(_from, network.ways.ip, network.ways.ip, 8099)
            except ConnectionRefusedError:
                return True
            except ConnectionResetError:
                continue  # it was about to
        return False

    assert play(scene)


def test_a_port_is_left_to_an_envoy_that_comes_to_listen_there(play: Any) -> None:
    async def scene(network: pods.Network, env: dict[str, str]) -> Any:
        async with listens(8099, env):
            with socket.socket() as late:
                late.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                late.bind((network.ways.ip, 8099))
                late.listen()
                await network.yield_to_envoy(8099)
                link = asyncio.to_thread(socket.create_connection, (network.ways.ip, 8099), 5.0)
                (await link).close()
                late.settimeout(5.0)
                (await asyncio.to_thread(late.accept))[0].close()
        return True

    assert play(scene)


def test_two_programs_of_a_pod_cannot_have_one_port(play: Any) -> None:
    async def scene(network: pods.Network, env: dict[str, str]) -> Any:
        def twice() -> None:
            with listening.listening(8080, env), listening.listening(8080, env):
                pass

        await asyncio.to_thread(twice)

    with pytest.raises(OSError, match="in use"):
        play(scene)


def test_a_program_that_knows_no_socket_is_reached_at_the_private_address(play: Any) -> None:
    async def scene(network: pods.Network, env: dict[str, str]) -> Any:
        await network.bridge([8080])
        async with await asyncio.start_server(_echo, network.ways.private_ip, 8080):
            return await say("localhost", 8080, env), network.ways.private_ip != network.ways.ip

    text, is_private = play(scene)
    assert text.startswith("hello from 127.")
    assert is_private


def test_a_program_of_the_catalogue_takes_its_port_from_the_bridge(play: Any) -> None:
    async def scene(network: pods.Network, env: dict[str, str]) -> Any:
        await network.bridge([8080])
        async with listens(8080, env) as listener, await asyncio.start_unix_server(_echo, sock=listener):
            return await say("localhost", 8080, env)

    assert play(scene) == "hello from a socket"


def test_a_folder_may_lie_deep(play: Any) -> None:
    async def scene(network: pods.Network, env: dict[str, str]) -> Any:
        async with envoy(network, place.OUTBOUND):
            return await say("api", 80, env)

    assert play(scene, folder="/".join(["deep" * 10] * 4)) == "hello from a socket"


def test_sockets_are_their_owners_alone(play: Any) -> None:
    async def scene(network: pods.Network, env: dict[str, str]) -> Any:
        modes = {path.name: path.stat().st_mode & 0o777 for path in network.ways.folder.iterdir()}
        return network.ways.folder.stat().st_mode & 0o777, modes

    folder, modes = play(scene)
    assert (folder, set(modes.values())) == (0o700, {0o600})
    assert modes.keys() == {door.SOCKET, place.NETWORK, place.PASSTHROUGH, place.METRICS}
