"""Ports of programs that know no socket of their pod, in a pod without a sidecar where ambient is installed.

Such a program listens at the pod's private address; the sandbox listens at the pod's own in its place, and hands the
port over to the node's proxy as a program of the kit would. The program sees the caller's address either way.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from pathlib import Path

from labkit.sandbox.network import handover, kernel, proxyheader, routes, splice

LOOK, LOOK_LATER = 0.1, 0.5
"""Seconds between two looks at the kernel's table: while a program starts, and later."""

STARTING = 10.0
"""Seconds for which a program counts as starting."""


class Relayed(splice.Inbound):
    """One connection to such a program, made from its caller's address."""

    def __init__(self, end: routes.Endpoint) -> None:
        super().__init__(lambda: splice.connect(end, source=self._source))
        self._caller = ""

    def called_by(self, address: proxyheader.Address) -> None:
        """Who calls, where a proxy said so."""
        self._caller = address[0]

    @property
    def _source(self) -> str:
        source = self._caller or self.peer
        # Any address of the machine's loopback may be bound; no other one.
        return source if source.startswith("127.") else ""


class StandIns:
    """The ports of one pod at which the sandbox stands in for a program."""

    def __init__(self, private_ip: str, folder: Path) -> None:
        self._private_ip, self._folder = private_ip, folder
        self._ports: dict[int, handover.Port] = {}
        self._watch: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"StandIns({sorted(self._ports)})"

    async def open(self, port: int, env: Mapping[str, str]) -> None:
        """Stand in at a port; another program of the pod may have it already."""
        if port in self._ports:
            return
        end = self._private_ip, port
        served = handover.Port(factory=lambda: Relayed(end), number=port, env=env, folder=self._folder)
        self._ports[port] = served
        try:
            await served.open()
        except OSError:
            self._ports.pop(port, None)

    def shut(self, port: int) -> None:
        """The program is gone."""
        if served := self._ports.pop(port, None):
            served.close()

    def watch(self, env: "handover.Environment") -> None:
        """From now on stand in wherever a program listens at the private address."""
        if self._watch is None:
            self._watch = asyncio.get_running_loop().create_task(self._follow(env))

    async def _follow(self, env: "handover.Environment") -> None:
        loop = asyncio.get_running_loop()
        began, missed = loop.time(), set[int]()
        while True:
            listening = set(kernel.listeners(self._private_ip))
            for port in listening - self._ports.keys():
                await self.open(port, env())
            # The kernel hands its table over in pieces, and a piece may lack a socket: only two looks are certain.
            missing = self._ports.keys() - listening
            for port in missing & missed:
                self.shut(port)
            missed = missing - missed
            await asyncio.sleep(LOOK if loop.time() - began < STARTING else LOOK_LATER)

    def close(self) -> None:
        """Stop standing in."""
        if self._watch:
            self._watch.cancel()
        with contextlib.suppress(OSError):
            for port in list(self._ports):
                self.shut(port)
