"""Upstreams as Envoy's clusters and load assignments."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from labkit.mesh import durations, envoy, ir
from labkit.mesh.envoy import internal, tls
from labkit.mesh.hosts.services import Endpoint
from labkit.mesh.model import Resource

LIMIT = 4294967295
"""The largest number: it stands for no limit, where Envoy's own default would be 1024."""

SOCKET = "unix://"
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
ORIGINAL: Resource = {"type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED"}
FROM_SIDECAR: Resource = {"source_address": {"address": "127.0.0.6", "port_value": 0}}
"""The address from which an app is called by its own sidecar, so that such calls are not captured again."""

SOCKET_MATCH = "envoy.transport_socket_match"
"""The metadata by which an endpoint chooses among the sockets of its cluster."""

TUNNEL = {"tunnel": "http"}
"""Of an endpoint that is reached by HBONE."""

FOREVER = "9223372035s"
"""The longest time: the one endpoint of an app stays."""


def cluster(upstream: ir.Upstream) -> Resource:
    """A cluster."""
    policy = upstream.policy
    resource: Resource = {
        "name": upstream.name,
        "alt_stat_name": f"{upstream.name};",
        # Envoy would have the name in the request decide about TLS as well; in Istio the rule does.
        **(forward(allow_insecure_cluster_options=True) if upstream.kind == "FORWARD" else {"type": upstream.kind}),
        "connect_timeout": durations.proto(policy.pool.connect_timeout),
        "circuit_breakers": {"thresholds": [limits(policy)]},
        "common_lb_config": {"healthy_panic_threshold": {}},
        "metadata": {"filter_metadata": {"istio": _metadata(upstream)}},
        **_balancer(upstream),
        **_sockets(upstream),
    }
    if upstream.kind == "EDS":
        resource["eds_cluster_config"] = {"eds_config": envoy.ADS, "service_name": upstream.name}
    elif upstream.kind in ("STRICT_DNS", "LOGICAL_DNS"):
        resource |= {"load_assignment": assignment(upstream), "dns_lookup_family": "V4_ONLY", "dns_refresh_rate": "60s"}
        resource["respect_dns_ttl"] = True
    resource |= _pool(upstream.http, policy.pool, upstream.tls)
    if policy.outliers is not None:
        resource["outlier_detection"] = outlier_detection(policy.outliers)
        if policy.outliers.panic_percent:
            resource["common_lb_config"] = {"healthy_panic_threshold": {"value": policy.outliers.panic_percent}}
    return resource


def _metadata(upstream: ir.Upstream) -> Resource:
    services = [{"host": upstream.host, "name": upstream.service, "namespace": upstream.namespace}]
    subset = {"subset": upstream.subset} if upstream.subset else {}
    return {**({"config": upstream.source} if upstream.source else {}), "services": services, **subset}


def limits(policy: ir.TrafficPolicy) -> Resource:
    """Circuit breakers."""
    resource: Resource = {**_thresholds(policy.pool), "track_remaining": True}
    if policy.retry_budget is not None:
        resource["retry_budget"] = {
            "budget_percent": {"value": policy.retry_budget.percent},
            "min_retry_concurrency": policy.retry_budget.least,
        }
    return resource


def _thresholds(pool: ir.ConnectionPool) -> Resource:
    return {
        "max_connections": pool.connections or LIMIT,
        "max_pending_requests": pool.pending_requests or LIMIT,
        "max_requests": pool.requests or LIMIT,
        "max_retries": pool.retries or LIMIT,
    }


def _keepalive(keepalive: ir.Keepalive) -> Resource:
    resource: Resource = {"keepalive_probes": keepalive.probes} if keepalive.probes else {}
    for key, seconds in (("keepalive_time", keepalive.time), ("keepalive_interval", keepalive.interval)):
        if seconds is not None:
            resource[key] = round(seconds)
    return resource


