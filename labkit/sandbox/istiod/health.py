"""``:15014/metrics``: how istiod itself is, under the names that Istio's own istiod gives its metrics."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

BUCKETS = (0.1, 0.5, 1.0, 3.0, 5.0, 10.0, 20.0, 30.0)
"""Seconds; Istio's own for ``pilot_proxy_convergence_time``."""

TYPES = {
    "clusters": "cds",
    "endpoints": "eds",
    "listeners": "lds",
    "routes": "rds",
    "extensions": "ecds",
    "secrets": "sds",
}
"""Kind of resource → what Istio calls its discovery."""


@dataclass(kw_only=True)
class Histogram:
    """Counts by upper bound."""

    bounds: tuple[float, ...] = BUCKETS
    counts: Counter[float] = field(default_factory=Counter)
    sum: float = 0.0
    count: int = 0

    def observe(self, value: float) -> None:
        """One more."""
        self.sum += value
        self.count += 1
        self.counts.update(bound for bound in self.bounds if value <= bound)

    def lines(self, name: str) -> Iterator[str]:
        """As Prometheus' text has it."""
        for bound in self.bounds:
            yield f'{name}_bucket{{le="{bound:g}"}} {self.counts[bound]}'
        yield f'{name}_bucket{{le="+Inf"}} {self.count}'
        yield f"{name}_sum {self.sum:g}"
        yield f"{name}_count {self.count}"


@dataclass(kw_only=True)
class Health:
    """What istiod counts of itself."""

    pushes: Counter[str] = field(default_factory=Counter)
    """Answers that were sent, by kind of resource."""

    rejects: Counter[str] = field(default_factory=Counter)
    """Those that a proxy refused."""

    convergence: Histogram = field(default_factory=Histogram)
    """Seconds from a change until every proxy had it."""

    push_time: Histogram = field(default_factory=Histogram)
    """Seconds that making and sending a push took."""

    events: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Changes of objects, by kind and event."""

    born: float = field(default_factory=time.time)


@dataclass(frozen=True, kw_only=True)
class State:
    """How things stand now."""

    version: str
    proxies: int
    services: int
    virtual_services: int
    root_expiry: float
    """When the root certificate ends, in seconds since the epoch."""

    certificates: int
    """Certificates of proxies that are in use."""

    memory: int
    """Bytes."""


Sample = tuple[Mapping[str, str], float]


def text(health: Health, state: State) -> str:
    """The page."""
    by_type = [({"type": TYPES.get(kind, kind)}, float(count)) for kind, count in sorted(health.pushes.items())]
    rejects = [({"type": TYPES.get(kind, kind)}, float(count)) for kind, count in sorted(health.rejects.items())]
    events = [({"type": kind, "event": event}, float(n)) for (kind, event), n in sorted(health.events.items())]
    blocks: list[Iterable[str]] = [
        _family("pilot_info", "gauge", [({"version": state.version}, 1)]),
        _family("istio_build", "gauge", [({"component": "pilot", "tag": state.version}, 1)]),
        _family("pilot_xds", "gauge", [({"version": state.version}, state.proxies)]),
        _family("pilot_services", "gauge", [({}, state.services)]),
        _family("pilot_virt_services", "gauge", [({}, state.virtual_services)]),
        _family("pilot_xds_pushes", "counter", by_type),
        _family("pilot_total_xds_rejects", "counter", rejects),
        _family("pilot_k8s_cfg_events", "counter", events),
        ["# TYPE pilot_proxy_convergence_time histogram"],
        health.convergence.lines("pilot_proxy_convergence_time"),
        ["# TYPE pilot_xds_push_time histogram"],
        health.push_time.lines("pilot_xds_push_time"),
        _family("citadel_server_root_cert_expiry_timestamp", "gauge", [({}, state.root_expiry)]),
        _family("citadel_server_success_cert_issuance_count", "counter", [({}, state.certificates)]),
        _family("process_resident_memory_bytes", "gauge", [({}, state.memory)]),
        _family("process_start_time_seconds", "gauge", [({}, round(health.born, 2))]),
    ]
    return "\n".join([line for block in blocks for line in block] + [""])


def _family(name: str, kind: str, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# TYPE {name} {kind}"
    for labels, value in samples:
        text_of_labels = ",".join(f'{key}="{value}"' for key, value in labels.items())
        yield f"{name}{{{text_of_labels}}} {value:.15g}" if text_of_labels else f"{name} {value:.15g}"


def routes(health: Health, state: Callable[[], State]) -> list[web.RouteDef]:
    """The page as a route."""

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(text=text(health, state()), content_type="text/plain")

    return [web.get("/metrics", metrics)]


def memory() -> int:
    """Bytes that this process has in memory; 0 where the machine does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
    except OSError:
        return 0
