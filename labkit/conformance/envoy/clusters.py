"""Facts of clusters and their endpoints."""

from typing import Any

from labkit.conformance.envoy.values import ISTIO_ALPN, Json, ordered, present, seconds, text_match, type_of

HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
HTTP_KINDS = ("explicit_http_config", "use_downstream_protocol_config", "auto_config")
BALANCERS = ("ring_hash_lb_config", "maglev_lb_config", "least_request_lb_config", "round_robin_lb_config")
NO_LIMIT = 4_294_967_295
"""Istio writes the largest number where there is no limit."""


def cluster(body: Json) -> Json:
    """One upstream: how it is balanced, limited, watched and reached."""
    http = body.get("typed_extension_protocol_options", {}).get(HTTP_OPTIONS, {})
    common = http.get("common_http_protocol_options", {})
    ejection = body.get("outlier_detection")
    return present(
        {
            "type": body.get("type", "STATIC"),
            "lb": body.get("lb_policy", "ROUND_ROBIN"),
            "lb config": {key: body[key] for key in BALANCERS if body.get(key)},
            "connect_timeout": seconds(body.get("connect_timeout", "5s")),
            "circuit breakers": _limits(body),
            "per connection": body.get("max_requests_per_connection", common.get("max_requests_per_connection")),
            "idle_timeout": seconds(common.get("idle_timeout")),
            "http": _protocol(http),
            "outlier": ejection and {key: _plain(value) for key, value in ejection.items()},
            "outlier on": ejection is not None or None,
            "tls": _tls(body),
            "keepalive": body.get("upstream_connection_options"),
            "panic": body.get("common_lb_config", {}).get("healthy_panic_threshold"),
            "addresses": endpoints(body["load_assignment"]) if "load_assignment" in body else None,
        }
    )


def _limits(body: Json) -> Json:
    thresholds = body.get("circuit_breakers", {}).get("thresholds", [])
    usual: Json = next((t for t in thresholds if t.get("priority", "DEFAULT") == "DEFAULT"), {})
    return {k: v for k, v in usual.items() if v != NO_LIMIT and k not in ("priority", "track_remaining")}


def _protocol(http: Json) -> str | None:
    kind = next((kind for kind in HTTP_KINDS if kind in http), None)
    if kind == "explicit_http_config":
        return "h2" if "http2_protocol_options" in http[kind] else "h1"
    return kind


def _plain(value: Any) -> Any:
    return seconds(value) if str(value).endswith("s") else value


def _tls(body: Json) -> Any:
    matches = {
        "mtls" if entry.get("match") else "otherwise": upstream_tls(entry["transport_socket"])
        for entry in body.get("transport_socket_matches", [])
    }
    return matches or (upstream_tls(body["transport_socket"]) if "transport_socket" in body else "plaintext")


def upstream_tls(socket: Json) -> Any:
    """How an upstream's connection is encrypted; ``"plaintext"`` where it is not."""
    config = socket.get("typed_config", {})
    if type_of(config) != "UpstreamTlsContext":
        return "plaintext"
    common = config.get("common_tls_context", {})
    combined = common.get("combined_validation_context", {}).get("validation_context_sds_secret_config")
    authority = combined or common.get("validation_context_sds_secret_config") or {}
    return present(
        {
            "sni": config.get("sni"),
            "alpn": sorted(set(common.get("alpn_protocols", [])) - ISTIO_ALPN),
            "sans": subject_names(common),
            "certificate": certificates(common),
            "ca": authority.get("name"),
        }
    )


def certificates(common: Json) -> list[str]:
    """The names of a TLS context's own certificates."""
    return sorted(config["name"] for config in common.get("tls_certificate_sds_secret_configs", []))


def subject_names(common: Json) -> list[list[Any]]:
    """Which names the other side's certificate may hold."""
    combined = common.get("combined_validation_context", {})
    context = combined.get("default_validation_context", common.get("validation_context", {}))
    matchers = [*context.get("match_typed_subject_alt_names", []), *context.get("match_subject_alt_names", [])]
    return sorted(text_match(matcher.get("matcher", matcher)) for matcher in matchers)


def endpoints(assignment: Json) -> list[Json]:
    """Every endpoint with its weight, health, place and whether it speaks Istio's mutual TLS; in no order."""
    return ordered(
        _endpoint(group, entry) for group in assignment.get("endpoints", []) for entry in group.get("lb_endpoints", [])
    )


def _internal(address: Json) -> str:
    """An endpoint that is a listener of the same Envoy: its name, and what tells it from others."""
    internal = address.get("envoy_internal_address") or address
    return " ".join(str(internal[key]) for key in sorted(internal))


def _endpoint(group: Json, entry: Json) -> Json:
    address = entry["endpoint"]["address"]
    socket = address.get("socket_address", address)
    labels = entry.get("metadata", {}).get("filter_metadata", {}).get("envoy.transport_socket_match", {})
    place = group.get("locality") or {}
    return present(
        {
            "address": socket.get("address") or _internal(socket),
            "tunnel": entry.get("metadata", {}).get("filter_metadata", {}).get("envoy.filters.listener.original_dst"),
            "port": socket.get("port_value"),
            "weight": entry.get("load_balancing_weight", 1),
            "health": entry.get("health_status", "HEALTHY"),
            "mtls": labels.get("tlsMode") == "istio",
            "locality": "/".join(place[part] for part in ("region", "zone", "sub_zone") if part in place),
            "priority": group.get("priority", 0) or None,
        }
    )
