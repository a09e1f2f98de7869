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

PUSH_BUCKETS = (0.01, 0.1, 1.0, 3.0, 5.0, 10.0, 20.0, 30.0)
"""Of ``pilot_xds_push_time``."""

CONTEXT_BUCKETS = (0.01, 0.1, 0.5, 1.0, 3.0, 5.0)
"""Of ``pilot_pushcontext_init_seconds``."""


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

    def lines(self, name: str, label: str = "") -> Iterator[str]:
        """As Prometheus' text has it; ``label`` as ``type="cds"``."""
        more, own = f"{label}," if label else "", f"{{{label}}}" if label else ""
        for bound in self.bounds:
            yield f'{name}_bucket{{{more}le="{bound:g}"}} {self.counts[bound]}'
        yield f'{name}_bucket{{{more}le="+Inf"}} {self.count}'
        yield f"{name}_sum{own} {self.sum:g}"
        yield f"{name}_count{own} {self.count}"


@dataclass(kw_only=True)
class Health:
    """What istiod counts of itself."""

    pushes: Counter[str] = field(default_factory=Counter)
    """Answers that were sent, by kind of resource."""

    rejects: Counter[str] = field(default_factory=Counter)
    """Those that a proxy refused."""

    convergence: Histogram = field(default_factory=Histogram)
    """Seconds from a change until every proxy had it."""

    context_time: Histogram = field(default_factory=lambda: Histogram(bounds=CONTEXT_BUCKETS))
    """Seconds that working out everything from the objects took."""

    push_times: dict[str, Histogram] = field(default_factory=dict)
    """Seconds that sending one proxy one kind of resource took."""

    validations: Counter[tuple[str, str, str, bool]] = field(default_factory=Counter)
    """Objects that the webhook judged, by group, version, resource and whether it let them in."""

    injections: Counter[str] = field(default_factory=Counter)
    """Pods that came to the other webhook, by ``success``, ``skip`` or ``failure``."""

    events: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Changes of objects, by kind and event."""

    born: float = field(default_factory=time.time)

    def pushed(self, kind: str, seconds: float) -> None:
        """One proxy was sent one kind of resource."""
        self.push_times.setdefault(kind, Histogram(bounds=PUSH_BUCKETS)).observe(seconds)


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
        ["# TYPE pilot_pushcontext_init_seconds histogram"],
        health.context_time.lines("pilot_pushcontext_init_seconds"),
        ["# TYPE pilot_xds_push_time histogram"],
        *(
            times.lines("pilot_xds_push_time", f'type="{TYPES.get(kind, kind)}"')
            for kind, times in sorted(health.push_times.items())
        ),
        _family("galley_validation_passed", "counter", _validations(health, is_allowed=True)),
        _family("galley_validation_failed", "counter", _validations(health, is_allowed=False)),
        _family("sidecar_injection_requests_total", "counter", [({}, health.injections.total())]),
        *(
            _family(f"sidecar_injection_{outcome}_total", "counter", [({}, health.injections[outcome])])
            for outcome in ("success", "skip", "failure")
        ),
        _family("citadel_server_root_cert_expiry_timestamp", "gauge", [({}, state.root_expiry)]),
        _family("citadel_server_root_cert_expiry_seconds", "gauge", [({}, round(state.root_expiry - time.time()))]),
        _family("citadel_server_success_cert_issuance_count", "counter", [({}, state.certificates)]),
        _family("process_resident_memory_bytes", "gauge", [({}, state.memory)]),
        _family("istiod_uptime_seconds", "gauge", [({}, round(time.time() - health.born, 2))]),
        _family("process_cpu_seconds_total", "counter", [({}, round(time.process_time(), 2))]),
        _family("process_start_time_seconds", "gauge", [({}, round(health.born, 2))]),
    ]
    return "\n".join([line for block in blocks for line in block] + [""])


def _validations(health: Health, *, is_allowed: bool) -> list[Sample]:
    return [
        ({"group": group, "version": version, "resource": resource, **({} if allowed else REFUSED)}, float(count))
        for (group, version, resource, allowed), count in sorted(health.validations.items())
        if allowed == is_allowed
    ]


REFUSED = {"reason": "invalid_resource"}
"""Istio's word for an object that its own rules refuse."""


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
