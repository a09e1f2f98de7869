"""Rows of the short tables. Pure."""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from labkit.istioctl.proxyconfig import dumps

Dump = Mapping[str, Any]
Row = tuple[Any, ...]

CLUSTER = ("SERVICE FQDN", "PORT", "SUBSET", "DIRECTION", "TYPE", "DESTINATION RULE")
LISTENER = ("ADDRESSES", "PORT", "MATCH", "DESTINATION")
ROUTE = ("NAME", "VHOST NAME", "DOMAINS", "MATCH", "VIRTUAL SERVICE")
ENDPOINT = ("ENDPOINT", "STATUS", "OUTLIER CHECK", "CLUSTER")

HTTP, TCP = "envoy.filters.network.http_connection_manager", "envoy.filters.network.tcp_proxy"


def cluster_rows(clusters: Sequence[Any]) -> list[Row]:
    """One a cluster."""
    rows = []
    for cluster in clusters:
        parts = cluster["name"].split("|")
        direction, port, subset, fqdn = parts if len(parts) == 4 else ("-", "-", "-", cluster["name"])
        kind = cluster.get("type") or (cluster.get("cluster_type") or {}).get("name", "STATIC")
        rows.append((fqdn, port, subset or "-", direction, kind, dumps.managed_by(cluster.get("metadata"))))
    return sorted(rows, key=lambda row: (row[0], row[1].zfill(5), row[2], row[3]))


def listener_rows(listeners: Sequence[Any]) -> list[Row]:
    """One a filter chain."""
    rows = []
    for listener in listeners:
        addresses, port = _addresses(listener)
        chains = [*listener.get("filter_chains", [])]
        if listener.get("default_filter_chain"):
            chains.append(listener["default_filter_chain"])
        rows += [(addresses, port, _match(chain.get("filter_chain_match") or {}), use(chain)) for chain in chains]
    return sorted(rows, key=lambda row: (row[1], row[0]))


def _addresses(listener: Any) -> tuple[str, int]:
    every = [listener.get("address") or {}, *(a.get("address") or {} for a in listener.get("additional_addresses", []))]
    sockets = [a["socket_address"] for a in every if "socket_address" in a]
    if not sockets:
        return (every[0].get("pipe") or {}).get("path", ""), 0
    return ",".join(s["address"] for s in sockets), int(sockets[0].get("port_value", 0))


def _match(match: Any) -> str:
    port = f":{match['destination_port']}" if match.get("destination_port") else ""
    ranges = [f"{r['address_prefix']}/{r.get('prefix_len', 0)}" for r in match.get("prefix_ranges", [])]
    conditions = [
        ("SNI", ",".join(match.get("server_names", []))),
        ("Trans", match.get("transport_protocol", "")),
        ("App", ",".join(match.get("application_protocols", []))),
        ("Addr", f"{','.join(ranges)}{port}" if ranges else f"*{port}" if port else ""),
    ]
    return "; ".join(f"{name}: {value}" for name, value in conditions if value) or "ALL"


def use(chain: Any) -> str:
    """What a filter chain does with its connections."""
    for entry in chain.get("filters", []):
        config = entry.get("typed_config") or {}
        if entry["name"] == HTTP:
            if config.get("rds"):
                return f"Route: {config['rds']['route_config_name']}"
            return f"Inline Route: {', '.join(_inline(config.get('route_config') or {}))}"
        if entry["name"] == TCP:
            cluster = str(config.get("cluster", ""))
            return cluster if cluster.endswith("Cluster") else f"Cluster: {cluster}"
    return "Non-HTTP/Non-TCP"


def _inline(table: Any) -> Iterator[str]:
    for host in table.get("virtual_hosts", []):
        yield from (path(route.get("match") or {}) for route in host.get("routes", []))


def path(match: Mapping[str, Any]) -> str:
    """``/reviews*`` for a prefix, the path itself, or ``regex …``."""
    if "path" in match:
        return str(match["path"])
    if "prefix" in match:
        return f"{match['prefix']}*"
    if "path_separated_prefix" in match:
        return f"PathPrefix:{match['path_separated_prefix']}"
    regex = (match.get("safe_regex") or {}).get("regex")
    return f"regex {regex}" if regex else "*"


def route_rows(tables: Sequence[Any]) -> list[Row]:
    """One a route."""
    rows = []
    for table in tables:
        for host in table.get("virtual_hosts", []):
            domains = _domains(host)
            for route in host.get("routes", []):
                source = dumps.managed_by(route.get("metadata")) or _answer(route)
                rows.append((table.get("name", ""), host["name"], domains, path(route.get("match") or {}), source))
    return sorted(rows, key=lambda row: (len(row[0]), row[0], row[1]))


def _answer(route: Any) -> str:
    return str((route.get("direct_response") or {}).get("status", ""))


def _domains(host: Any) -> str:
    domains = host.get("domains", [])
    if len(domains) == 1:
        return str(domains[0])
    plain = host["name"].rpartition(":")[0]
    others = [d for d in domains if d != plain and ":" not in d and not _is_address(d)]
    rest = f" + {len(others) - 2} more..." if len(others) > 2 else ""
    return ", ".join(others[:2]) + rest


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def endpoint_rows(document: Mapping[str, Any]) -> list[Row]:
    """One an address of ``/clusters?format=json``."""
    rows = []
    for cluster in document.get("cluster_statuses", []):
        for host in cluster.get("host_statuses", []):
            health = host.get("health_status") or {}
            outlier = "FAILED" if health.get("failed_outlier_check") else "OK"
            status = str(health.get("eds_health_status", "UNKNOWN"))
            rows.append((_address(host.get("address") or {}), status, outlier, cluster["name"]))
    return sorted(rows)


def _address(address: Mapping[str, Any]) -> str:
    if socket := address.get("socket_address"):
        return f"{socket['address']}:{socket.get('port_value', '')}"
    if pipe := address.get("pipe"):
        return f"unix://{pipe['path']}"
    internal = address.get("envoy_internal_address") or {}
    return f"envoy://{internal.get('server_listener_name', '')}/{internal.get('endpoint_id', '')}"
