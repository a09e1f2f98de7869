"""A pod's way into ambient and out of it, as its node carries it out: the node's proxy takes over, or gives back."""

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from labkit.base import errors
from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.sandbox.network import door, handover, kernel

if TYPE_CHECKING:
    from labkit.sandbox.network.pods import Network

log = logging.getLogger(__name__)

HBONE_PORT = 15008
WITHIN = 10.0
"""Seconds in which the node's proxy begins to listen for a pod, and in which a program answers."""

CNI = {"k8s-app": "istio-cni-node"}
"""Labels of the pods that may ask for it, in Istio's namespace."""

NAMESPACE = "istio-system"
ZTUNNEL = {"app": "ztunnel"}

NO_AGENT = (
    'failed to send event request: Post "http://unix/cmdadd": dial unix /var/run/istio-cni/pluginevent.sock: '
    "connect: connection refused"
)
NO_ZTUNNEL = "unable to push CNI event (status code 500): no ztunnel connection"
SLOW = f"unable to push CNI event (status code 500): ztunnel does not listen for the pod after {WITHIN:g} s"
"""Why istio-cni's plugin fails: its node agent is away, ztunnel is, or neither and it takes too long."""


class Program:
    """A program's end of the line that it holds for a port which it can hand over."""

    def __init__(self, port: int, transport: asyncio.Transport, *, has_address: bool) -> None:
        self.port, self._transport = port, transport
        self.has_address = has_address
        """Whether it listens at the pod's address too."""
        self._done: asyncio.Future[None] | None = None
        self._is_greeted = asyncio.Event()

    def __repr__(self) -> str:
        return f"Program(port={self.port})"

    def greet(self) -> None:
        """Let it go on, which waits for this once it listens; a second time nothing happens."""
        if not self._is_greeted.is_set():
            self._transport.write(b"{}\n")
            self._is_greeted.set()

    async def tell(self, order: bytes) -> None:
        """Have it let go of the pod's address, or take it again; TimeoutError."""
        async with asyncio.timeout(WITHIN):
            await self._is_greeted.wait()
            if self._transport.is_closing():
                return
            self._done = asyncio.get_running_loop().create_future()
            self._transport.write(order)
            await self._done
        self.has_address = order == handover.TAKE

    def heard(self, data: bytes) -> None:
        """Its answer."""
        if self._done is not None and not self._done.done():
            self._done.set_result(None)

    def gone(self) -> None:
        """It ended: who waits for it need not."""
        self._is_greeted.set()
        self.heard(b"")


class Handed:
    """The ports of one pod that its programs can hand over."""

    def __init__(self, network: "Network") -> None:
        self._network = network
        self._programs: set[Program] = set()
        self._ports: set[int] = set()
        """Those that the node's proxy has, or is to have; a program that restarts does not lose its port."""
        self.is_prepared = False
        self._turn = asyncio.Lock()
        self._late: set[asyncio.Task[None]] = set()
        """Of programs that began to listen at the pod's address while the node's proxy was taking it."""

    def __repr__(self) -> str:
        return f"Handed({sorted(self._ports)}, prepared={self.is_prepared})"

    async def came(self, program: Program) -> None:
        """A program listens; one without the pod's address goes on once the node's proxy listens for it."""
        self._programs.add(program)
        is_new = self.is_prepared and program.port not in self._ports
        if program.has_address or not is_new:
            program.greet()
        try:
            if is_new:
                self._ports.add(program.port)
                await self._note()
            if self.is_prepared and program.has_address:
                task = asyncio.get_running_loop().create_task(self._take_over(program))
                self._late.add(task)
                task.add_done_callback(self._late.discard)
            elif is_new:
                await self._until_served(program.port)
        finally:
            program.greet()

    async def _until_served(self, port: int) -> None:
        """Nobody calls the port ready before the node's proxy can bring connections to it."""
        try:
            await _until_shared(self._network.ways.ip, {port: 1})
        except errors.LabError as e:
            log.warning("port %d of %s: %s", port, self._network.ways.ip, e)

    async def _take_over(self, program: Program) -> None:
        """Have a program that came late let go of the address, once the node's proxy listens there as well."""
        async with self._turn:
            if not self.is_prepared or not program.has_address or program not in self._programs:
                return
            try:
                await _until_shared(self._network.ways.ip, {program.port: 2})
                await program.tell(handover.RELEASE)
            except (TimeoutError, errors.LabError) as e:
                log.warning("port %d of %s stays with its program: %s", program.port, self._network.ways.ip, e)

    def gone(self, program: Program) -> None:
        """A program listens no more."""
        self._programs.discard(program)
        program.gone()

    async def resume(self) -> None:
        """Go on as before a restart of the sandbox: no program has the pod's address."""
        await self._network.serve_passed()
        self.is_prepared = True
        self._network.ways.redirect(is_redirected=True)

    async def join(self) -> None:
        """Hand the pod over to the node's proxy; TimeoutError where that does not come to listen."""
        async with self._turn:
            ways = self._network.ways
            if not self.is_prepared:
                await self._network.serve_passed()
            if not self.is_prepared or not ways.is_redirected:
                await _until_alone(ways.ip, {p.port for p in self._programs if p.has_address})
                self.is_prepared = True
                self._ports |= {program.port for program in self._programs}
                await self._note()
            if ways.is_redirected:
                return
            # One that comes from now on waits for its own turn: nobody listens for it yet.
            programs = set(self._programs)
            await _until_shared(ways.ip, {p.port: 2 if p.has_address else 1 for p in programs})
            await asyncio.gather(*(p.tell(handover.RELEASE) for p in programs & self._programs))
            ways.redirect(is_redirected=True)

    async def leave(self) -> None:
        """Take the pod back; the node's proxy still serves what others send it until ``forget``."""
        async with self._turn:
            await asyncio.gather(*(p.tell(handover.TAKE) for p in self._programs))
            self._network.ways.redirect(is_redirected=False)
            # Programs use an answer of the door again for as long as this.
            await asyncio.sleep(door.REMEMBERED)

    async def forget(self) -> None:
        """The node's proxy need not listen for the pod any more."""
        async with self._turn:
            self.is_prepared = False
            self._ports.clear()
            await self._network.captured(self._network.ways.pod, None)

    async def _note(self) -> None:
        await self._network.captured(self._network.ways.pod, ",".join(map(str, sorted(self._ports))))


