"""Filters that only Istio's build of Envoy has, under Istio's names; another Envoy gets something in their place.

``sandboxed`` says what: a proxy that upstream Envoy runs could not load them.
"""

from typing import Any

from labkit.mesh import ir
from labkit.mesh.model import Resource

STATS_TYPE = "type.googleapis.com/stats.PluginConfig"
ALPN_TYPE = "type.googleapis.com/istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig"
STATS, PEERS, ALPN = "istio.stats", "istio.metadata_exchange", "istio.alpn"
TUNNEL_PEERS, ENDPOINT_PEERS = "waypoint_downstream_peer_metadata", "waypoint_upstream_peer_metadata"
_STRUCT = "type.googleapis.com/udpa.type.v1.TypedStruct"
_PEER_METADATA = "type.googleapis.com/io.istio.http.peer_metadata.Config"
_TCP_METADATA = "type.googleapis.com/envoy.tcp.metadataexchange.config.MetadataExchange"
_BY: list[dict[str, Any]] = [{"istio_headers": {}}, {"workload_discovery": {}}]
_PROTOCOLS = {"": "http/1.0", "HTTP11": "http/1.1", "HTTP2": "h2"}


def stats(metrics: ir.Metrics, side: str) -> Resource:
    """Counts Istio's metrics of requests or connections."""
    config: Resource = {"@type": STATS_TYPE}
    if side != ir.OUTBOUND:
        # Who is called from outside may say any host: it must not become a label.
        config["disable_host_header_fallback"] = True
    if side == ir.WAYPOINT:
        config["reporter"] = "SERVER_GATEWAY"
    if metrics.interval:
        config["tcp_reporting_duration"] = metrics.interval
    if metrics.departures:
        config["metrics"] = [_metric(metric) for metric in metrics.departures]
    return {"name": STATS, "typed_config": config}


def _metric(metric: ir.Metric) -> Resource:
    return {
        "name": metric.name,
        **({"drop": True} if metric.is_dropped else {}),
        **({"dimensions": dict(metric.dimensions)} if metric.dimensions else {}),
        **({"tags_to_remove": list(metric.removed)} if metric.removed else {}),
    }


def peers(side: str) -> Resource:
    """Tells the other side who a workload is, by headers of requests and answers."""
    end = "downstream" if side == ir.INBOUND else "upstream"
    value = {f"{end}_discovery": _BY, f"{end}_propagation": _BY[:1]}
    return _struct(PEERS, _PEER_METADATA, value)


def tunnel_peers() -> Resource:
    """Finds out who calls a waypoint, by the address of the tunnel's other end."""
    value = {"downstream_discovery": _BY[1:], "shared_with_upstream": True}
    return _struct(TUNNEL_PEERS, _PEER_METADATA, value)


def endpoint_peers() -> Resource:
    """Finds out who answers a waypoint."""
    return _struct(ENDPOINT_PEERS, _PEER_METADATA, {"upstream_discovery": _BY[1:]})


def connection_peers() -> Resource:
    """The same for connections that are not HTTP, by a protocol of Istio's own."""
    value = {"enable_discovery": True, "protocol": "istio-peer-exchange"}
    return _struct(PEERS, _TCP_METADATA, value)


def _struct(name: str, kind: str, value: dict[str, Any]) -> Resource:
    return {"name": name, "typed_config": {"@type": _STRUCT, "type_url": kind, "value": value}}


def alpn() -> Resource:
    """Offers, beside the protocol of a request, Istio's names: a sidecar knows by them that a sidecar calls."""
    overrides = [
        {
            **({"upstream_protocol": protocol} if protocol else {}),
            "alpn_override": [f"istio-{name}" if name != "h2" else "istio-h2", "istio", name],
        }
        for protocol, name in _PROTOCOLS.items()
    ]
    return {"name": ALPN, "typed_config": {"@type": ALPN_TYPE, "alpn_override": overrides}}


def name_of(entry: Resource) -> str:
    """The name of a filter; one of Istio's is known by its configuration where an EnvoyFilter has renamed it."""
    name, config = str(entry.get("name") or ""), entry.get("typed_config") or {}
    kind = config.get("type_url") if config.get("@type") == _STRUCT else config.get("@type")
    if kind in (_PEER_METADATA, _TCP_METADATA):
        return name if name in (TUNNEL_PEERS, ENDPOINT_PEERS) else PEERS
    return {STATS_TYPE: STATS, ALPN_TYPE: ALPN}.get(str(kind), name)
