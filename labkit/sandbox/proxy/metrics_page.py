"""``:15020/stats/prometheus`` of a pod with a proxy: what Istio's agent merges, from Envoy, itself and the app."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from labkit.base import versions
from labkit.kube.resources import Object
from labkit.mesh.hosts import workloads
from labkit.sandbox.apps import http1
from labkit.sandbox.proxy import istio_metrics

ADMIN_PORT = 15000
PATH = "/stats/prometheus"
WITHIN = 5.0
"""Seconds for Envoy or the app to answer."""

EXPIRY_FRESH = 30.0
"""Seconds between two looks at the certificate, which lives for hours."""

LONGEST = 16 * 1024
"""Bytes of a request."""

TEXT = "text/plain; version=0.0.4; charset=utf-8"
VERSION = versions.istio()
NOTHING = f"{PATH}?usedonly&filter=^nothing$"
"""A page without lines: asking for it has Envoy bring its histograms up to date."""

Streams = Callable[[int], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
"""Connects to ``localhost:PORT`` of the pod."""


@dataclass(eq=False, kw_only=True)
class Page:
    """One pod's."""

    pod: Object
    streams: Streams
    peers: istio_metrics.Peers = field(default_factory=istio_metrics.Peers)
    _scrapes: int = 0
    _failures: dict[str, int] = field(default_factory=dict)
    _expires: float | None = None
    """When the workload's certificate ends, in seconds since the epoch; None where there is none."""
    _expiry_until: float = 0.0
    _met: dict[str, str] = field(default_factory=dict)
    """Who was at an address when it was first met: counts of a pod that is gone stay its own."""

    def __post_init__(self) -> None:
        self._own = workloads.metadata(self.pod)
        self._peers = replace(self.peers, at=self._peer)
        self._born = time.time()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        try:
            async with asyncio.timeout(WITHIN):
                head = await reader.readuntil(b"\r\n\r\n")
            target = head.split(b" ", 2)[1].decode("latin-1")
            body = (await self.text(target.partition("?")[2])).encode()
            fields = [("content-type", TEXT), ("content-length", str(len(body))), ("connection", "close")]
            writer.write(http1.head("HTTP/1.1 200 OK", fields) + body)
            await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, IndexError):
            pass
        finally:
            writer.close()

    async def text(self, query: str) -> str:
        """The whole page; ``query`` goes to Envoy, as Istio's agent passes it on."""
        self._scrapes += 1
        await self._asked("envoy", ADMIN_PORT, NOTHING)
        await self._renew_expiry()
        envoy = await self._asked("envoy", ADMIN_PORT, f"{PATH}?{query}" if query else PATH)
        translated = istio_metrics.translated(envoy, self._own, self._peers)
        asked = self._app()
        app = await self._asked("application", *asked) if asked else ""
        return "".join([translated, self._agent(), app])

    def _peer(self, address: str) -> str:
        if address not in self._met and (name := self.peers.at(address)):
            self._met[address] = name
        return self._met.get(address, "")

    async def _asked(self, kind: str, port: int, target: str) -> str:
        try:
            async with asyncio.timeout(WITHIN):
                return await fetched(self.streams, port, target)
        except (OSError, TimeoutError, EOFError, ValueError, http1.MessageError):
            self._failures[kind] = self._failures.get(kind, 0) + 1
            return ""

    async def _renew_expiry(self) -> None:
        now = time.monotonic()
        if now >= self._expiry_until:
            self._expiry_until = now + EXPIRY_FRESH
            self._expires = expiry(await self._asked("envoy", ADMIN_PORT, "/certs"))

    def _app(self) -> tuple[int, str] | None:
        """Port and path of the app's own metrics, where the pod's annotations named them before injection."""
        for container in (*(self.pod["spec"].get("initContainers") or ()), *self.pod["spec"]["containers"]):
            for entry in container.get("env") or ():
                if entry["name"] == "ISTIO_PROMETHEUS_ANNOTATIONS":
                    annotations = json.loads(entry.get("value") or "{}")
                    port = str(annotations.get("port") or "80")
                    is_asked = annotations.get("scrape") == "true" and port.isdecimal()
                    return (int(port), str(annotations.get("path") or "/metrics")) if is_asked else None
        return None

    def _agent(self) -> str:
        lines = [
            "# TYPE istio_agent_scrapes_total counter",
            f"istio_agent_scrapes_total {self._scrapes}",
            "# TYPE istio_agent_scrape_failures_total counter",
            *(f'istio_agent_scrape_failures_total{{type="{kind}"}} {n}' for kind, n in self._failures.items()),
            "# TYPE istio_agent_process_start_time_seconds gauge",
            f"istio_agent_process_start_time_seconds {self._born:.2f}",
            *_expiry_lines(self._expires),
            "# TYPE istio_build gauge",
            f'istio_build{{component="proxy",tag="{VERSION}"}} 1',
        ]
        return "\n".join([*lines, ""])


def expiry(certs: str) -> float | None:
    """When the certificate of a workload ends, by Envoy's ``/certs``; None where there is none."""
    try:
        listed = json.loads(certs or "{}").get("certificates") or ()
    except ValueError:
        return None
    for chain in (chain for certificate in listed for chain in certificate.get("cert_chain") or ()):
        if any(name.get("uri", "").startswith("spiffe://") for name in chain.get("subject_alt_names") or ()):
            return datetime.fromisoformat(chain["expiration_time"]).timestamp()
    return None


def _expiry_lines(expires: float | None) -> Iterator[str]:
    if expires is not None:
        yield "# TYPE istio_agent_cert_expiry_seconds gauge"
        yield f'istio_agent_cert_expiry_seconds{{resource_name="default"}} {expires - time.time():.0f}'


async def fetched(streams: Streams, port: int, target: str) -> str:
    """The body of an answer of 200; ValueError for any other status."""
    reader, writer = await streams(port)
    try:
        fields = [("host", f"localhost:{port}"), ("accept", "*/*"), ("connection", "close")]
        writer.write(http1.head(f"GET {target} HTTP/1.1", fields))
        start, headers = http1.parse_head((await reader.readuntil(b"\r\n\r\n")).removesuffix(b"\r\n\r\n"))
        status = int(start.split(" ")[1])
        if status != 200:
            raise ValueError(f"{target} answered {status}")
        body = http1.body_of_response("GET", status, http1.lowered(headers))
        buffer = bytearray()
        while not body.take(buffer):
            more = await reader.read(1 << 18)
            if not more:
                break
            buffer += more
        return body.data.decode(errors="replace")
    finally:
        writer.close()
