"""One proxy in a few numbers, from its Envoy's admin pages: whether it is live, and what it holds. Pure."""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

_NUMBERS = (
    r"^(server\.memory_allocated|cluster_manager\.active_clusters|listener_manager\.total_listeners_active|"
    r"cluster\.xds-grpc;?\.upstream_cx_active|.*\.update_rejected)$"
)
STATS = f"stats?filter={quote(_NUMBERS)}"
"""The numbers of an Envoy that ``state`` reads."""

PAGES = ("server_info", STATS, "certs", "clusters?format=json")
"""What ``state`` wants to read of one Envoy."""

_STAT = re.compile(r"^(\S+): (\d+)$", re.M)
MEGABYTE = 1_000_000


def state(pages: Mapping[str, str]) -> dict[str, str]:
    """Words about one proxy, by what they are called; ``pages`` by path as in ``PAGES``, missing ones left out."""
    stats = {name: int(value) for name, value in _STAT.findall(pages.get(STATS, ""))}
    words = {
        **_server(_json(pages.get("server_info", ""))),
        **_control_plane(stats),
        "listeners": _number(stats, "listener_manager.total_listeners_active"),
        "clusters": _number(stats, "cluster_manager.active_clusters"),
        "endpoints": _endpoints(_json(pages.get("clusters?format=json", ""))),
        **_identity(_json(pages.get("certs", ""))),
        "memory": f"{stats['server.memory_allocated'] / MEGABYTE:.1f} MB" if "server.memory_allocated" in stats else "",
    }
    return {name: value for name, value in words.items() if value}


def _json(text: str) -> Mapping[str, Any]:
    document: Mapping[str, Any] = json.loads(text or "{}")
    return document


def _number(stats: Mapping[str, int], name: str) -> str:
    return str(stats[name]) if name in stats else ""


def _server(info: Mapping[str, Any]) -> dict[str, str]:
    # ``version`` is commit/version/state of the tree/build/TLS library.
    parts = str(info.get("version", "")).split("/")
    return {
        "Envoy": parts[1] if len(parts) > 1 else "",
        "state": str(info.get("state", "")),
        "runs for": str(info.get("uptime_current_epoch", "")),
    }


def _control_plane(stats: Mapping[str, int]) -> dict[str, str]:
    connections = [value for name, value in stats.items() if name.startswith("cluster.xds-grpc")]
    rejected = sum(value for name, value in stats.items() if name.endswith("update_rejected"))
    return {
        "istiod": "" if not connections else "connected" if sum(connections) else "not connected",
        "refused updates": str(rejected) if stats else "",
    }


def _endpoints(clusters: Mapping[str, Any]) -> str:
    hosts = [
        host.get("health_status") or {}
        for cluster in clusters.get("cluster_statuses") or ()
        if str(cluster.get("name", "")).startswith("outbound|")
        for host in cluster.get("host_statuses") or ()
    ]
    if not clusters:
        return ""
    ejected = sum(bool(health.get("failed_outlier_check")) for health in hosts)
    return f"{len(hosts)}{f', {ejected} ejected' if ejected else ''}"


def _identity(certs: Mapping[str, Any]) -> dict[str, str]:
    for certificate in certs.get("certificates") or ():
        for chain in certificate.get("cert_chain") or ():
            for name in chain.get("subject_alt_names") or ():
                if uri := name.get("uri"):
                    return {"identity": str(uri), "certificate until": str(chain.get("expiration_time", ""))}
    return {}