def outlier_detection(outliers: ir.Outliers) -> Resource:
    """When an endpoint is left alone for a while."""
    resource: Resource = {"enforcing_success_rate": 0}
    for key, seconds in (("interval", outliers.interval), ("base_ejection_time", outliers.ejection_time)):
        if seconds is not None:
            resource[key] = durations.proto(seconds)
    if outliers.max_ejected_percent is not None:
        resource["max_ejection_percent"] = outliers.max_ejected_percent
    if outliers.splits_local:
        resource |= {"split_external_local_origin_errors": True, "enforcing_local_origin_success_rate": 0}
    for key, count in (
        ("consecutive_5xx", outliers.errors),
        ("consecutive_gateway_failure", outliers.gateway_errors),
        ("consecutive_local_origin_failure", outliers.local_errors),
    ):
        if count is not None:
            resource |= {key: count, f"enforcing_{key}": 100 if count else 0}
    return resource


def _balancer(upstream: ir.Upstream) -> Resource:
    balancer = upstream.policy.balancer
    if upstream.kind in ("ORIGINAL_DST", "FORWARD"):
        return {"lb_policy": "CLUSTER_PROVIDED"}
    resource: Resource = {"lb_policy": balancer.kind}
    if balancer.kind == "MAGLEV" and balancer.size:
        resource["maglev_lb_config"] = {"table_size": str(balancer.size)}
    elif balancer.kind == "RING_HASH":
        resource["ring_hash_lb_config"] = {"minimum_ring_size": str(balancer.size)}
    elif balancer.slow_start is not None and balancer.kind in ("ROUND_ROBIN", "LEAST_REQUEST"):
        resource[f"{balancer.kind.lower()}_lb_config"] = {"slow_start_config": _slow_start(balancer.slow_start)}
    return resource


def _slow_start(slow_start: ir.SlowStart) -> Resource:
    resource: Resource = {"slow_start_window": durations.proto(slow_start.window)}
    if slow_start.least_percent is not None:
        resource["min_weight_percent"] = {"value": slow_start.least_percent}
    if slow_start.aggression is not None:
        # Istio takes a number for a letter here, so its runtime key is "(" (answered by a real 1.31: `warmup`).
        resource["aggression"] = {"default_value": slow_start.aggression, "runtime_key": "("}
    return resource


def _pool(http: str, pool: ir.ConnectionPool, tls: ir.Tls | None = None) -> Resource:
    """How connections are kept and which HTTP they speak."""
    resource: Resource = {}
    if http:
        resource["typed_extension_protocol_options"] = {HTTP_OPTIONS: _http_options(http, pool, tls)}
    if pool.keepalive is not None:
        resource["upstream_connection_options"] = {"tcp_keepalive": _keepalive(pool.keepalive)}
    return resource


def _http_options(http: str, pool: ir.ConnectionPool, tls: ir.Tls | None) -> Resource:
    resource: Resource = {"@type": f"{envoy.TYPE}.extensions.upstreams.http.v3.HttpProtocolOptions"}
    common: Resource = {}
    if pool.requests_per_connection:
        common["max_requests_per_connection"] = pool.requests_per_connection
    for key, seconds in (("idle_timeout", pool.idle_timeout), ("max_connection_duration", pool.max_duration)):
        if seconds is not None:
            common[key] = durations.proto(seconds)
    if common:
        resource["common_http_protocol_options"] = common
    h2: Resource = {"max_concurrent_streams": pool.streams} if pool.streams else {}
    if http == "client":
        resource["use_downstream_protocol_config"] = {"http_protocol_options": {}, "http2_protocol_options": h2}
    elif http == "2":
        resource["explicit_http_config"] = {"http2_protocol_options": h2}
    else:
        resource["explicit_http_config"] = {"http_protocol_options": {}}
    if tls is not None and tls.kind != "istio" and not tls.sni:
        resource["upstream_http_protocol_options"] = {
            "auto_sni": True,
            "auto_san_validation": not tls.skips_verification and not tls.names,
        }
    return resource


