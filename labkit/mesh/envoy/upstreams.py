"""Upstreams as Envoy's clusters and load assignments."""

from collections.abc import Mapping, Sequence
from typing import Any

from labkit.mesh import durations, envoy, ir
from labkit.mesh.envoy import tls
from labkit.mesh.hosts.services import Endpoint
from labkit.mesh.model import Resource

LIMIT = 4294967295
"""The largest number: it stands for no limit, where Envoy's own default would be 1024."""

LARGEST_RING = 8388608
"""What Envoy takes; Istio passes on any number, and Envoy refuses the cluster."""

BALANCERS = {"ROUND_ROBIN": "ROUND_ROBIN", "RANDOM": "RANDOM"}
"""Everything else is LEAST_REQUEST, Istio's default."""

LEAST_WEIGHT = 10
"""Per cent of its share that a new endpoint has at first, where a warm-up says nothing else."""

SOCKET = "unix://"
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
ORIGINAL: Resource = {"type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED"}
FROM_SIDECAR: Resource = {"source_address": {"address": "127.0.0.6", "port_value": 0}}
"""The address from which an app is called by its own sidecar, so that such calls are not captured again."""

FOREVER = "9223372035s"
"""The longest time: the one endpoint of an app stays."""


def cluster(found: ir.Upstream) -> Resource:
    """A cluster."""
    policy = found.policy
    made: Resource = {
        "name": found.name,
        "alt_stat_name": f"{found.name};",
        # Envoy would have the name in the request decide about TLS as well; in Istio the rule does.
        **(forward(allow_insecure_cluster_options=True) if found.kind == "FORWARD" else {"type": found.kind}),
        "connect_timeout": durations.proto(_tcp(policy).get("connectTimeout") or "10s"),
        "circuit_breakers": {"thresholds": [limits(policy)]},
        "common_lb_config": {"healthy_panic_threshold": {}},
        "metadata": {"filter_metadata": {"istio": _metadata(found)}},
        **_balancer(found),
        **_sockets(found),
    }
    if found.kind == "EDS":
        made["eds_cluster_config"] = {"eds_config": envoy.ADS, "service_name": found.name}
    elif found.kind in ("STRICT_DNS", "LOGICAL_DNS"):
        made |= {"load_assignment": assignment(found), "dns_lookup_family": "V4_ONLY", "dns_refresh_rate": "60s"}
        made["respect_dns_ttl"] = True
    made |= _pool(found.http, policy, found.tls)
    outliers = policy.get("outlierDetection")
    if outliers is not None:
        made["outlier_detection"] = outlier_detection(outliers)
        if outliers.get("minHealthPercent"):
            made["common_lb_config"] = {"healthy_panic_threshold": {"value": outliers["minHealthPercent"]}}
    return made


def _metadata(found: ir.Upstream) -> Resource:
    services = [{"host": found.host, "name": found.service, "namespace": found.namespace}]
    return {**({"config": found.source} if found.source else {}), "services": services}


def _tcp(policy: Mapping[str, Any]) -> Mapping[str, Any]:
    return (policy.get("connectionPool") or {}).get("tcp") or {}


def _http(policy: Mapping[str, Any]) -> Mapping[str, Any]:
    return (policy.get("connectionPool") or {}).get("http") or {}


def limits(policy: Mapping[str, Any]) -> Resource:
    """Circuit breakers."""
    tcp, http = _tcp(policy), _http(policy)
    made: Resource = {
        "max_connections": tcp.get("maxConnections") or LIMIT,
        "max_pending_requests": http.get("http1MaxPendingRequests") or LIMIT,
        "max_requests": http.get("http2MaxRequests") or LIMIT,
        "max_retries": http.get("maxRetries") or LIMIT,
        "track_remaining": True,
    }
    budget = policy.get("retryBudget")
    if budget is not None:
        made["retry_budget"] = {
            "budget_percent": {"value": budget.get("percent", 20)},
            "min_retry_concurrency": budget.get("minRetryConcurrency", 3),
        }
    return made


def _keepalive(said: Mapping[str, Any]) -> Resource:
    made = {}
    if said.get("probes"):
        made["keepalive_probes"] = said["probes"]
    for ours, theirs in (("time", "keepalive_time"), ("interval", "keepalive_interval")):
        if said.get(ours):
            made[theirs] = round(durations.seconds(said[ours]))
    return made


def outlier_detection(said: Mapping[str, Any]) -> Resource:
    """When an endpoint is left alone for a while."""
    made: Resource = {"enforcing_success_rate": 0}
    for ours, theirs in (("interval", "interval"), ("baseEjectionTime", "base_ejection_time")):
        if said.get(ours):
            made[theirs] = durations.proto(said[ours])
    if said.get("maxEjectionPercent"):
        made["max_ejection_percent"] = said["maxEjectionPercent"]
    counts = [
        ("consecutive5xxErrors", "consecutive_5xx"),
        ("consecutiveGatewayErrors", "consecutive_gateway_failure"),
    ]
    if said.get("splitExternalLocalOriginErrors"):
        made |= {"split_external_local_origin_errors": True, "enforcing_local_origin_success_rate": 0}
        counts.append(("consecutiveLocalOriginFailures", "consecutive_local_origin_failure"))
    for ours, theirs in counts:
        if said.get(ours) is not None:
            made |= {theirs: said[ours], f"enforcing_{theirs}": 100 if said[ours] else 0}
    return made


