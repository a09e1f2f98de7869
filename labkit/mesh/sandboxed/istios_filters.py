"""What upstream Envoy gets in the place of the filters that only Istio's build has."""

from typing import Any

from labkit.mesh.envoy import istios_filters
from labkit.mesh.model import Resource
from labkit.mesh.sandboxed import stats

STATS, PEERS, ALPN = istios_filters.STATS, istios_filters.PEERS, istios_filters.ALPN
OWN = (STATS, PEERS, ALPN, istios_filters.TUNNEL_PEERS, istios_filters.ENDPOINT_PEERS)
HASHABLE = {"istio.hashable_string": "envoy.hashable_string"}
"""Istio's factory of filter state → upstream's, which does the same."""

MANAGER, TCP = "envoy.filters.network.http_connection_manager", "envoy.filters.network.tcp_proxy"


def replaced(listener: Resource) -> Resource:
    """The same listener of filters that upstream Envoy has; one without Istio's is the very same object."""
    listener = renamed(listener)
    is_served = listener.get("traffic_direction") == "INBOUND"
    changed: Resource = {}
    if chains := listener.get("filter_chains"):
        changed["filter_chains"] = [_chain(chain, is_served=is_served) for chain in chains]
    if last := listener.get("default_filter_chain"):
        changed["default_filter_chain"] = _chain(last, is_served=is_served)
    return {**listener, **changed} if changed != {key: listener[key] for key in changed} else listener


def renamed(part: Any) -> Any:
    """The same with upstream's factories of filter state; what names none of Istio's is the very same object."""
    if isinstance(part, dict):
        changed = {key: new for key, value in part.items() if (new := renamed(value)) is not value}
        return {**part, **changed} if changed else part
    if isinstance(part, list):
        items = [renamed(item) for item in part]
        return items if any(new is not old for new, old in zip(items, part, strict=True)) else part
    return HASHABLE.get(part, part) if isinstance(part, str) else part


def _chain(chain: Resource, *, is_served: bool) -> Resource:
    filters = chain.get("filters") or []
    plugin = _config(filters, STATS)
    kept = [
        _filter(entry, plugin, is_served=is_served) for entry in filters if istios_filters.name_of(entry) not in OWN
    ]
    return {**chain, "filters": kept}


def _config(filters: list[Resource], name: str) -> Resource | None:
    return next((f.get("typed_config") or {} for f in filters if istios_filters.name_of(f) == name), None)


def _filter(entry: Resource, plugin: Resource | None, *, is_served: bool) -> Resource:
    config = entry.get("typed_config") or {}
    if "http_filters" in config:
        return {**entry, "typed_config": _manager(config, is_served=is_served)}
    if entry.get("name") == TCP and plugin is not None:
        return {**entry, "typed_config": _tcp_proxy(config, plugin, is_served=is_served)}
    return entry


def _manager(config: Resource, *, is_served: bool) -> Resource:
    filters = [new for entry in config["http_filters"] for new in _in_place_of(entry)]
    changed = {**config, "http_filters": filters}
    plugin = _config(config["http_filters"], STATS)
    if plugin is not None and (loggers := stats.of_requests(plugin, is_served=is_served)):
        changed["access_log"] = [*(config.get("access_log") or ()), *loggers]
    return changed


def _in_place_of(entry: Resource) -> list[Resource]:
    name = istios_filters.name_of(entry)
    if name == PEERS:
        settings: dict[str, Any] = (entry.get("typed_config") or {}).get("value") or {}
        return stats.reads_who_calls() if "downstream_discovery" in settings else stats.says_who_calls()
    if name == istios_filters.TUNNEL_PEERS:
        return stats.reads_whose_tunnel()
    return [] if name in OWN else [entry]


def _tcp_proxy(config: Resource, plugin: Resource, *, is_served: bool) -> Resource:
    loggers = stats.of_connections(plugin, is_served=is_served)
    if not loggers:
        return config
    logs = [stats.at_end_only(log) for log in config.get("access_log") or ()]
    options = {**(config.get("access_log_options") or {}), "flush_access_log_on_connected": True}
    return {**config, "access_log": [*logs, *loggers], "access_log_options": options}
