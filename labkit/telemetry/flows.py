"""Who sends requests to whom, counted by the proxies that send: workloads, and what went between them. Pure."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from labkit.telemetry import circuits, proxies
from labkit.telemetry.workloads import Workload

PASSTHROUGH = "PassthroughCluster"
GATEWAY = "gateway"
UNHASHED = 2
"""Parts at the end of a pod's name that a Deployment and a ReplicaSet added."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """One workload: all pods of a Deployment."""

    name: str
    """``reviews-v1``."""

    app: str
    pods: int
    ready: int
    """Pods whose containers are all ready."""

    has_proxy: bool
    """Whether every pod has one."""


@dataclass(frozen=True, kw_only=True)
class Flow:
    """Requests from one workload to another, since the sending proxies began."""

    source: str
    target: str
    """A workload; a host where no pod is known by that address, or where nobody answered."""

    sent: int
    failed: int
    """Those answered with 500 and more, or not at all."""

    security: str = ""
    """How they are sent: ``mutual TLS``, ``TLS`` or ``plain text``; empty where nobody knows."""

    is_measured: bool = False
    """Whether the called proxies counted that; else it is what the rules make of it."""


def nodes(pods: Iterable[Workload]) -> list[Node]:
    """The workloads of these pods, by name; pods that are on their way out do not count."""
    by_name: dict[str, list[Workload]] = defaultdict(list)
    for pod in pods:
        if pod.phase in ("Running", "Pending"):
            by_name[workload_of(pod.name)].append(pod)
    return [
        Node(
            name=name,
            app=group[0].app,
            pods=len(group),
            ready=sum(pod.is_ready for pod in group),
            has_proxy=all(pod.has_proxy for pod in group),
        )
        for name, group in sorted(by_name.items())
    ]


def flows(clusters: Mapping[str, str], stats: Mapping[str, str], pods: Sequence[Workload]) -> list[Flow]:
    """From each proxy's ``clusters?format=json`` and its ``stats``, both by pod."""
    addresses = {pod.ip: workload_of(pod.name) for pod in pods if pod.ip}
    totals: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for pod, text in clusters.items():
        counted = circuits.numbers(stats.get(pod, ""))
        for cluster in json.loads(text or "{}").get("cluster_statuses", []):
            direction, _, _, host = proxies.parts_of(cluster["name"])
            if direction != "outbound" and cluster["name"] != PASSTHROUGH:
                continue
            refused = counted.get(cluster["name"], {}).get("upstream_rq_5xx", 0)
            for endpoint in cluster.get("host_statuses", []):
                address, _ = proxies.endpoint_address(endpoint)
                sent, failed = _counts(endpoint)
                target = addresses.get(address) or host or address
                _add(totals, workload_of(pod), target, sent, failed)
                refused -= failed
            if refused > 0:
                _add(totals, workload_of(pod), host.split(".")[0], refused, refused)
    return [
        Flow(source=source, target=target, sent=sent, failed=failed)
        for (source, target), (sent, failed) in sorted(totals.items())
        if sent
    ]


def _add(totals: dict[tuple[str, str], list[int]], source: str, target: str, sent: int, failed: int) -> None:
    totals[source, target][0] += sent
    totals[source, target][1] += failed


def _counts(endpoint: Mapping[str, object]) -> tuple[int, int]:
    stats = endpoint.get("stats") or []
    counted = {s["name"]: int(s.get("value", 0)) for s in stats}  # type: ignore[attr-defined]
    return counted.get("rq_total", 0), counted.get("rq_error", 0)


def workload_of(pod: str) -> str:
    """``reviews-v1`` of ``reviews-v1-9nb5g9rml5-w44kj``."""
    parts = pod.rsplit("-", UNHASHED)
    return parts[0] if len(parts) > UNHASHED else pod
