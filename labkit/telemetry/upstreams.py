"""What one proxy counted of the requests it sent to each version of a service: its own statistics, read as text.

The proxy that calls knows what the caller got, also when no version answered. Envoy counts by cluster; where Istio
leaves those statistics out, its own ``istio_requests_total`` has them by destination, and Envoy's list of endpoints has
them by address.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from labkit.telemetry import proxies

Ask = Callable[[str], str]


class Seen(NamedTuple):
    """Requests since the proxy began."""

    sent: int
    failed: int
    """Those that ended with 500 and more, also where nothing answered."""


_CLUSTER = re.compile(
    r"^cluster\.outbound\|\d+\|(?P<subset>[^|]+)\|(?P<host>[^.:]+)\.[^:]*?;?"
    r"\.upstream_rq_(?P<what>completed|5xx): (?P<n>\d+)$",
    re.MULTILINE,
)
_ISTIO = re.compile(r"^istio_requests_total\{(?P<labels>[^}]*)\} (?P<n>\d+)", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


def by_subset(ask: Ask, service: str) -> dict[str, Seen]:
    """``{"v1": Seen(sent=90, failed=0)}`` of a service's short name; empty where the proxy counts nothing of it."""
    return of_clusters(ask(f"stats?filter={service}.*upstream_rq_"), service) or of_istio(
        ask("stats/prometheus?filter=istio_requests_total"), service
    )


def of_clusters(text: str, service: str) -> dict[str, Seen]:
    """From Envoy's text: ``cluster.outbound|9080|v1|reviews.default.svc.cluster.local.upstream_rq_completed: 90``."""
    counters: dict[str, dict[str, int]] = {}
    for match in _CLUSTER.finditer(text):
        if match["host"] == service:
            counters.setdefault(match["subset"], {})[match["what"]] = int(match["n"])
    return _seen(counters)


def of_istio(text: str, service: str) -> dict[str, Seen]:
    """From Prometheus' text, as the caller's proxy reports it."""
    counters: dict[str, dict[str, int]] = {}
    for match in _ISTIO.finditer(text):
        labels = dict(_LABEL.findall(match["labels"]))
        if labels.get("reporter") == "source" and labels.get("destination_service_name") == service:
            counted = counters.setdefault(labels.get("destination_version", ""), {"completed": 0, "5xx": 0})
            counted["completed"] += int(match["n"])
            # No answer at all is reported as code 0.
            failed = labels.get("response_code", "").startswith("5") or labels.get("response_code") == "0"
            counted["5xx"] += int(match["n"]) * failed
    return _seen(counters)


def of_endpoints(text: str, service: str) -> dict[str, Seen]:
    """From ``/clusters?format=json``, which every Envoy has: sums over the endpoints that a version has now."""
    counters: dict[str, dict[str, int]] = {}
    for cluster in json.loads(text).get("cluster_statuses", []):
        direction, _, subset, host = proxies.parts_of(cluster["name"])
        if direction == "outbound" and subset and host.split(".")[0] == service:
            counted = counters.setdefault(subset, {"completed": 0, "5xx": 0})
            for endpoint in cluster.get("host_statuses", []):
                stats = {stat["name"]: int(stat.get("value", 0)) for stat in endpoint.get("stats", [])}
                counted["completed"] += stats.get("rq_total", 0)
                counted["5xx"] += stats.get("rq_error", 0)
    return _seen(counters)


def _seen(counters: Mapping[str, Mapping[str, int]]) -> dict[str, Seen]:
    return {
        version: Seen(sent=counted.get("completed", 0), failed=counted.get("5xx", 0))
        for version, counted in sorted(counters.items())
    }
