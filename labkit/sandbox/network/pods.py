"""The networks of pods: for each, the sockets in its folder that the sandbox itself serves.

``door.sock`` tells a program of the pod where a connection goes; ``network.sock`` and ``passthrough.sock`` carry on
what the pod's Envoy passes through, as a node's kernel would.
"""

import asyncio
import contextlib
import json
import random
import secrets
import socket
from collections.abc import Callable, Iterable, Sequence
from concurrent import futures
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from labkit.kube.resources import Object
from labkit.mesh import captured_ports, place
from labkit.sandbox.network import addresses, door, forward, listening, names, proxyheader, routes, sockets, splice

RESOLVE_WITHIN = 3.0
"""Seconds that the machine's own resolver gets."""

QUESTION_LIMIT = 4096
"""Bytes of a question at a door."""


class Cluster(names.Directory, Protocol):
    """What a pod's network knows of the cluster."""

    @property
    def leads(self) -> routes.Routes:
        """Where Services lead."""

    def entry_endpoint(self, address: str, port: int) -> routes.Endpoint | None:
        """Where an automatic address of a ServiceEntry leads; None for any other address."""


@dataclass(eq=False, kw_only=True)
class Network:
    """One pod's."""

    pod: Object
    ip: str
    folder: Path
    has_proxy: bool
    block: addresses.Block
    cluster: Cluster
    api_port: int
    """The API server's, on the machine's own loopback: every pod's environment names it."""

    token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    """What programs that are not the catalogue's show to the forwarder."""

    def __post_init__(self) -> None:
        self._rules = captured_ports.of_pod(self.pod) if self.has_proxy else captured_ports.NOTHING
        self._resolver = names.resolver_of(self.pod, self.ip, has_proxy=self.has_proxy)
        self._servers: list[asyncio.Server] = []
        self._ports: dict[int, asyncio.Server] = {}
        """Ports at which only the sandbox listens for this pod."""
        self._bridges: dict[int, asyncio.Server] = {}
        """Ports whose socket leads to the private address, where programs listen that know no socket."""

    def environment(self) -> dict[str, str]:
        """What tells the pod's programs of the network."""
        way_out = forward.url(forward.address(self.block), self.token)
        told = {"http_proxy": way_out, "https_proxy": way_out, "no_proxy": ""}
        behind = {listening.BEHIND: "1"} if self.has_proxy else {}
        own = {door.FOLDER: str(self.folder), listening.ADDRESS: self.private_ip}
        return {**own, **behind, **told, **{name.upper(): text for name, text in told.items()}}

    @property
    def private_ip(self) -> str:
        """Where programs listen that know no socket of the pod's folder."""
        return self.block.twin(self.ip) if self.has_proxy else self.ip

    # Where a connection goes

    async def answer(self, host: str, port: int, *, uid: int = 0) -> door.Answer:
        """Where a connection of the pod's goes; it may say why it goes nowhere."""
        found = await self.resolve(host)
        if not found:
            return door.Answer(error=door.NO_NAME)
        return self.way(found[0], port, uid=uid)

    async def resolve(self, host: str) -> Sequence[str]:
        """The addresses of a name, in no fixed order; none where there is no such name."""
        for step in names.steps(host, self._resolver, self.cluster):
            if found := list(await outside(step.name) if isinstance(step, names.Outside) else step):
                random.shuffle(found)
                return found
        return ()

    def way(self, address: str, port: int, *, uid: int = 0) -> door.Answer:
        """Where a connection to an address goes."""
        if address == "127.0.0.1" and port == self.api_port:
            return door.Answer(address=address, port=port)
        if address == "0.0.0.0" or (address.startswith("127.") and not self.block.is_pod(address)):
            address = "127.0.0.1"  # a pod's own loopback; what is the machine's is nobody's here
        way = self._rules.way(address, port, own=self.ip, uid=uid)
        if way is captured_ports.Way.LOCAL:
            return self.local(port)
        if way is captured_ports.Way.CAPTURED:
            return door.Answer(socket=place.OUTBOUND, source=self.ip, address=address, port=port, is_announced=True)
        try:
            host, number = self.beyond(address, port)
        except routes.NoRouteError:
            return door.Answer(error=door.REFUSED)
        return door.Answer(address=host, port=number, source=self.ip)

    def local(self, port: int) -> door.Answer:
        """What listens on ``localhost:PORT``."""
        if (self.folder / place.app_socket(port)).exists():
            return door.Answer(socket=place.app_socket(port))
        return door.Answer(address=self.private_ip, port=port, source=self.private_ip)

    def beyond(self, address: str, port: int) -> routes.Endpoint:
        """Where an address leads past every Envoy, as the node's own rules have it; NoRouteError."""
        if entry := self.cluster.entry_endpoint(address, port):
            return entry
        return self.cluster.leads.at_address(address, port, caller=self.ip)

    # Connections that the sandbox makes for the pod

    async def dial(self, host: str, port: int) -> splice.Half:
        """A connection to ``host:port`` as a program of the pod makes it; OSError."""
        return await self._connect(await self.answer(host, port))

    async def dial_local(self, port: int) -> splice.Half:
        """A connection to ``localhost:PORT`` in the pod; OSError."""
        return await self._connect(self.local(port))

    async def streams(self, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to ``localhost:PORT`` in the pod, to be read and written; OSError."""
        answer = self.local(port)
        if answer.socket:
            link = sockets.connect(self.folder / answer.socket)
            link.setblocking(False)
            return await asyncio.open_unix_connection(sock=link)
        return await asyncio.open_connection(answer.address, port)

    async def _connect(self, answer: door.Answer) -> splice.Half:
        if answer.error:
            raise door.error_of(answer)
        if answer.socket:
            return await splice.connect_socket(self.folder / answer.socket, door.header(answer))
        return await splice.connect((answer.address, answer.port), source=answer.source)

    async def _pass_outbound(self, source: proxyheader.Address, destination: proxyheader.Address) -> splice.Half:
        address, port = destination
        if address == self.ip:
            # The proxy's own connection to its pod comes in like anybody's.
            return await splice.connect((address, port), source=self.ip)
        return await splice.connect(self.beyond(address, port), source=self.ip)

    async def _pass_inbound(self, source: proxyheader.Address, destination: proxyheader.Address) -> splice.Half:
        return await self.dial_local(destination[1])

    async def _enter(self, port: int, peer: str) -> splice.Half:
        """A connection to a port of the pod that its Envoy was not told of."""
        if port not in self._rules.inbound:
            return await self.dial_local(port)
        header = proxyheader.of((peer or self.ip, random.randint(32768, 60999)), (self.ip, port))
        return await splice.connect_socket(self.folder / place.INBOUND, header)

    # Servers

    async def open(self) -> None:
        """Serve the pod's sockets."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        serving: dict[str, Callable[[], asyncio.Protocol]] = {door.SOCKET: lambda: _Door(self)}
        if self.has_proxy:
            serving[place.NETWORK] = lambda: splice.Announced(self._pass_outbound)
            serving[place.PASSTHROUGH] = lambda: splice.Announced(self._pass_inbound)
        for name, factory in serving.items():
            self._servers.append(await self._serve_socket(name, factory))

    async def _serve_socket(self, name: str, factory: Callable[[], asyncio.Protocol]) -> asyncio.Server:
        listener = sockets.listen(self.folder / name)
        listener.setblocking(False)
        return await asyncio.get_running_loop().create_unix_server(factory, sock=listener)

    def close(self) -> None:
        """Stop serving."""
        for server in [*self._servers, *self._ports.values(), *self._bridges.values()]:
            server.close()

    async def bridge(self, ports: Iterable[int]) -> None:
        """Lead to a program that is not the catalogue's: behind an Envoy it listens at the private address."""
        for port in ports if self.has_proxy else ():
            path = self.folder / place.app_socket(port)
            if port not in self._bridges and not sockets.is_taken(path):
                end = self.private_ip, port
                self._bridges[port] = await self._serve_socket(
                    path.name,
                    lambda end=end: splice.Inbound(lambda: splice.connect(end)),  # type: ignore[misc]
                )
            if port not in self._rules.inbound:
                await self._listen_at(port)

    async def listen(self, port: int) -> None:
        """A program of the pod begins to listen on a port: others reach it at the pod's address, declared or not."""
        if bridge := self._bridges.pop(port, None):
            bridge.close()
            (self.folder / place.app_socket(port)).unlink(missing_ok=True)
        await self._listen_at(port)

    async def _listen_at(self, port: int) -> None:
        if not self.has_proxy or port in self._ports:
            return
        listener = _bound(self.ip, port)
        if listener is None:
            return
        self._ports[port] = await asyncio.get_running_loop().create_server(
            lambda: splice.FromPeer(lambda peer: self._enter(port, peer)), sock=listener, backlog=512
        )

    def unlisten(self, port: int) -> None:
        """The program is gone."""
        if server := self._ports.pop(port, None):
            server.close()


class Networks:
    """All pods' of the node."""

    def __init__(self, block: addresses.Block, cluster: Cluster, *, api_port: int) -> None:
        self._block, self._cluster, self._api_port = block, cluster, api_port
        self._by_ip: dict[str, Network] = {}
        self._by_token: dict[str, Network] = {}

    def __repr__(self) -> str:
        return f"Networks({len(self._by_ip)} pods)"

    async def open(self, pod: Object, ip: str, folder: Path, *, has_proxy: bool) -> Network:
        """The network of a pod that is about to start."""
        self.close(ip)
        network = Network(
            pod=pod,
            ip=ip,
            folder=folder,
            has_proxy=has_proxy,
            block=self._block,
            cluster=self._cluster,
            api_port=self._api_port,
        )
        await network.open()
        self._by_ip[ip] = self._by_token[network.token] = network
        return network

    def close(self, ip: str) -> None:
        """The pod is gone."""
        if network := self._by_ip.pop(ip, None):
            self._by_token.pop(network.token, None)
            network.close()

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

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._line += data
        if self._task is None and b"\n" in self._line:
            self._task = asyncio.get_running_loop().create_task(self._reply(bytes(self._line.partition(b"\n")[0])))
        elif len(self._line) > QUESTION_LIMIT:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._port:
            self._network.unlisten(self._port)

    async def _reply(self, line: bytes) -> None:
        try:
            question: dict[str, Any] = json.loads(line)
            if "listen" in question:
                self._port = int(question["listen"])
                await self._network.listen(self._port)
                self._transport.write(b"{}\n")
                return
            host, port = str(question["host"]), int(question["port"])
            if question.get("resolve"):
                answer = json.dumps({"addresses": list(await self._network.resolve(host))}).encode()
            else:
                answer = (await self._network.answer(host, port, uid=int(question.get("uid") or 0))).encoded()
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


# A lookup without a network may hang for long: it must hold up nothing but others of its kind.
_RESOLVERS = futures.ThreadPoolExecutor(4, thread_name_prefix="resolver")


def _looked_up(name: str) -> list[Any]:
    return socket.getaddrinfo(name, None, family=socket.AF_INET, type=socket.SOCK_STREAM)


async def outside(name: str) -> Sequence[str]:
    """What the machine's own resolver says; nothing where it knows no such name."""
    with contextlib.suppress(OSError, TimeoutError, UnicodeError):
        async with asyncio.timeout(RESOLVE_WITHIN):
            found = await asyncio.get_running_loop().run_in_executor(_RESOLVERS, _looked_up, name)
            return list(dict.fromkeys(str(entry[4][0]) for entry in found))
    return ()
