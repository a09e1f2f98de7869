"""ztunnel's metrics, ``istio_tcp_*`` with both workloads and identities, counted by the loggers of its connections."""

from collections.abc import Mapping
from typing import Any

from labkit.mesh.ambient.ztunnel import resources as pieces
from labkit.mesh.envoy import TYPE
from labkit.mesh.model import Resource
from labkit.mesh.sandboxed import stats

SOURCE_WORKLOAD = "labkit.source_workload"
"""Filter state of a captured connection: the pod as metrics call it."""

OF_TCP = ("TcpUpstreamConnected", "TcpConnectionEnd")
OF_TUNNEL = ("DownstreamTunnelSuccessfullyEstablished", "DownstreamEnd")
"""Kinds of log entries when a connection begins and ends: of a TCP proxy, and of a CONNECT."""


def workload(row: Mapping[str, Any]) -> str:
    """``reviews-v1;amb;reviews;v1;Kubernetes``, as Istio's endpoints name a workload."""
    parts = ("workloadName", "namespace", "canonicalName", "canonicalRevision", "clusterId")
    return ";".join(str(row.get(part, "")) for part in parts)


def service(host: str, row: Mapping[str, Any] | None) -> str:
    """``host;name;namespace``."""
    return f"{host};{row['name']};{row['namespace']}" if host and row else ""


def outbound() -> list[Resource]:
    """Of a connection that leaves a pod; filter state and the endpoint's metadata say between whom."""
    about = {
        "reporter": "source",
        "response_flags": stats.FLAGS,
        "source_principal": "%UPSTREAM_LOCAL_URI_SAN%",
        "destination_principal": "%UPSTREAM_PEER_URI_SAN%",
        "peer": f"%DYNAMIC_METADATA({pieces.ABOUT}:workload)%",
        "destination_service": f"%DYNAMIC_METADATA({pieces.ABOUT}:service)%",
    }
    return _loggers(about, f"%FILTER_STATE({SOURCE_WORKLOAD}:PLAIN)%", OF_TCP)


def inbound(own: str, service: str, *, is_tunnelled: bool) -> list[Resource]:
    """Of a connection that comes to a pod; the caller is known by its address."""
    about = {
        "reporter": "destination",
        "response_flags": stats.FLAGS,
        "destination_service": service,
        "address": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%",
    }
    if is_tunnelled:
        about["source_principal"] = "%DOWNSTREAM_PEER_URI_SAN%"
        about["destination_principal"] = "%DOWNSTREAM_LOCAL_URI_SAN%"
    return _loggers(about, own, OF_TUNNEL if is_tunnelled else OF_TCP)


def _loggers(about: Mapping[str, str], own: str, kinds: tuple[str, str]) -> list[Resource]:
    opened, closed = kinds
    at_first = {**about, "response_flags": "-"}
    return [
        _logger([_counter("tcp_connections_opened_total", at_first, own)], opened),
        _logger(
            [
                _counter("tcp_connections_closed_total", about, own),
                _counter("tcp_sent_bytes_total", about, own, "%BYTES_SENT%"),
                _counter("tcp_received_bytes_total", about, own, "%BYTES_RECEIVED%"),
            ],
            closed,
        ),
    ]


def _counter(name: str, about: Mapping[str, str], own: str, amount: str = "") -> Resource:
    tags = [
        {"name": stats.ABOUT, "value_format": "|".join(about.get(part, "") for part in stats.PARTS)},
        {"name": stats.OWN, "value_format": own},
    ]
    value: dict[str, Any] = {"value_format": amount} if amount else {"value_fixed": 1}
    return {"stat": {"name": f"istio_{name}", "tags": tags}, **value}


def _logger(counters: list[Resource], kind: str) -> Resource:
    config = {
        "@type": f"{TYPE}.extensions.access_loggers.stats.v3.Config",
        "stat_prefix": stats.PREFIX,
        "counters": counters,
    }
    return {"name": "envoy.access_loggers.stats", "typed_config": config, "filter": only(kind)}


def only(kind: str) -> Resource:
    """The filter of a logger that takes one kind of entries."""
    return {"log_type_filter": {"types": [kind]}}