def _balancer(found: ir.Upstream) -> Resource:
    if found.kind in ("ORIGINAL_DST", "FORWARD"):
        return {"lb_policy": "CLUSTER_PROVIDED"}
    said = found.policy.get("loadBalancer") or {}
    hashed = said.get("consistentHash")
    if hashed and hashed.get("maglev") is not None:
        size = hashed["maglev"].get("tableSize")
        return {"lb_policy": "MAGLEV", **({"maglev_lb_config": {"table_size": str(size)}} if size else {})}
    if hashed:
        size = (hashed.get("ringHash") or {}).get("minimumRingSize") or hashed.get("minimumRingSize") or 1024
        return {"lb_policy": "RING_HASH", "ring_hash_lb_config": {"minimum_ring_size": str(min(LARGEST_RING, size))}}
    kind = BALANCERS.get(said.get("simple", ""), "LEAST_REQUEST")
    slow = _slow_start(said)
    if not slow or kind not in ("ROUND_ROBIN", "LEAST_REQUEST"):
        return {"lb_policy": kind}
    return {"lb_policy": kind, f"{kind.lower()}_lb_config": {"slow_start_config": slow}}


def _slow_start(said: Mapping[str, Any]) -> Resource:
    warm = said.get("warmup") or {}
    window = warm.get("duration") or said.get("warmupDurationSecs")
    if not window:
        return {}
    made: Resource = {"slow_start_window": durations.proto(window)}
    if said.get("warmup") is not None:
        minimum, aggression = warm.get("minimumPercent"), warm.get("aggression")
        made["min_weight_percent"] = {"value": LEAST_WEIGHT if minimum is None else minimum}
        # Istio takes a number for a letter here, so its runtime key is "(" (answered by a real 1.31: `warmup`).
        made["aggression"] = {"default_value": 1 if aggression is None else aggression, "runtime_key": "("}
    return made


def _pool(http: str, policy: Mapping[str, Any], tls: ir.Tls | None = None) -> Resource:
    """How connections are kept and which HTTP they speak."""
    resource: Resource = {}
    if options := _http_options(http, policy, tls):
        resource["typed_extension_protocol_options"] = {HTTP_OPTIONS: options}
    if keepalive := _tcp(policy).get("tcpKeepalive"):
        resource["upstream_connection_options"] = {"tcp_keepalive": _keepalive(keepalive)}
    return resource


def _http_options(http: str, policy: Mapping[str, Any], tls: ir.Tls | None) -> Resource:
    said = _http(policy)
    if not http:
        return {}
    made: Resource = {"@type": f"{envoy.TYPE}.extensions.upstreams.http.v3.HttpProtocolOptions"}
    common: Resource = {}
    if said.get("maxRequestsPerConnection"):
        common["max_requests_per_connection"] = said["maxRequestsPerConnection"]
    if idle := said.get("idleTimeout") or _tcp(policy).get("idleTimeout"):
        common["idle_timeout"] = durations.proto(idle)
    if _tcp(policy).get("maxConnectionDuration"):
        common["max_connection_duration"] = durations.proto(_tcp(policy)["maxConnectionDuration"])
    if common:
        made["common_http_protocol_options"] = common
    h2: Resource = {}
    if said.get("maxConcurrentStreams"):
        h2["max_concurrent_streams"] = said["maxConcurrentStreams"]
    if http == "client":
        made["use_downstream_protocol_config"] = {"http_protocol_options": {}, "http2_protocol_options": h2}
    elif http == "2":
        made["explicit_http_config"] = {"http2_protocol_options": h2}
    else:
        made["explicit_http_config"] = {"http_protocol_options": {}}
    if tls is not None and tls.kind != "istio" and not tls.sni:
        made["upstream_http_protocol_options"] = {
            "auto_sni": True,
            "auto_san_validation": not tls.skips_verification and not tls.names,
        }
    return made


def _sockets(found: ir.Upstream) -> Resource:
    version = (found.policy.get("proxyProtocol") or {}).get("version") if found.policy.get("proxyProtocol") else None
    wrap = (lambda s: tls.with_proxy_protocol(s, version)) if version else (lambda s: s)
    if found.tls is None:
        return {"transport_socket": wrap(envoy.RAW_BUFFER)} if version else {}
    socket = tls.upstream(found.tls, is_http2=found.http == "2")
    if not found.is_tls_by_endpoint:
        return {"transport_socket": wrap(socket)}
    return {
        "transport_socket_matches": [
            {"name": "tlsMode-istio", "match": {"tlsMode": "istio"}, "transport_socket": wrap(socket)},
            {"name": "tlsMode-disabled", "match": {}, "transport_socket": wrap(envoy.RAW_BUFFER)},
        ]
    }


