"""Pieces of Envoy configuration that several translations use."""

from collections.abc import Mapping, Sequence
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


def secret(name: str) -> Resource:
    """A certificate by its name at the secret discovery service."""
    return {"name": name, "sds_config": ADS}


def tls_context(names: Sequence[str], *, kind: str, alpn: Sequence[str]) -> Resource:
    """The common part of both sides' TLS; ``names`` are acceptable SPIFFE names (``kind``: exact or prefix)."""
    validation: Resource = {}
    if names:
        validation["match_typed_subject_alt_names"] = [{"san_type": "URI", "matcher": {kind: name}} for name in names]
    return {
        "alpn_protocols": list(alpn),
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"},
        "tls_certificate_sds_secret_configs": [secret("default")],
        "combined_validation_context": {
            "default_validation_context": validation,
            "validation_context_sds_secret_config": secret("ROOTCA"),
        },
    }


def upstream_mtls(sni: str, names: Sequence[str]) -> Resource:
    """How a client talks to a meshed endpoint."""
    return typed(
        "envoy.transport_sockets.tls",
        "extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        sni=sni,
        common_tls_context=tls_context(names, kind="exact", alpn=["istio"]),
    )


def downstream_mtls() -> Resource:
    """How a sidecar takes a meshed client."""
    return typed(
        "envoy.transport_sockets.tls",
        "extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        require_client_certificate=True,
        common_tls_context=tls_context(["spiffe://cluster.local/"], kind="prefix", alpn=["h2", "http/1.1"]),
    )


RAW_BUFFER = typed("envoy.transport_sockets.raw_buffer", "extensions.transport_sockets.raw_buffer.v3.RawBuffer")
ROUTER = typed("envoy.filters.http.router", "extensions.filters.http.router.v3.Router")
FAULT = typed("envoy.filters.http.fault", "extensions.filters.http.fault.v3.HTTPFault")
CORS = typed("envoy.filters.http.cors", "extensions.filters.http.cors.v3.Cors")
TLS_INSPECTOR = typed(
    "envoy.filters.listener.tls_inspector", "extensions.filters.listener.tls_inspector.v3.TlsInspector"
)


def connection_manager(stat_prefix: str, **fields: Any) -> Resource:
    """The HTTP filter of a listener."""
    return typed(
        "envoy.filters.network.http_connection_manager",
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=stat_prefix,
        server_name="istio-envoy",
        http_filters=[FAULT, CORS, ROUTER],
        normalize_path=True,
        path_with_escaped_slashes_action="KEEP_UNCHANGED",
        proxy_100_continue=True,
        stream_idle_timeout="0s",
        upgrade_configs=[{"upgrade_type": "websocket"}],
        request_id_extension={
            "typed_config": {
                "@type": f"{TYPE}.extensions.request_id.uuid.v3.UuidRequestIdConfig",
                "use_request_id_for_trace_sampling": True,
            }
        },
        **fields,
    )


def rds(name: str) -> Resource:
    """A route configuration fetched by name."""
    return {"config_source": ADS, "route_config_name": name}


def route_config(name: str, hosts: Sequence[Mapping[str, Any]]) -> Resource:
    """A route configuration."""
    return {
        "name": name,
        "validate_clusters": False,
        "ignore_port_in_host_matching": False,
        "max_direct_response_body_size_bytes": 1048576,
        "virtual_hosts": [dict(h) for h in hosts],
    }
