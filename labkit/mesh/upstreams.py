"""Envoy clusters and their endpoints: one for each host and port, and one more for each subset."""

from collections.abc import Iterator, Mapping, Sequence

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import envoy, model, services
from labkit.mesh.model import Resource
from labkit.mesh.routes import full_host

LIMIT = 4294967295
"""Stands for no limit, where Envoy's own default would be 1024."""

POLICIES = {
    "ROUND_ROBIN": "ROUND_ROBIN",
    "LEAST_REQUEST": "LEAST_REQUEST",
    "LEAST_CONN": "LEAST_REQUEST",
    "RANDOM": "RANDOM",
}


def outbound_name(port: int, subset: str, host: str) -> str:
    """``outbound|9080|v1|reviews.default.svc.cluster.local``."""
    return f"outbound|{port}|{subset}|{host}"


def rules_by_host(rules: Sequence[Object]) -> dict[str, Object]:
    """The DestinationRule of each host, the oldest where there are several."""
    found: dict[str, Object] = {}
    for rule in sorted(rules, key=lambda r: (r["metadata"].get("creationTimestamp", ""), resources.name_of(r))):
        found.setdefault(full_host(rule["spec"]["host"], resources.namespace_of(rule)), rule)
    return found


def of_service(service: services.Service, rule: Object | None) -> Iterator[tuple[Resource, Resource]]:
    """Pairs of a cluster and its endpoints."""
    spec = (rule or {}).get("spec", {})
    for port in service.ports:
        ready = service.endpoints.get(port.number, ())
        yield _pair(service, port.number, "", ready, [spec.get("trafficPolicy") or {}])
        for subset in spec.get("subsets") or []:
            labels = subset.get("labels") or {}
            chosen = [e for e in ready if labels.items() <= dict(e.labels).items()]
            policies = [spec.get("trafficPolicy") or {}, subset.get("trafficPolicy") or {}]
            yield _pair(service, port.number, subset["name"], chosen, policies)


def _pair(
    service: services.Service,
    port: int,
    subset: str,
    ready: Sequence[services.Endpoint],
    policies: Sequence[Mapping[str, object]],
) -> tuple[Resource, Resource]:
    name = outbound_name(port, subset, service.host)
    return _cluster(service, port, subset, name, policies), load_assignment(name, ready)


def _cluster(
    service: services.Service, port: int, subset: str, name: str, policies: Sequence[Mapping[str, object]]
) -> Resource:
    # Names of service accounts behind the host: whoever answers must be one of them.
    accounts = sorted({e.account for e in service.endpoints.get(port, ()) if e.account})
    names = [spiffe(a) for a in accounts]
    policy: dict[str, object] = {}
    for said in policies:
        by_port = [p for p in said.get("portLevelSettings") or [] if p.get("port", {}).get("number") == port]  # type: ignore[attr-defined]
        policy |= by_port[0] if by_port else {k: v for k, v in said.items() if k != "portLevelSettings"}
    found: Resource = {
        "name": name,
        "type": "EDS",
        "eds_cluster_config": {"eds_config": envoy.ADS, "service_name": name},
        "connect_timeout": "10s",
        "lb_policy": "LEAST_REQUEST",
        "circuit_breakers": {"thresholds": [_limits({})]},
        "common_lb_config": {"healthy_panic_threshold": {}},
        "metadata": {
            "filter_metadata": {
                "istio": {"services": [{"host": service.host, "name": service.name, "namespace": service.namespace}]}
            }
        },
        "transport_socket_matches": _sockets(port, subset, service.host, names, policy),
    }
    return found | _policy(policy)


def spiffe(account: str) -> str:
    """``default/bookinfo-reviews`` → its SPIFFE name."""
    namespace, _, name = account.partition("/")
    return f"spiffe://{model.TRUST_DOMAIN}/ns/{namespace}/sa/{name}"