def assignment(found: ir.Upstream, labels: Mapping[str, str] | None = None) -> Resource:
    """The endpoints of an upstream, by locality; ``labels`` of the client where they decide who comes first."""
    groups: dict[tuple[int, tuple[str, ...]], list[Resource]] = {}
    ranks = {id(e): _rank(e, found.priorities, labels or {}) for e in found.endpoints}
    # Envoy wants priorities without gaps.
    order = {rank: number for number, rank in enumerate(sorted(set(ranks.values())))}
    for endpoint in found.endpoints:
        groups.setdefault((order[ranks[id(endpoint)]], endpoint.locality), []).append(_endpoint(endpoint))
    if not groups:
        return {"cluster_name": found.name}
    return {
        "cluster_name": found.name,
        "endpoints": [_group(priority, place, same) for (priority, place), same in sorted(groups.items())],
    }


def _rank(endpoint: Endpoint, priorities: Sequence[str], labels: Mapping[str, str]) -> int:
    """How many of the labels, from the last one on, differ from the client's."""
    for number, key in enumerate(priorities):
        if labels.get(key, "") != endpoint.labels.get(key, ""):
            return len(priorities) - number
    return 0


def _group(priority: int, place: tuple[str, ...], same: Sequence[Resource]) -> Resource:
    made: Resource = {
        "lb_endpoints": list(same),
        "load_balancing_weight": min(LIMIT, sum(e["load_balancing_weight"] for e in same)),
        "locality": dict(zip(("region", "zone", "sub_zone"), place, strict=False)),
    }
    return {**made, "priority": priority} if priority else made


def _endpoint(endpoint: Endpoint) -> Resource:
    made: Resource = {
        "endpoint": {"address": _at(endpoint.address, endpoint.port)},
        "health_status": "HEALTHY",
        "load_balancing_weight": endpoint.weight,
    }
    metadata: Resource = {}
    if endpoint.speaks_mtls:
        metadata["envoy.transport_socket_match"] = {"tlsMode": "istio"}
    if endpoint.workload:
        metadata["istio"] = {"workload": endpoint.workload}
    return {**made, "metadata": {"filter_metadata": metadata}} if metadata else made


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


def app(found: ir.AppUpstream) -> Resource:
    """The app behind a sidecar: the port a connection was meant for, or the one a Sidecar object names."""
    resource: Resource = {
        "name": found.name,
        "alt_stat_name": f"{found.name};",
        "connect_timeout": durations.proto(_tcp(found.policy).get("connectTimeout") or "10s"),
        "circuit_breakers": {"thresholds": [limits(found.policy)]},
        "common_lb_config": {},
        **_pool(found.http, found.policy),
    }
    if found.services:
        named = [{"host": s.host, "name": s.name, "namespace": s.namespace} for s in found.services]
        resource["metadata"] = {"filter_metadata": {"istio": {"services": named}}}
    if not found.address:
        return {**resource, **ORIGINAL, "cleanup_interval": FOREVER, "upstream_bind_config": FROM_SIDECAR}
    endpoint = {"endpoint": {"address": _at(found.address, found.port)}}
    assignment = {"cluster_name": found.name, "endpoints": [{"lb_endpoints": [endpoint]}]}
    return {**resource, "type": "STATIC", "load_assignment": assignment}


def black_hole(mesh: Mapping[str, Any]) -> Resource:
    """Where connections end that nobody may make."""
    return {
        "name": "BlackHoleCluster",
        "alt_stat_name": "BlackHoleCluster;",
        "type": "STATIC",
        "connect_timeout": durations.proto(mesh.get("connectTimeout") or "10s"),
    }


def passthrough(name: str, policy: Mapping[str, Any], *, is_inbound: bool) -> Resource:
    """Connections go on to wherever they were meant for."""
    # Both have one name in statistics: Istio's, too.
    resource: Resource = {
        "name": name,
        "alt_stat_name": "PassthroughCluster;",
        **ORIGINAL,
        "connect_timeout": durations.proto(_tcp(policy).get("connectTimeout") or "10s"),
        "circuit_breakers": {"thresholds": [limits(policy)]},
        "typed_extension_protocol_options": {
            HTTP_OPTIONS: {
                "@type": f"{envoy.TYPE}.extensions.upstreams.http.v3.HttpProtocolOptions",
                "common_http_protocol_options": {"idle_timeout": "300s"},
                "use_downstream_protocol_config": {"http_protocol_options": {}, "http2_protocol_options": {}},
            }
        },
    }
    if keepalive := _tcp(policy).get("tcpKeepalive"):
        resource["upstream_connection_options"] = {"tcp_keepalive": _keepalive(keepalive)}
    return {**resource, "upstream_bind_config": FROM_SIDECAR} if is_inbound else resource
