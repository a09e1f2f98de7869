"""Clusters that lead from one listener of a waypoint to the next, and to the network."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from labkit.mesh.envoy import TYPE, internal, tls
from labkit.mesh.envoy.upstreams import HTTP_OPTIONS, LIMIT
from labkit.mesh.envoy.waypoints import names
from labkit.mesh.model import Resource

_NO_LIMITS = {
    "max_connections": LIMIT,
    "max_pending_requests": LIMIT,
    "max_requests": LIMIT,
    "max_retries": LIMIT,
}
_TUNNEL_PORT = 15008
_SOCKETS = f"{TYPE}.extensions.transport_sockets"


def clusters(trust_domains: Sequence[str], identities: Sequence[str]) -> Iterator[Resource]:
    """All of them; ``identities``: how the names in certificates of tunnels' ends may also begin."""
    yield originating(trust_domains, identities, key="waypoint")
    yield _internal(names.ENCAP, names.ORIGINATE)
    yield to_main()
    encrypted = internal.upstream(_mutual(trust_domains), name="internal_upstream_with_tls")
    yield {
        **_static(names.INNER, names.OUTER),
        "transport_socket": encrypted,
        **_http(_connect(once=True)),
    }
    yield {**originating(trust_domains, (), name=names.OUTER), **_http(_connect(once=True))}


def to_main() -> Resource:
    """What comes out of a tunnel goes on to the listener that decides about it."""
    return _internal(names.MAIN, names.MAIN)


def originating(
    trust_domains: Sequence[str], identities: Sequence[str], *, name: str = names.ORIGINATE, key: str = ""
) -> Resource:
    """Tunnels to port 15008 of the original destination, or of what the metadata names under ``key``."""
    where: Resource = {"upstream_port_override": _TUNNEL_PORT}
    if key:
        where["metadata_key"] = {"key": names.ORIGINAL_DST, "path": [{"key": key}]}
    return {
        **_named(name),
        "type": "ORIGINAL_DST",
        "lb_policy": "CLUSTER_PROVIDED",
        "cleanup_interval": "60s",
        "connect_timeout": "10s",
        "original_dst_lb_config": where,
        "transport_socket": _mutual([*(f"{domain}/" for domain in trust_domains), *identities], is_prefix=True),
        **_http(_connect()),
    }


def _named(name: str) -> Resource:
    return {"name": name, "alt_stat_name": f"{name};", "circuit_breakers": {"thresholds": [_NO_LIMITS]}}


def _static(name: str, listener: str) -> Resource:
    address = {"envoy_internal_address": {"server_listener_name": listener}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
    return {**_named(name), "type": "STATIC", "load_assignment": {"cluster_name": name, "endpoints": endpoints}}


def _internal(name: str, listener: str) -> Resource:
    as_client: Resource = {
        "use_downstream_protocol_config": {"http_protocol_options": {}, "http2_protocol_options": {}}
    }
    return {
        **_static(name, listener),
        "transport_socket": internal.upstream(internal.RAW),
        **_http({"common_http_protocol_options": {"idle_timeout": "300s"}, **as_client}),
    }


def _connect(*, once: bool = False) -> Resource:
    common: dict[str, Any] = {"idle_timeout": "3600s", **({"max_requests_per_connection": 1} if once else {})}
    explicit = {"http2_protocol_options": {"allow_connect": True}}
    return {"common_http_protocol_options": common, "explicit_http_config": explicit}


def _http(options: Resource) -> Resource:
    kind = f"{TYPE}.extensions.upstreams.http.v3.HttpProtocolOptions"
    return {"typed_extension_protocol_options": {HTTP_OPTIONS: {"@type": kind, **options}}}


def _mutual(prefixes: Iterable[str], *, is_prefix: bool = False) -> Resource:
    every = prefixes if is_prefix else (f"{domain}/" for domain in prefixes)
    return {"name": "tls", "typed_config": {"@type": f"{_SOCKETS}.tls.v3.UpstreamTlsContext", **common_tls(every)}}


def common_tls(prefixes: Iterable[str]) -> Resource:
    """Mutual TLS 1.3 with whoever's identity begins so."""
    names_of_peers = [{"san_type": "URI", "matcher": {"prefix": f"spiffe://{prefix}"}} for prefix in prefixes]
    return {
        "common_tls_context": {
            "alpn_protocols": ["h2"],
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"},
            "tls_certificate_sds_secret_configs": [tls.secret("default")],
            "combined_validation_context": {
                "default_validation_context": {"match_typed_subject_alt_names": names_of_peers},
                "validation_context_sds_secret_config": tls.secret("ROOTCA"),
            },
        }
    }
