"""Where connections of one pod go: its own rules, its own resolver, and the cluster's Services."""

import asyncio
import contextlib
import random
import socket
from collections.abc import Sequence
from concurrent import futures
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from labkit.kube.resources import Object
from labkit.mesh import captured_ports, place
from labkit.sandbox.network import addresses, door, names, routes

RESOLVE_WITHIN = 3.0
"""Seconds that the machine's own resolver gets."""


class Cluster(names.Directory, Protocol):
    """What a pod's network knows of the cluster."""

    @property
    def leads(self) -> routes.Routes:
        """Where Services lead."""

    def entry_endpoint(self, address: str, port: int) -> routes.Endpoint | None:
        """Where an automatic address of a ServiceEntry leads; None for any other address."""


@dataclass(eq=False, kw_only=True)
class Ways:
    """One pod's."""

    pod: Object
    ip: str
    folder: Path
    """Of its sockets."""

    has_proxy: bool
    is_apart: bool = False
    """Whether programs that know no socket listen at the private address although there is no Envoy."""

    block: addresses.Block
    cluster: Cluster
    api_port: int
    """The API server's, on the machine's own loopback: every pod's environment names it."""

    def __post_init__(self) -> None:
        self.rules = captured_ports.of_pod(self.pod) if self.has_proxy else captured_ports.NOTHING
        self.is_redirected = False
        """Whether the node's proxy of ambient takes the pod's connections."""
        self._resolver = names.resolver_of(self.pod, self.ip, has_proxy=self.has_proxy)

    def redirect(self, *, is_redirected: bool) -> None:
        """Send the pod's connections to the node's proxy, or no longer; it answers for ServiceEntries too."""
        self.is_redirected = is_redirected
        self._resolver = names.resolver_of(self.pod, self.ip, has_proxy=self.has_proxy or is_redirected)

    @property
    def private_ip(self) -> str:
        """Where programs listen that know no socket of the pod's folder."""
        return self.block.twin(self.ip) if self.has_proxy or self.is_apart else self.ip

    async def answer(self, host: str, port: int, *, uid: int = 0) -> door.Answer:
        """Where a connection of the pod's goes; it may say why it goes nowhere."""
        resolved = await self.resolve(host)
        if not resolved:
            return door.Answer(error=door.NO_NAME)
        return self.way(resolved[0], port, uid=uid)

    async def resolve(self, host: str) -> Sequence[str]:
        """The addresses of a name, in no fixed order; none where there is no such name."""
        for step in names.steps(host, self._resolver, self.cluster):
            if resolved := list(await outside(step.name) if isinstance(step, names.Outside) else step):
                random.shuffle(resolved)
                return resolved
        return ()

    def way(self, address: str, port: int, *, uid: int = 0) -> door.Answer:
        """Where a connection to an address goes."""
        if address == "127.0.0.1" and port == self.api_port:
            return door.Answer(address=address, port=port)
        if address == "0.0.0.0" or (address.startswith("127.") and not self.block.is_pod(address)):
            address = "127.0.0.1"  # a pod's own loopback; what is the machine's is nobody's here
        way = self.rules.way(address, port, own=self.ip, uid=uid)
        if way is captured_ports.Way.LOCAL:
            return self.local(port)
        if way is captured_ports.Way.CAPTURED or self.is_redirected:
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


# A lookup without a network may hang for long: it must hold up nothing but others of its kind.
_RESOLVERS = futures.ThreadPoolExecutor(4, thread_name_prefix="resolver")


def _looked_up(name: str) -> list[Any]:
    return socket.getaddrinfo(name, None, family=socket.AF_INET, type=socket.SOCK_STREAM)


async def outside(name: str) -> Sequence[str]:
    """What the machine's own resolver says; nothing where it knows no such name."""
    with contextlib.suppress(OSError, TimeoutError, UnicodeError):
        async with asyncio.timeout(RESOLVE_WITHIN):
            entries = await asyncio.get_running_loop().run_in_executor(_RESOLVERS, _looked_up, name)
            return list(dict.fromkeys(str(entry[4][0]) for entry in entries))
    return ()
