"""The cluster's DNS: for programs of pods at kube-dns' address, and for Envoys.

A ClusterIP needs a kernel to connect to, so an Envoy is told the address where it is served. What is no name of the
cluster is asked of the machine's own resolver. Only addresses are answered: no program here asks for anything else.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import cast

import dnslib

from labkit.sandbox.network import names, ways

TTL = 5
"""Seconds, as CoreDNS' plug-in for Kubernetes answers."""

Translate = Callable[[str], str]
"""The address that stands for one."""


class Server(asyncio.DatagramProtocol):
    """One view of the names, by UDP."""

    def __init__(self, directory: names.Directory, translate: Translate = lambda address: address) -> None:
        self._directory, self._translate = directory, translate
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(data, addr))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, data: bytes, addr: tuple[str, int]) -> None:
        with contextlib.suppress(dnslib.DNSError):
            question = dnslib.DNSRecord.parse(data)
            self._transport.sendto(await self.reply(question), addr)

    async def reply(self, question: dnslib.DNSRecord) -> bytes:
        """The answer's bytes."""
        name = str(question.q.qname).rstrip(".").lower()
        addresses = [self._translate(a) for a in await self.addresses(name)]
        reply = question.reply()
        if not addresses:
            reply.header.rcode = dnslib.RCODE.NXDOMAIN
        elif question.q.qtype in (dnslib.QTYPE.A, dnslib.QTYPE.ANY):
            for address in addresses:
                reply.add_answer(dnslib.RR(question.q.qname, dnslib.QTYPE.A, rdata=dnslib.A(address), ttl=TTL))
        return bytes(reply.pack())

    async def addresses(self, name: str) -> Sequence[str]:
        """Of a whole name; none where there is no such name."""
        step = names.absolute(name, self._directory)
        return await ways.outside(step.name) if isinstance(step, names.Outside) else step


async def serve(server: Server, address: str, port: int) -> asyncio.DatagramTransport | None:
    """Answer at an address; None where the port may not be had."""
    try:
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: server, local_addr=(address, port)
        )
    except OSError:
        return None
    return transport
