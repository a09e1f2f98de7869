"""The networks of pods: for each, the sockets in its folder that the sandbox itself serves.

``door.sock`` tells a program of the pod where a connection goes; ``network.sock`` and ``passthrough.sock`` carry on
what the pod's Envoy passes through, as a node's kernel would.
"""

import asyncio
import json
import random
import secrets
import socket
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import names as mesh_names
from labkit.mesh import place
from labkit.mesh.ambient import enrolment
from labkit.mesh.hosts import workloads
from labkit.sandbox.network import (
    addresses,
    ambient,
    door,
    forward,
    handover,
    kernel,
    listening,
    proxyheader,
    sockets,
    splice,
    standin,
)
from labkit.sandbox.network.ways import Cluster, Ways
from labkit.sandbox.proxy import istio_metrics, metrics_page

ENVOY_WITHIN = 5.0
"""Seconds after which an Envoy listens that started beside an app."""

QUESTION_LIMIT = 4096
"""Bytes of a question at a door."""


async def _unheard(pod: Object, ports: str | None) -> None:
    """Note nothing."""


async def _without_ambient() -> bool:
    """Ambient is not installed."""
    return False


def _unobstructed() -> str:
    """Nothing is known to be missing."""
    return ambient.SLOW


@dataclass(eq=False, kw_only=True)
class Network:
    """One pod's."""

    ways: Ways
    """Where its connections go."""

    peers: istio_metrics.Peers = field(default_factory=istio_metrics.Peers)
    """Who the other pods are, for its metrics."""

    captured: Callable[[Object, str | None], Awaitable[None]] = _unheard
    """Notes on the pod which ports the node hands over to its proxy of ambient; None for no longer any."""

    network_of: "Callable[[str], Network | None]" = lambda _: None
    """The network of the pod that has an address."""

    token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    """What programs that are not the catalogue's show to the forwarder."""

    def __post_init__(self) -> None:
        self._servers: list[asyncio.Server] = []
        self._ports: dict[int, asyncio.Server] = {}
        """Ports at which only the sandbox listens for this pod."""
        self._look: asyncio.Task[None] | None = None
        self._bridges: dict[int, asyncio.Server] = {}
        """Ports whose socket leads to the private address, where programs listen that know no socket."""
        self.handed = ambient.Handed(self)
        """What the pod hands over when it joins ambient."""
        self.standins = standin.StandIns(self.ways.private_ip, self.ways.folder)
        """Ports of programs that know no socket, in a pod without an Envoy."""

    def environment(self) -> dict[str, str]:
        """What tells the pod's programs of the network."""
        way_out = forward.url(forward.address(self.ways.block), self.token)
        told = {"http_proxy": way_out, "https_proxy": way_out, "no_proxy": ""}
        behind = (
            {listening.BEHIND: "1", place.WORKLOAD: workloads.metadata(self.ways.pod)} if self.ways.has_proxy else {}
        )
        own = {
            door.FOLDER: str(self.ways.folder),
            listening.ADDRESS: self.ways.private_ip,
            listening.POD_ADDRESS: self.ways.ip,
        }
        if self.handed.is_prepared:
            own[handover.TAKEN_OVER] = "1"
        return {**own, **behind, **told, **{name.upper(): text for name, text in told.items()}}

    # Connections that the sandbox makes for the pod

    async def dial(self, host: str, port: int) -> splice.Half:
        """A connection to ``host:port`` as a program of the pod makes it; OSError."""
        return await self._connect(await self.ways.answer(host, port))

    async def dial_local(self, port: int) -> splice.Half:
        """A connection to ``localhost:PORT`` in the pod; OSError."""
        return await self._connect(self.ways.local(port))

    async def streams(self, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to ``localhost:PORT`` in the pod, to be read and written; OSError."""
        answer = self.ways.local(port)
        if answer.socket:
            link = sockets.connect(self.ways.folder / answer.socket)
            link.setblocking(False)
            return await asyncio.open_unix_connection(sock=link)
        try:
            return await asyncio.open_connection(answer.address, port)
        except ConnectionRefusedError:
            if answer.address == self.ways.ip or self.ways.has_proxy or self.handed.is_prepared:
                raise
            # A program beside ambient that has handed no port over, istiod for one, listens at the pod's own address.
            return await asyncio.open_connection(self.ways.ip, port)

    async def probed(self, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The kubelet's connection to a port of a pod in ambient, past the node's proxy; OSError.

        A port that the sandbox is about to stand in at is refused: others cannot reach it yet.
        """
        is_served = (self.ways.folder / place.app_socket(port)).exists()
        if self.ways.is_apart and not is_served and port in kernel.listeners(self.ways.private_ip):
            raise ConnectionRefusedError
        return await self.streams(port)

    async def _connect(self, answer: door.Answer) -> splice.Half:
        if answer.error:
            raise door.error_of(answer)
        if answer.socket:
            return await splice.connect_socket(self.ways.folder / answer.socket, door.header(answer))
        return await splice.connect((answer.address, answer.port), source=answer.source)

    async def _pass_outbound(self, source: proxyheader.Address, destination: proxyheader.Address) -> splice.Half:
        address, port = destination
        if address == self.ways.ip:
            # The proxy's own connection to its pod comes in like anybody's.
            return await splice.connect((address, port), source=self.ways.ip)
        return await splice.connect(self.ways.beyond(address, port), source=self.ways.ip)

    async def _pass_inbound(self, source: proxyheader.Address, destination: proxyheader.Address) -> splice.Half:
        return await self.dial_local(destination[1])

    async def _enter(self, port: int, peer: str) -> splice.Half:
        """A connection to a port of the pod that its Envoy was not told of."""
        if port not in self.ways.rules.inbound:
            return await self.dial_local(port)
        header = proxyheader.of((peer or self.ways.ip, random.randint(32768, 60999)), (self.ways.ip, port))
        return await splice.connect_socket(self.ways.folder / place.INBOUND, header)

    # Servers

    async def open(self) -> None:
        """Serve the pod's sockets."""
        self.ways.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.ways.folder.chmod(0o700)
        serving: dict[str, Callable[[], asyncio.Protocol]] = {door.SOCKET: lambda: _Door(self)}
        if self.ways.has_proxy:
            await self.serve_passed()
            page = metrics_page.Page(pod=self.ways.pod, streams=self.streams, peers=self.peers)
            serving[place.METRICS] = lambda: asyncio.StreamReaderProtocol(
                asyncio.StreamReader(metrics_page.LONGEST), page.serve
            )
        for name, factory in serving.items():
            self._servers.append(await self._serve_socket(name, factory))
        if enrolment.is_redirected(self.ways.pod):
            await self.handed.resume()

    async def serve_passed(self) -> None:
        """Carry on what an Envoy passes through."""
        passed = {place.NETWORK: self._pass_outbound, place.PASSTHROUGH: self._pass_inbound}
        for name, carry in passed.items():
            self._servers.append(await self._serve_socket(name, lambda carry=carry: splice.Announced(carry)))  # type: ignore[misc]

    async def _serve_socket(self, name: str, factory: Callable[[], asyncio.Protocol]) -> asyncio.Server:
        listener = sockets.listen(self.ways.folder / name)
        listener.setblocking(False)
        return await asyncio.get_running_loop().create_unix_server(factory, sock=listener)

    def close(self) -> None:
        """Stop serving."""
        for server in [*self._servers, *self._ports.values(), *self._bridges.values()]:
            server.close()
        self._ports.clear()
        self.standins.close()

    async def bridge(self, ports: Iterable[int]) -> None:
        """Lead to a program that is not the catalogue's: behind an Envoy it listens at the private address."""
        if self.ways.is_apart:
            self.standins.watch(self.environment)
        for port in ports if self.ways.has_proxy else ():
            path = self.ways.folder / place.app_socket(port)
            if port not in self._bridges and not sockets.is_taken(path):
                end = self.ways.private_ip, port
                self._bridges[port] = await self._serve_socket(
                    path.name,
                    lambda end=end: splice.Inbound(lambda: splice.connect(end)),  # type: ignore[misc]
                )
            if port not in self.ways.rules.inbound:
                await self._listen_at(port)

    async def listen(self, port: int) -> None:
        """A program of the pod begins to listen on a port: others reach it at the pod's address, declared or not."""
        if self.ways.is_apart:
            await self.standins.open(port, self.environment())
            return
        if bridge := self._bridges.pop(port, None):
            bridge.close()
            (self.ways.folder / place.app_socket(port)).unlink(missing_ok=True)
        await self._listen_at(port)

    async def _listen_at(self, port: int) -> None:
        if not self.ways.has_proxy or port in self._ports:
            return
        await self._bind(port)
        if port in self._ports:
            asyncio.get_running_loop().call_later(
                ENVOY_WITHIN, lambda: asyncio.ensure_future(self.yield_to_envoy(port))
            )

    async def _bind(self, port: int) -> None:
        listener = _bound(self.ways.ip, port)
        if listener is not None:
            self._ports[port] = await asyncio.get_running_loop().create_server(
                lambda: splice.FromPeer(lambda peer: self._enter(port, peer)), sock=listener, backlog=512
            )

    async def yield_to_envoy(self, port: int) -> None:
        """Leave a port to an Envoy that has come to listen there as well: it was only slower to start than the app."""
        if server := self._ports.pop(port, None):
            server.close()
            await self._bind(port)

    def unlisten(self, port: int) -> None:
        """The program is gone."""
        self.standins.shut(port)
        if server := self._ports.pop(port, None):
            server.close()


class Networks:
    """All pods' of the node."""

    def __init__(
        self,
        block: addresses.Block,
        cluster: Cluster,
        *,
        api_port: int,
        captured: Callable[[Object, str | None], Awaitable[None]] = _unheard,
        has_ambient: Callable[[], Awaitable[bool]] = _without_ambient,
        obstacle: Callable[[], str] = _unobstructed,
    ) -> None:
        self._block, self._cluster, self._api_port, self._captured = block, cluster, api_port, captured
        self.has_ambient = has_ambient
        """Whether istio-cni redirects pods of this node, or is about to."""
        self.obstacle = obstacle
        """What keeps it from doing so, in the words of its plugin."""
        self._by_ip: dict[str, Network] = {}
        self._by_token: dict[str, Network] = {}
        self._pods_at: dict[str, Object] = {}
        """The last pod at each address: counts outlive the pods."""
        self._exchanged: dict[str, str] = {}
        """Identity → metadata of each workload whose pods have had a proxy: counts outlive the pods."""
        self._peers = istio_metrics.Peers(
            at=self._workload_at, principal_at=self._principal_at, exchanged=lambda name: self._exchanged.get(name, "")
        )

    def __repr__(self) -> str:
        return f"Networks({len(self._by_ip)} pods)"

    async def open(self, pod: Object, ip: str, folder: Path, *, has_proxy: bool) -> Network:
        """The network of a pod that is about to start."""
        self.close(ip)
        is_apart = not has_proxy and kernel.has_table() and await self.has_ambient()
        ways = Ways(
            pod=pod,
            ip=ip,
            folder=folder,
            has_proxy=has_proxy,
            is_apart=is_apart,
            block=self._block,
            cluster=self._cluster,
            api_port=self._api_port,
        )
        network = Network(
            ways=ways,
            peers=self._peers,
            captured=self._captured,
            network_of=self._by_ip.get,
        )
        await network.open()
        self._by_ip[ip] = self._by_token[network.token] = network
        self._pods_at[ip] = pod
        if has_proxy:
            self._exchanged[workloads.identity(pod)] = workloads.metadata(pod)
        return network

    def close(self, ip: str) -> None:
        """The pod is gone."""
        if network := self._by_ip.pop(ip, None):
            self._by_token.pop(network.token, None)
            network.close()

    def _workload_at(self, ip: str) -> str:
        pod = self._pods_at.get(ip)
        return workloads.metadata(pod) if pod else ""

    def _principal_at(self, ip: str) -> str:
        pod = self._pods_at.get(ip)
        if pod is None:
            return ""
        account = (pod.get("spec") or {}).get("serviceAccountName") or "default"
        return mesh_names.spiffe(f"{resources.namespace_of(pod)}/{account}")

    def of_token(self, token: str) -> Network | None:
        """Whose programs show this token."""
        return self._by_token.get(token)


class _Door(asyncio.Protocol):
    """A program's question, a line of JSON, and its answer; or a port that it listens on while it holds the line."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._line = bytearray()
        self._port = 0
        self._task: asyncio.Task[None] | None = None
        self._program: ambient.Program | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._program is not None:
            self._program.heard(data)
            return
        self._line += data
        if self._task is None and b"\n" in self._line:
            self._task = asyncio.get_running_loop().create_task(self._reply(bytes(self._line.partition(b"\n")[0])))
        elif len(self._line) > QUESTION_LIMIT:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._program is not None:
            self._network.handed.gone(self._program)
        elif self._port:
            self._network.unlisten(self._port)

    async def _reply(self, line: bytes) -> None:
        try:
            question: dict[str, Any] = json.loads(line)
            if question.get("hands_over"):
                self._program = ambient.Program(
                    int(question["listen"]), self._transport, has_address=bool(question.get("has_address"))
                )
                await self._network.handed.came(self._program)
                return
            if "stand_in" in question:
                await self._network.bridge(())
                self._transport.write(b"{}\n")
                self._transport.close()
                return
            if "ambient" in question:
                answer = json.dumps(await ambient.asked(self._network, question)).encode()
                self._transport.write(answer + b"\n")
                self._transport.close()
                return
            if "listen" in question:
                self._port = int(question["listen"])
                await self._network.listen(self._port)
                self._transport.write(b"{}\n")
                return
            host, port = str(question["host"]), int(question["port"])
            if question.get("resolve"):
                answer = json.dumps({"addresses": list(await self._network.ways.resolve(host))}).encode()
            else:
                answer = (await self._network.ways.answer(host, port, uid=int(question.get("uid") or 0))).encoded()
        except (ValueError, KeyError, TypeError):
            self._transport.abort()
            return
        self._transport.write(answer + b"\n")
        self._transport.close()


def _bound(ip: str, port: int) -> socket.socket | None:
    """A socket at a port that nobody listens at yet; None where Envoy does.

    Should Envoy come to listen there later, it shares the port: whoever is met knows the way.
    """
    for options in ((socket.SO_REUSEADDR,), (socket.SO_REUSEADDR, socket.SO_REUSEPORT)):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            for option in options:
                listener.setsockopt(socket.SOL_SOCKET, option, 1)
            listener.bind((ip, port))
        except OSError:
            listener.close()
            return None
        if socket.SO_REUSEPORT not in options:
            listener.close()
    listener.setblocking(False)
    return listener
