"""Circuit breakers and outlier detection of one proxy: which circuits are open, which endpoints are ejected. Pure.

``/clusters?format=json`` has limits and endpoints, ``/stats`` what is in use now and what was refused so far.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from labkit.telemetry import proxies

if TYPE_CHECKING:
    import pandas as pd

UNLIMITED = 2**31
"""Istio writes the largest number of 32 bits where no limit was asked for."""

OPEN = {
    "cx_pool_open": "connection pools",
    "rq_pending_open": "waiting requests",
    "rq_open": "requests",
    "rq_retry_open": "retries",
}
"""Gauges that are 1 while a limit is reached, and of what. That of connections is no sign of trouble: a pool of
one connection is full as soon as it is used, and requests wait for it as they should."""

OVERFLOWS = ("upstream_rq_pending_overflow", "upstream_rq_active_overflow")
"""Counters of requests that a limit refused; those of connections count requests that then wait."""

_STAT = re.compile(
    r"^cluster\.(?P<cluster>.+?);?\.(?P<name>(?:circuit_breakers\.default\.|outlier_detection\.)?\w+): (?P<n>\d+)$"
)


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One address behind an upstream."""

    address: str
    state: str
    """``healthy``, ``ejected`` (by outlier detection) or ``unhealthy``."""

    requests: int
    errors: int


@dataclass(frozen=True, kw_only=True)
class Circuit:
    """One upstream of a proxy; each pair is what is in use now and its limit, None for none."""

    service: str
    port: str
    subset: str
    connections: tuple[int, int | None]
    waiting: tuple[int, int | None]
    requests: tuple[int, int | None]
    open: tuple[str, ...] = ()
    """Limits that are reached at this moment."""

    refused: int = 0
    """Requests refused by a limit since the proxy began."""

    ejections: int = 0
    """Ejections since the proxy began."""

    endpoints: tuple[Endpoint, ...] = field(default=())

    @property
    def ejected(self) -> int:
        """Endpoints that are ejected now."""
        return sum(endpoint.state == "ejected" for endpoint in self.endpoints)


def circuits(clusters: str, stats: str, *, service: str = "") -> list[Circuit]:
    """Every upstream that Istio named, or those of one service's short name."""
    counted = numbers(stats)
    listed = []
    for cluster in json.loads(clusters).get("cluster_statuses", []):
        direction, port, subset, host = proxies.parts_of(cluster["name"])
        if direction == "outbound" and (not service or host.split(".")[0] == service):
            listed.append(_circuit(cluster, host, port, subset, counted.get(cluster["name"], {})))
    return sorted(listed, key=lambda c: (c.service, c.port, c.subset))


def read(ask: proxies.Ask, *, service: str = "") -> list[Circuit]:
    """The same, asked of a proxy now."""
    return circuits(ask("clusters?format=json"), ask(f"stats?filter={service or 'outbound'}"), service=service)


def rows(listed: Iterable[Circuit]) -> list[dict[str, Any]]:
    """As plain data, for a view."""
    return [{**asdict(circuit), "ejected": circuit.ejected} for circuit in listed]


def frame(listed: Sequence[Circuit]) -> "pd.DataFrame":
    """A row an upstream: open, connections, waiting, requests, refused, ejected."""
    import pandas as pd

    table = [
        (c.service, c.subset, bool(c.open), c.connections[0], c.waiting[0], c.requests[0], c.refused, c.ejected)
        for c in listed
    ]
    columns = ["service", "subset", "open", "connections", "waiting", "requests", "refused", "ejected"]
    return pd.DataFrame(table, columns=columns)


def _circuit(cluster: Mapping[str, Any], host: str, port: str, subset: str, stats: Mapping[str, int]) -> Circuit:
    limits: Mapping[str, Any] = next(iter(cluster.get("circuit_breakers", {}).get("thresholds", [])), {})

    def pair(gauge: str, limit: str) -> tuple[int, int | None]:
        most = int(limits.get(limit, UNLIMITED))
        return stats.get(gauge, 0), most if most < UNLIMITED else None

    return Circuit(
        service=host.split(".")[0],
        port=port,
        subset=subset,
        connections=pair("upstream_cx_active", "max_connections"),
        waiting=pair("upstream_rq_pending_active", "max_pending_requests"),
        requests=pair("upstream_rq_active", "max_requests"),
        open=tuple(word for gauge, word in OPEN.items() if stats.get(f"circuit_breakers.default.{gauge}")),
        refused=sum(stats.get(name, 0) for name in OVERFLOWS),
        ejections=stats.get("outlier_detection.ejections_enforced_total", 0),
        endpoints=tuple(_endpoint(host) for host in cluster.get("host_statuses", [])),
    )


def _endpoint(host: Mapping[str, Any]) -> Endpoint:
    address, port = proxies.endpoint_address(host)
    health = host.get("health_status", {})
    counted = {stat["name"]: int(stat.get("value", 0)) for stat in host.get("stats", [])}
    if health.get("failed_outlier_check"):
        state = "ejected"
    elif health.get("failed_active_health_check") or health.get("eds_health_status", "HEALTHY") != "HEALTHY":
        state = "unhealthy"
    else:
        state = "healthy"
    return Endpoint(
        address=f"{address or '?'}:{port}",
        state=state,
        requests=counted.get("rq_total", 0),
        errors=counted.get("rq_error", 0),
    )


def numbers(stats: str) -> dict[str, dict[str, int]]:
    """The counters and gauges of each cluster, from the text of ``/stats``."""
    counters: dict[str, dict[str, int]] = {}
    for line in stats.splitlines():
        match = _STAT.match(line)
        if match:
            counters.setdefault(match["cluster"], {})[match["name"]] = int(match["n"])
    return counters
