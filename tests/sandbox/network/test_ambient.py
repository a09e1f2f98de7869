"""Programs hand their port to the node's proxy: those of the kit, those of others, and those that come late."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from labkit.mesh import place
from labkit.sandbox.network import addresses, handover, kernel, listening, pods, proxyheader
from tests.sandbox.network.test_pods import Cluster, pod

PORT = 9080
LATE_PORT = 9180
"""Of no other test: what is read of the kernel's table is a moment old, and an address is used again."""

HBONE = 15008

pytestmark = pytest.mark.skipif(not kernel.has_table(), reason="this kernel has no /proc/net/tcp")

Scene = Callable[[pods.Network], Awaitable[Any]]


class Caller(asyncio.Protocol):
    """A program that says who calls."""

    def __init__(self) -> None:
        self._caller = "nobody"

    def called_by(self, address: proxyheader.Address) -> None:
        self._caller = address[0]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(self._caller.encode())


def play(folder: Path, scene: Scene) -> Any:
    """Run a scene in a pod without a sidecar, on a node with ambient."""

    async def installed() -> bool:
        return True

    async def main() -> Any:
        with addresses.hold_block() as block:
            networks = pods.Networks(block, Cluster(), api_port=1, has_ambient=installed)
            network = await networks.open(pod(sidecar=False), block.pod(2), folder / "pod", has_proxy=False)
            try:
                return await scene(network)
            finally:
                networks.close(network.ways.ip)

    return asyncio.run(main())


def envoy(ip: str, port: int) -> socket.socket:
    """A socket as the node's Envoy has it beside a program's."""
    link = socket.socket()
    for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
        link.setsockopt(socket.SOL_SOCKET, option, 1)
    link.bind((ip, port))
    link.listen()
    return link


async def until(is_true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_true():  # noqa: ASYNC110 (no event tells of the kernel's table)
            await asyncio.sleep(0.01)


def test_a_program_that_comes_while_its_pod_joins_lets_go_of_the_address(tmp_path: Path) -> None:
    async def scene(network: pods.Network) -> int:
        ip = network.ways.ip
        before = {**network.environment(), listening.POD_ADDRESS: ip}
        with envoy(ip, HBONE):
            await network.handed.join()
            port = handover.Port(factory=Caller, number=PORT, env=before, folder=network.ways.folder)
            await port.open()
            with envoy(ip, PORT):
                await until(lambda: kernel.listeners(ip).get(PORT) == 1)
                kept = len(port.servers)
            port.close()
        return kept

    assert play(tmp_path, scene) == 2, "its two sockets in the pod's folder"


def test_the_proxy_tells_a_program_who_calls(tmp_path: Path) -> None:
    async def scene(network: pods.Network) -> bytes:
        port = handover.Port(factory=Caller, number=PORT, env=network.environment(), folder=network.ways.folder)
        await port.open()
        path = network.ways.folder / place.announced_socket(PORT)
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(proxyheader.of(("127.66.0.9", 40000), (network.ways.ip, PORT)) + b"hello")
        answer = await reader.read(100)
        writer.close()
        port.close()
        return answer

    assert play(tmp_path, scene) == b"127.66.0.9"


def test_the_sandbox_stands_in_for_a_program_that_knows_no_socket(tmp_path: Path) -> None:
    async def scene(network: pods.Network) -> tuple[bytes, set[int], set[int]]:
        ip, own = network.ways.ip, network.environment()[listening.ADDRESS]
        await network.bridge(())

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(str(writer.get_extra_info("peername")[0]).encode())
            writer.close()

        server = await asyncio.start_server(answer, own, LATE_PORT)
        await until(lambda: LATE_PORT in kernel.listeners(ip))
        reader, writer = await asyncio.open_connection(ip, LATE_PORT, local_addr=("127.66.7.7", 0))
        seen = await reader.read(100)
        writer.close()
        there = set(kernel.listeners(ip))
        server.close()
        await until(lambda: LATE_PORT not in kernel.listeners(ip))
        return seen, there, set(kernel.listeners(ip))

    assert play(tmp_path, scene) == (b"127.66.7.7", {LATE_PORT}, set())