def _sockets(upstream: ir.Upstream) -> Resource:
    if upstream.tunnels:
        return {"transport_socket": internal.TO_TUNNEL}
    version = upstream.policy.proxy_protocol
    wrap = (lambda s: tls.with_proxy_protocol(s, version)) if version else (lambda s: s)
    if upstream.tunnels_by_endpoint:
        return {"transport_socket_matches": [_HBONE, *_choices(upstream, wrap)]}
    if upstream.tls is None:
        return {"transport_socket": wrap(envoy.RAW_BUFFER)} if version else {}
    socket = tls.upstream(upstream.tls, is_http2=upstream.http == "2")
    if not upstream.is_tls_by_endpoint:
        return {"transport_socket": wrap(socket)}
    return {"transport_socket_matches": _choices(upstream, wrap)}


_HBONE: Resource = {"name": "hbone", "match": TUNNEL, "transport_socket": internal.TO_TUNNEL}


def _choices(upstream: ir.Upstream, wrap: Callable[[Resource], Resource]) -> list[Resource]:
    """Sockets for endpoints by their marks; where nothing is encrypted, or everything, one for all of them."""
    plain = {"name": "tlsMode-disabled", "match": {}, "transport_socket": wrap(envoy.RAW_BUFFER)}
    if upstream.tls is None:
        return [plain]
    socket = wrap(tls.upstream(upstream.tls, is_http2=upstream.http == "2"))
    if not upstream.is_tls_by_endpoint:
        return [{"name": "tlsMode-istio", "match": {}, "transport_socket": socket}]
    return [{"name": "tlsMode-istio", "match": {"tlsMode": "istio"}, "transport_socket": socket}, plain]


def assignment(upstream: ir.Upstream, labels: Mapping[str, str] | None = None) -> Resource:
    """The endpoints of an upstream, by locality; ``labels`` of the client where they decide who comes first."""
    groups: dict[tuple[int, tuple[str, ...]], list[Resource]] = {}
    ranks = {id(e): _rank(e, upstream.priorities, labels or {}) for e in upstream.endpoints}
    # Envoy wants priorities without gaps.
    order = {rank: number for number, rank in enumerate(sorted(set(ranks.values())))}
    for endpoint in upstream.endpoints:
        groups.setdefault((order[ranks[id(endpoint)]], endpoint.locality), []).append(_endpoint(endpoint, upstream))
    if not groups:
        return {"cluster_name": upstream.name}
    return {
        "cluster_name": upstream.name,
        "endpoints": [_group(priority, place, same) for (priority, place), same in sorted(groups.items())],
    }


def _rank(endpoint: Endpoint, priorities: Sequence[str], labels: Mapping[str, str]) -> int:
    """How many of the labels, from the last one on, differ from the client's."""
    for number, key in enumerate(priorities):
        if labels.get(key, "") != endpoint.labels.get(key, ""):
            return len(priorities) - number
    return 0


def _group(priority: int, place: tuple[str, ...], same: Sequence[Resource]) -> Resource:
    resource: Resource = {
        "lb_endpoints": list(same),
        "load_balancing_weight": min(LIMIT, sum(e["load_balancing_weight"] for e in same)),
        "locality": dict(zip(("region", "zone", "sub_zone"), place, strict=False)),
    }
    return {**resource, "priority": priority} if priority else resource