def _sockets(port: int, subset: str, host: str, names: Sequence[str], policy: Mapping[str, object]) -> list[Resource]:
    plain = {"name": "tlsMode-disabled", "match": {}, "transport_socket": envoy.RAW_BUFFER}
    mode = (policy.get("tls") or {}).get("mode", "")  # type: ignore[attr-defined]
    if mode in ("DISABLE", "SIMPLE"):
        return [plain]
    sni = f"outbound_.{port}_.{subset or '_'}_.{host}"
    mutual = {
        "name": "tlsMode-istio",
        "match": {"tlsMode": "istio"},
        "transport_socket": envoy.upstream_mtls(sni, names),
    }
    return [mutual, plain]


def _policy(policy: Mapping[str, object]) -> Resource:
    found: Resource = {}
    balancer = policy.get("loadBalancer") or {}
    if isinstance(balancer, dict) and balancer.get("simple") in POLICIES:
        found["lb_policy"] = POLICIES[balancer["simple"]]
    pool = policy.get("connectionPool") or {}
    if isinstance(pool, dict) and pool:
        found["circuit_breakers"] = {"thresholds": [_limits(pool)]}
        if pool.get("tcp", {}).get("connectTimeout"):
            found["connect_timeout"] = pool["tcp"]["connectTimeout"]
        per_connection = pool.get("http", {}).get("maxRequestsPerConnection")
        if per_connection:
            options = {
                "@type": f"{envoy.TYPE}.extensions.upstreams.http.v3.HttpProtocolOptions",
                "common_http_protocol_options": {"max_requests_per_connection": per_connection},
                "explicit_http_config": {"http_protocol_options": {}},
            }
            found["typed_extension_protocol_options"] = {
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options
            }
    outliers = policy.get("outlierDetection")
    if isinstance(outliers, dict):
        found["outlier_detection"] = _outliers(outliers)
    return found


def _limits(pool: Mapping[str, dict]) -> Resource:  # type: ignore[type-arg]
    tcp, http = pool.get("tcp", {}), pool.get("http", {})
    return {
        "max_connections": tcp.get("maxConnections", LIMIT),
        "max_pending_requests": http.get("http1MaxPendingRequests", LIMIT),
        "max_requests": http.get("http2MaxRequests", LIMIT),
        "max_retries": http.get("maxRetries", LIMIT),
    }


def _outliers(said: Mapping[str, object]) -> Resource:
    found: Resource = {"enforcing_success_rate": 0, "max_ejection_percent": said.get("maxEjectionPercent", 10)}
    for ours, theirs in (("interval", "interval"), ("baseEjectionTime", "base_ejection_time")):
        if ours in said:
            found[theirs] = said[ours]
    for ours, theirs in (
        ("consecutive5xxErrors", "consecutive_5xx"),
        ("consecutiveGatewayErrors", "consecutive_gateway_failure"),
    ):
        if ours in said:
            found[theirs] = said[ours]
            found[f"enforcing_{theirs}"] = 100 if said[ours] else 0
    return found


def load_assignment(name: str, ready: Sequence[services.Endpoint]) -> Resource:
    """The endpoints of a cluster."""
    found = []
    for endpoint in ready:
        entry: Resource = {
            "endpoint": {"address": envoy.address(endpoint.address, endpoint.port)},
            "health_status": "HEALTHY",
            "load_balancing_weight": 1,
        }
        if endpoint.speaks_mtls:
            entry["metadata"] = {"filter_metadata": {"envoy.transport_socket_match": {"tlsMode": "istio"}}}
        found.append(entry)
    if not found:
        return {"cluster_name": name}
    return {
        "cluster_name": name,
        "endpoints": [{"lb_endpoints": found, "load_balancing_weight": len(found), "locality": {}}],
    }


def static_upstream(name: str, ip: str, port: int, source: str) -> Resource:
    """The app behind a sidecar."""
    endpoint = {"lb_endpoints": [{"endpoint": {"address": envoy.address(ip, port)}}]}
    found: Resource = {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "10s",
        "circuit_breakers": {"thresholds": [_limits({})]},
        "load_assignment": {"cluster_name": name, "endpoints": [endpoint]},
    }
    if source:
        found["upstream_bind_config"] = {"source_address": {"address": source, "port_value": 0}}
    return found