async def asked(network: "Network", question: Mapping[str, Any]) -> dict[str, Any]:
    """What istio-cni's program asks for a pod: ``join``, ``leave`` or ``forget``; ``error`` says why not."""
    if not may_ask(network.ways.pod):
        return {"error": "only the pods of istio-cni-node may redirect others"}
    other = network.network_of(str(question.get("ip", "")))
    if other is None or resources.uid_of(other.ways.pod) != question.get("uid"):
        return {"error": "this node has no such pod"}
    work = {"join": other.handed.join, "leave": other.handed.leave, "forget": other.handed.forget}[question["ambient"]]
    try:
        await work()
    except (TimeoutError, errors.LabError) as e:
        return {"error": str(e) or "a program of the pod does not answer"}
    return {}


def may_ask(pod: Object) -> bool:
    """Whether a pod's programs may redirect other pods."""
    return resources.namespace_of(pod) == NAMESPACE and CNI.items() <= resources.labels_of(pod).items()


def obstacle(pods: Iterable[Object]) -> str:
    """What keeps the node from redirecting pods, in the words of istio-cni's plugin."""
    ready = [resources.labels_of(p) for p in pods if resources.namespace_of(p) == NAMESPACE and _is_ready(p)]
    if not any(CNI.items() <= labels.items() for labels in ready):
        return NO_AGENT
    return SLOW if any(ZTUNNEL.items() <= labels.items() for labels in ready) else NO_ZTUNNEL


def _is_ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


async def _until_alone(ip: str, ports: set[int]) -> None:
    """Wait until the node's proxy has left ports that it had until a moment ago: it must be the younger one again."""
    loop = asyncio.get_running_loop()
    end = loop.time() + WITHIN
    while loop.time() < end:
        there = kernel.listeners(ip)
        if all(there.get(port, 0) <= 1 for port in ports):
            return
        await asyncio.sleep(kernel.LOOK_EVERY)


async def _until_shared(ip: str, ports: Mapping[int, int]) -> None:
    """Wait until somebody listens for tunnels at an address, and so many at each port of its programs."""
    loop = asyncio.get_running_loop()
    end = loop.time() + WITHIN
    while loop.time() < end:
        if not kernel.has_table():
            if await _answers(ip):
                return
        elif (there := kernel.listeners(ip)).get(HBONE_PORT, 0) and all(
            there.get(n, 0) >= many for n, many in ports.items()
        ):
            return
        await asyncio.sleep(kernel.LOOK_EVERY)
    raise errors.SetupError(
        f"the node's proxy does not listen for {ip} after {WITHIN:g} s",
        next_step="kubectl -n istio-system get pods -l app=ztunnel, and its log",
    )


async def _answers(ip: str) -> bool:
    with contextlib.suppress(OSError):
        _, writer = await asyncio.open_connection(ip, HBONE_PORT)
        writer.close()
        return True
    return False