def _endpoint(endpoint: Endpoint, upstream: ir.Upstream) -> Resource:
    # Between sidecars mutual TLS stays as it is: istiod does not prefer tunnels (PILOT_PREFER_SENDING_HBONE is false).
    may = upstream.tunnels or (upstream.tunnels_by_endpoint and not endpoint.speaks_mtls)
    is_tunneled = endpoint.speaks_hbone and may
    address = internal.address(endpoint) if is_tunneled else _at(endpoint.address, endpoint.port)
    resource: Resource = {
        "endpoint": {"address": address},
        "health_status": "HEALTHY",
        "load_balancing_weight": endpoint.weight,
    }
    metadata: Resource = {}
    if is_tunneled:
        metadata[internal.ORIGINAL_DST] = internal.destination(endpoint.address, endpoint.port, endpoint.waypoint)
    if is_tunneled and upstream.tunnels_by_endpoint:
        metadata[SOCKET_MATCH] = TUNNEL
    elif endpoint.speaks_mtls and not upstream.tunnels:
        metadata[SOCKET_MATCH] = {"tlsMode": "istio"}
    if endpoint.workload:
        metadata["istio"] = {"workload": endpoint.workload}
    return {**resource, "metadata": {"filter_metadata": metadata}} if metadata else resource


def _at(address: str, port: int) -> Resource:
    path = address.removeprefix(SOCKET)
    return {"pipe": {"path": path}} if path != address else envoy.address(address, port)


def forward(**fields: Any) -> Resource:
    """The kind of a cluster that looks up the name in the request."""
    kind = envoy.typed(
        "envoy.clusters.dynamic_forward_proxy",
        "extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig",
        dns_cache_config=envoy.DNS_CACHE,
        **fields,
    )
    return {"cluster_type": kind}


def app(app_upstream: ir.AppUpstream) -> Resource:
    """The app behind a sidecar: the port a connection was meant for, or the one a Sidecar object names."""
    resource: Resource = {
        "name": app_upstream.name,
        "alt_stat_name": f"{app_upstream.name};",
        "connect_timeout": durations.proto(app_upstream.policy.pool.connect_timeout),
        "circuit_breakers": {"thresholds": [limits(app_upstream.policy)]},
        "common_lb_config": {},
        **_pool(app_upstream.http, app_upstream.policy.pool),
    }
    if app_upstream.services:
        named = [{"host": s.host, "name": s.name, "namespace": s.namespace} for s in app_upstream.services]
        resource["metadata"] = {"filter_metadata": {"istio": {"services": named}}}
    if not app_upstream.address:
        return {**resource, **ORIGINAL, "cleanup_interval": FOREVER, "upstream_bind_config": FROM_SIDECAR}
    endpoint = {"endpoint": {"address": _at(app_upstream.address, app_upstream.port)}}
    assignment = {"cluster_name": app_upstream.name, "endpoints": [{"lb_endpoints": [endpoint]}]}
    return {**resource, "type": "STATIC", "load_assignment": assignment}


def black_hole(connect_timeout: float) -> Resource:
    """Where connections end that nobody may make."""
    return {
        "name": "BlackHoleCluster",
        "alt_stat_name": "BlackHoleCluster;",
        "type": "STATIC",
        "connect_timeout": durations.proto(connect_timeout),
    }


def passthrough(name: str, pool: ir.ConnectionPool, *, is_inbound: bool) -> Resource:
    """Connections go on to wherever they were meant for."""
    # Both have one name in statistics: Istio's, too.
    resource: Resource = {
        "name": name,
        "alt_stat_name": "PassthroughCluster;",
        **ORIGINAL,
        "connect_timeout": durations.proto(pool.connect_timeout),
        "circuit_breakers": {"thresholds": [limits(ir.TrafficPolicy(pool=pool))]},
        "typed_extension_protocol_options": {
            HTTP_OPTIONS: {
                "@type": f"{envoy.TYPE}.extensions.upstreams.http.v3.HttpProtocolOptions",
                "common_http_protocol_options": {"idle_timeout": "300s"},
                "use_downstream_protocol_config": {"http_protocol_options": {}, "http2_protocol_options": {}},
            }
        },
    }
    if pool.keepalive is not None:
        resource["upstream_connection_options"] = {"tcp_keepalive": _keepalive(pool.keepalive)}
    return {**resource, "upstream_bind_config": FROM_SIDECAR} if is_inbound else resource
