"""Probes: what a row of results means (pure), and asking a container once."""

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from labkit.kube.resources import Object

FIRST_WAIT = 0.01
"""Seconds between the first two tries of a probe that has not succeeded yet, where the kubelet waits a whole
period: most programs here are ready in a tenth of a second."""

GROWTH = 1.3
"""Factor from one such wait to the next, up to the period."""

BODY_SHOWN = 10 * 2**10
"""Bytes of an answer that a failure's message shows, as the kubelet's limit."""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """When a probe asks, and how many answers decide."""

    initial_delay: float = 0.0
    period: float = 10.0
    within: float = 1.0
    """Seconds one answer may take."""

    successes: int = 1
    failures: int = 3

    @classmethod
    def of(cls, probe: Mapping[str, Any]) -> "Timing":
        """From a container's probe."""
        return cls(
            initial_delay=float(probe.get("initialDelaySeconds") or 0),
            period=float(probe.get("periodSeconds") or 10),
            within=float(probe.get("timeoutSeconds") or 1),
            successes=int(probe.get("successThreshold") or 1),
            failures=int(probe.get("failureThreshold") or 3),
        )


@dataclass(frozen=True, kw_only=True)
class Row:
    """Equal results in a row."""

    good: bool | None = None
    count: int = 0
    counted_at: float = float("-inf")
    """When the last failure was counted, in seconds of a steady clock."""

    tries: int = 0
    """Results before the first good one."""

    has_succeeded: bool = False

    def add(self, good: bool, now: float, timing: Timing) -> "Row":
        """The row after one more result.

        Failures of the quick tries at the start count once a period, or a program would have less time to
        start than ``failureThreshold`` gives it.
        """
        is_counted = good or self.has_succeeded or now - self.counted_at >= timing.period * 0.99
        count = (self.count if good == self.good else 0) + int(is_counted)
        return replace(
            self,
            good=good,
            count=count,
            counted_at=self.counted_at if good or not is_counted else now,
            tries=self.tries + 1,
            has_succeeded=self.has_succeeded or good,
        )

    def verdict(self, timing: Timing) -> bool | None:
        """Success or failure once a threshold is reached; None before."""
        if self.good is None or self.count < (timing.successes if self.good else timing.failures):
            return None
        return self.good

    def wait(self, timing: Timing) -> float:
        """Seconds until the next try."""
        if self.has_succeeded or self.tries > 60:
            return timing.period
        return min(FIRST_WAIT * GROWTH**self.tries, timing.period)


Result = tuple[bool, str]
"""Whether it went well, and what to say if not."""

Execute = Callable[[list[str], float], Awaitable[tuple[int, bytes]]]
"""Runs a command in the container for so many seconds: its exit code and output; TimeoutError."""


Connect = Callable[[int], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where a container's probes and hooks go."""

    container: Object
    address: str
    """The pod's."""

    execute: Execute
    connect: Connect | None = None
    """Another way to a port of the pod: in ambient the kubelet gets past the node's proxy, as istio-cni has it."""


async def ask(probe: Object, target: Target, within: float) -> Result:
    """Probe once; also used for ``httpGet`` and ``exec`` of lifecycle hooks."""
    try:
        if handler := probe.get("exec"):
            return await _execute(handler, target, within)
        if handler := probe.get("httpGet"):
            return await asyncio.wait_for(_http_get(handler, target), within)
        handler = probe.get("tcpSocket") or probe.get("grpc")
        # gRPC health would need a gRPC stack here; that the port answers is what we can tell.
        return await asyncio.wait_for(_connect(handler, target), within) if handler else (True, "")
    except TimeoutError:
        return False, _timed_out(probe, target, within)


def _timed_out(probe: Object, target: Target, within: float) -> str:
    if "exec" in probe:
        return f'command timed out: "{" ".join(probe["exec"].get("command") or [])}" timed out after {within:g}s'
    if "httpGet" in probe:
        url = _url(probe["httpGet"], target)
        return f'Get "{url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
    return "dial tcp: i/o timeout"


async def _execute(handler: Object, target: Target, within: float) -> Result:
    code, output = await target.execute(list(handler.get("command") or []), within)
    return code == 0, output[:BODY_SHOWN].decode(errors="replace")


async def _open(handler: Object, target: Target, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    context = _tls(handler)
    if target.connect is not None and context is None and not handler.get("host"):
        return await target.connect(port)
    return await asyncio.open_connection(handler.get("host") or target.address, port, ssl=context)


async def _connect(handler: Object, target: Target) -> Result:
    port = port_number(handler["port"], target.container)
    try:
        _, writer = await _open(handler, target, port)
    except OSError:
        return False, f"dial tcp {target.address}:{port}: connect: connection refused"
    writer.close()
    return True, ""


def port_number(port: int | str, container: Object) -> int:
    """A number, or the number of the container's port of that name."""
    if isinstance(port, int) or port.isdigit():
        return int(port)
    for declared in container.get("ports") or []:
        if declared.get("name") == port:
            return int(declared["containerPort"])
    return 0


def _url(handler: Object, target: Target) -> str:
    scheme = (handler.get("scheme") or "HTTP").lower()
    port = port_number(handler["port"], target.container)
    path = handler.get("path") or "/"
    return f"{scheme}://{handler.get('host') or target.address}:{port}/{path.lstrip('/')}"


async def _http_get(handler: Object, target: Target) -> Result:
    port = port_number(handler["port"], target.container)
    url = _url(handler, target)
    try:
        reader, writer = await _open(handler, target, port)
    except OSError:
        return False, f'Get "{url}": dial tcp {target.address}:{port}: connect: connection refused'
    try:
        writer.write(_request(handler, target, port))
        status = await reader.readline()
        code = int(status.split()[1])
        if 200 <= code < 400:
            return True, ""
        return False, f"HTTP probe failed with statuscode: {code}"
    except (OSError, IndexError, ValueError):
        return False, f'Get "{url}": EOF'
    finally:
        with contextlib.suppress(OSError):
            writer.transport.abort()


def _request(handler: Object, target: Target, port: int) -> bytes:
    path = handler.get("path") or "/"
    given = {h["name"].lower(): h["value"] for h in handler.get("httpHeaders") or []}
    host = {"host": f"{target.address}:{port}"}
    headers = host | {"user-agent": "kube-probe/1.36", "accept": "*/*", "connection": "close"} | given
    lines = [f"GET /{path.lstrip('/')} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def _tls(handler: Object) -> ssl.SSLContext | None:
    if (handler.get("scheme") or "HTTP") != "HTTPS":
        return None
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # as the kubelet: a probe asks whether it lives, not who it is
    return context
