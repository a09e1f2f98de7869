"""From the intermediate form to Envoy's resources, and the pieces that several of them use."""

from typing import Any

from labkit.mesh.model import Resource

TYPE = "type.googleapis.com/envoy"
ADS = {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"}


def typed(name: str, type_url: str, **fields: Any) -> Resource:
    """An extension: its name, its type and its fields."""
    return {"name": name, "typed_config": {"@type": f"{TYPE}.{type_url}", **fields}}


def address(ip: str, port: int) -> Resource:
    """A socket address."""
    return {"socket_address": {"address": ip, "port_value": port}}


RAW_BUFFER = typed("envoy.transport_sockets.raw_buffer", "extensions.transport_sockets.raw_buffer.v3.RawBuffer")
ROUTER = typed("envoy.filters.http.router", "extensions.filters.http.router.v3.Router")
FAULT = typed("envoy.filters.http.fault", "extensions.filters.http.fault.v3.HTTPFault")
CORS = typed("envoy.filters.http.cors", "extensions.filters.http.cors.v3.Cors")
DNS_CACHE: Resource = {
    "name": "outside",
    "dns_lookup_family": "V4_ONLY",
    # Whoever mistypes a name shall not wait for the default of five seconds.
    "dns_query_timeout": "2s",
}
FORWARD_PROXY = typed(
    "envoy.filters.http.dynamic_forward_proxy",
    "extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig",
    dns_cache_config=DNS_CACHE,
)
TLS_INSPECTOR = typed(
    "envoy.filters.listener.tls_inspector", "extensions.filters.listener.tls_inspector.v3.TlsInspector"
)


def connection_manager(stat_prefix: str, **fields: Any) -> Resource:
    """The HTTP filter of a listener."""
    said: Resource = {
        "stat_prefix": stat_prefix,
        "server_name": "istio-envoy",
        "http_filters": [FAULT, CORS, ROUTER],
        "normalize_path": True,
        "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
        "proxy_100_continue": True,
        "stream_idle_timeout": "0s",
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "request_id_extension": {
            "typed_config": {
                "@type": f"{TYPE}.extensions.request_id.uuid.v3.UuidRequestIdConfig",
                "use_request_id_for_trace_sampling": True,
            }
        },
        **fields,
    }
    return typed(
        "envoy.filters.network.http_connection_manager",
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        **said,
    )


def rds(name: str) -> Resource:
    """A route configuration fetched by name."""
    return {"config_source": ADS, "route_config_name": name}
