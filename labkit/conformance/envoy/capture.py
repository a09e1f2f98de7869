"""Facts of capture: how Istio's listeners take connections, inspect them and pass them on."""

from typing import Any

from labkit.conformance.envoy.values import ISTIO_ALPN, Json, ordered, present, type_of, weighted

ANY_DESTINATION = ("PassthroughCluster", "BlackHoleCluster", "InboundPassthroughCluster")

DESTINATION_READER = "original_dst"
"""Where there is no kernel capture ``proxy_protocol`` tells Envoy the destination; both count as the same."""


def capture(resources: dict[str, dict[str, Json]]) -> dict[str, Any]:
    """Each listener's direction, inspectors and chains, and the type of the clusters for any destination."""
    listeners = {f"capture {name}": _listener(name, body) for name, body in resources.get("listeners", {}).items()}
    clusters = resources.get("clusters", {})
    passing = {f"capture {n}": clusters[n].get("type", "STATIC") for n in ANY_DESTINATION if n in clusters}
    return {**listeners, **passing}


def _listener(name: str, body: Json) -> Json:
    otherwise = body.get("default_filter_chain")
    return present(
        {
            "direction": body.get("traffic_direction"),
            "by destination": body.get("use_original_dst"),
            "inspects": _inspectors(name, body),
            "chains": ordered(_chain(entry) for entry in body.get("filter_chains", []) if not _is_istios(entry)),
            "otherwise": otherwise and end_of(otherwise),
        }
    )


def _inspectors(name: str, body: Json) -> list[str]:
    names = [entry["name"].rsplit(".", 1)[-1] for entry in body.get("listener_filters", [])]
    names = [DESTINATION_READER if name == "proxy_protocol" else name for name in names]
    # Istio's virtualOutbound has `use_original_dst` and no filter: the kernel tells it the destination.
    return sorted(n for n in names if name != "virtualOutbound" or n != DESTINATION_READER)


def _is_istios(entry: Json) -> bool:
    """Whether only Istio's own protocol names lead to the chain."""
    protocols = set((entry.get("filter_chain_match") or {}).get("application_protocols", []))
    return bool(protocols) and protocols <= ISTIO_ALPN


def _chain(entry: Json) -> list[Any]:
    match = entry.get("filter_chain_match") or {}
    condition = present(
        {
            "destination_port": match.get("destination_port"),
            "transport_protocol": match.get("transport_protocol"),
            "alpn": sorted(set(match.get("application_protocols", [])) - ISTIO_ALPN),
            "names": sorted(match.get("server_names", [])),
            "ranges": sorted(f"{r['address_prefix']}/{r.get('prefix_len')}" for r in match.get("prefix_ranges", [])),
        }
    )
    return [condition, *end_of(entry), "tls" if "transport_socket" in entry else "plain"]


def end_of(entry: Json) -> list[Any]:
    """What a chain does with a connection in the end: ``["http", route configuration]`` or ``["tcp", clusters]``."""
    for config in (f.get("typed_config", {}) for f in entry.get("filters", [])):
        if type_of(config) == "HttpConnectionManager":
            return [
                "http",
                config.get("rds", {}).get("route_config_name") or config.get("route_config", {}).get("name"),
            ]
        if type_of(config) == "TcpProxy":
            return ["tcp", sorted(weighted(config))]
    return ["nothing"]
