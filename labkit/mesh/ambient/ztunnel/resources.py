"""Pieces of Envoy's configuration that several parts of the node's Envoy use."""

from collections.abc import Mapping
from typing import Any

from labkit.mesh import envoy
from labkit.mesh.envoy import typed
from labkit.mesh.model import Resource

HBONE_PORT = 15008
OWNER_ONLY = 0o600
CONNECT, PLAIN = "connect_originate", "plain_originate"
"""Internal listeners: into a tunnel, and without one."""

ORIGINAL_DST = "envoy.filters.listener.original_dst"
ABOUT = "labkit"
"""The metadata of an endpoint that the listener of tunnels reads: who answers there, and how the log names it."""

SOURCE, SOURCE_ADDRESS, SOURCE_TEXT = "labkit.source", "labkit.source_address", "labkit.source_text"
"""Filter state of a captured connection: the pod's address, the address with its port, the pod in words of the log."""

AT_FIRST = {"flush_access_log_on_connected": True}
"""The option of a TCP proxy whose loggers hear of a connection when it begins, too."""

RAW = typed("raw_buffer", "extensions.transport_sockets.raw_buffer.v3.RawBuffer")


def state(key: str, text: str, *, factory: str = "envoy.hashable_string", shared: str = "ONCE") -> Resource:
    """One value that ``set_filter_state`` writes; ``shared`` says how far it goes with an internal connection.

    Connections whose hashable values differ never share a pool: another pod's would lend them its identity.
    """
    return {
        "object_key": key,
        **({"factory_key": factory} if factory else {}),
        "format_string": {"text_format_source": {"inline_string": text}},
        "shared_with_upstream": shared,
    }


def set_state(*values: Resource) -> Resource:
    """The network filter that writes filter state when a connection begins."""
    kind = "extensions.filters.network.set_filter_state.v3.Config"
    return typed("envoy.filters.network.set_filter_state", kind, on_new_connection=list(values))


def tcp_proxy(stat: str, cluster: str, **fields: Any) -> Resource:
    """The network filter that carries bytes on; filter state may name another cluster."""
    kind = "extensions.filters.network.tcp_proxy.v3.TcpProxy"
    return typed("envoy.filters.network.tcp_proxy", kind, stat_prefix=stat, cluster=cluster, **fields)


def secret(name: str) -> Resource:
    """A certificate that istiod sends on the proxy's stream."""
    return {"name": name, "sds_config": envoy.ADS}


def tls(identity: str, domains: tuple[str, ...]) -> Resource:
    """What both ends of a tunnel share: TLS 1.3, the certificate of one workload, peers of the mesh alone."""
    names = [{"san_type": "URI", "matcher": {"prefix": f"spiffe://{domain}/"}} for domain in domains]
    return {
        "alpn_protocols": ["h2"],
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"},
        "tls_certificate_sds_secret_configs": [secret(identity)],
        "combined_validation_context": {
            "default_validation_context": {"match_typed_subject_alt_names": names},
            "validation_context_sds_secret_config": secret("ROOTCA"),
        },
    }


def http2(**fields: Any) -> Mapping[str, Resource]:
    """The option of a cluster that speaks HTTP/2 with CONNECT."""
    kind = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    options = {"allow_connect": True, **fields}
    return {kind: {"@type": f"type.googleapis.com/{kind}", "explicit_http_config": {"http2_protocol_options": options}}}


def pipe(path: str) -> Resource:
    """A Unix socket."""
    return {"pipe": {"path": path}}


def own_pipe(path: str) -> Resource:
    """A Unix socket that Envoy makes."""
    return {"pipe": {"path": path, "mode": OWNER_ONLY}}


def announced() -> Resource:
    """The transport that begins with a PROXY header: who calls whom."""
    return typed(
        "envoy.transport_sockets.upstream_proxy_protocol",
        "extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport",
        config={"version": "V2"},
        transport_socket=RAW,
    )


def internal() -> Resource:
    """The transport to an internal listener, with what the endpoint's metadata say."""
    kinds = [{"kind": {"host": {}}, "name": name} for name in (ORIGINAL_DST, ABOUT)]
    return typed(
        "envoy.transport_sockets.internal_upstream",
        "extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport",
        passthrough_metadata=kinds,
        transport_socket=RAW,
    )


def static(name: str, *addresses: Resource, **fields: Any) -> Resource:
    """A cluster whose endpoints are known."""
    endpoints = [{"endpoint": {"address": address}} for address in addresses]
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "10s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
        **fields,
    }
