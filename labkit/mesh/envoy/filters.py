"""What a filter chain does with its connections: HTTP by request, everything else byte by byte."""

from collections.abc import Iterator, Sequence

from labkit.mesh import ir
from labkit.mesh.envoy import TYPE, access_logs, authorizers, http_filters, istios_filters, rbac, rds, tracing, typed
from labkit.mesh.envoy import routes as envoy_routes
from labkit.mesh.model import Resource

RBAC = "envoy.filters.network.rbac"
RBAC_KIND = "extensions.filters.network.rbac.v3.RBAC"
TCP = "tcp."

PATHS: dict[str, Resource] = {
    "NONE": {"normalize_path": False, "path_with_escaped_slashes_action": "KEEP_UNCHANGED"},
    "BASE": {"normalize_path": True, "path_with_escaped_slashes_action": "KEEP_UNCHANGED"},
    "MERGE_SLASHES": {
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
    },
    "DECODE_AND_MERGE_SLASHES": {
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "UNESCAPE_AND_FORWARD",
    },
}
"""How paths are normalised before anybody decides by them."""

SIDES: dict[str, Resource] = {
    ir.INBOUND: {
        "server_name": "istio-envoy",
        "use_remote_address": False,
        "forward_client_cert_details": "APPEND_FORWARD",
        "set_current_client_cert_details": {"subject": True, "dns": True, "uri": True},
    },
    # Without a name of its own Envoy says "envoy": that is what an app sees in answers of its own sidecar.
    ir.OUTBOUND: {"use_remote_address": False},
    ir.WAYPOINT: {"server_name": "istio-envoy", "use_remote_address": False},
    ir.GATEWAY: {
        "server_name": "istio-envoy",
        "use_remote_address": True,
        "http_protocol_options": {},
        "forward_client_cert_details": "SANITIZE_SET",
        "set_current_client_cert_details": {"subject": True, "cert": True, "dns": True, "uri": True},
    },
}
"""What a connection manager does on each side of a proxy."""


def of_chain(chain: ir.Chain, side: str) -> list[Resource]:
    """The network filters of a chain, its last one a connection manager or a TCP proxy."""
    carries = chain.carries
    tells_peers = side == ir.INBOUND or (side == ir.WAYPOINT and isinstance(carries, ir.Tcp))
    peers = [istios_filters.connection_peers()] if tells_peers else []
    if isinstance(carries, ir.Http):
        return [*peers, connection_manager(carries)]
    by_state = side == ir.WAYPOINT or carries.is_tunneled
    access = [entry for step in carries.access.connections for entry in _access(step, by_state=by_state)]
    metrics = carries.telemetry.metrics
    stats = [istios_filters.stats(metrics, side)] if metrics is not None else []
    return [*peers, *access, *stats, tcp_proxy(carries)]


def _access(step: ir.Step, *, by_state: bool) -> Iterator[Resource]:
    """The filters that decide about a connection before it is carried on."""
    if isinstance(step, ir.Rules):
        yield typed(RBAC, RBAC_KIND, stat_prefix=TCP, **rbac.config(step, by_state=by_state))
    else:
        yield typed(RBAC, RBAC_KIND, stat_prefix=TCP, **rbac.asked(step, by_state=by_state))
        yield typed(
            "envoy.filters.network.ext_authz",
            "extensions.filters.network.ext_authz.v3.ExtAuthz",
            **authorizers.of_connections(step, RBAC),
        )


def connection_manager(http: ir.Http) -> Resource:
    """The filter that takes requests apart."""
    routes = {"rds": rds(http.table)} if http.table else {"route_config": _inline(http)}
    logs = [access_logs.access_log(log) for log in http.telemetry.logs]
    spans = http.telemetry.tracing
    return typed(
        "envoy.filters.network.http_connection_manager",
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=http.stat,
        http_filters=http_filters.of_listener(http),
        **PATHS[http.normalization],
        proxy_100_continue=True,
        stream_idle_timeout="0s",
        upgrade_configs=[{"upgrade_type": "websocket"}],
        request_id_extension=_request_id(http.telemetry.tracing),
        **SIDES[http.side],
        **({"http_protocol_options": {"allow_absolute_url": True}} if http.is_proxy else {}),
        **routes,
        **({"access_log": logs} if logs else {}),
        **({"tracing": tracing.of_manager(spans, http.side)} if spans is not None else {}),
    )


def _request_id(spans: ir.Tracing | None) -> Resource:
    kind = f"{TYPE}.extensions.request_id.uuid.v3.UuidRequestIdConfig"
    by_id = spans is None or spans.samples_by_request_id
    return {"typed_config": {"@type": kind, "use_request_id_for_trace_sampling": by_id}}


def _inline(http: ir.Http) -> Resource:
    return _to_app(http) if not http.routes else _of_waypoint(http)


def _of_waypoint(http: ir.Http) -> Resource:
    """The routes of one host behind a waypoint: its address has told it apart, so every name fits."""
    host = {
        "name": f"inbound|http|{http.port}",
        "domains": ["*"],
        "routes": [envoy_routes.route(route) for route in http.routes],
    }
    return {"name": http.upstream, "validate_clusters": False, "virtual_hosts": [host]}


def _to_app(http: ir.Http) -> Resource:
    """Every request goes to one upstream."""
    route = {
        "name": "default",
        "match": {"prefix": "/"},
        "decorator": {"operation": http.operation},
        "route": {
            "cluster": http.upstream,
            "timeout": "0s",
            "retry_policy": {"retry_on": "reset-before-request", "num_retries": 2},
            "max_stream_duration": {"max_stream_duration": "0s", "grpc_timeout_header_max": "0s"},
        },
    }
    host = {"name": f"inbound|http|{http.port}", "domains": ["*"], "routes": [route]}
    return {"name": http.upstream, "validate_clusters": False, "virtual_hosts": [host]}


def tcp_proxy(tcp: ir.Tcp) -> Resource:
    """The filter that carries connections on."""
    logs = [access_logs.access_log(log) for log in tcp.telemetry.logs]
    return typed(
        "envoy.filters.network.tcp_proxy",
        "extensions.filters.network.tcp_proxy.v3.TcpProxy",
        stat_prefix=tcp.stat,
        **_targets(tcp.destinations),
        **({"access_log": logs} if logs else {}),
    )


def _targets(destinations: Sequence[ir.Destination]) -> Resource:
    if len(destinations) == 1:
        return {"cluster": destinations[0].upstream}
    return {"weighted_clusters": {"clusters": [{"name": d.upstream, "weight": d.weight} for d in destinations]}}
