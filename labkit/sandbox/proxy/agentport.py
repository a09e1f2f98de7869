"""Port 15020 of a proxy, in Istio served by its agent and here by its Envoy: metrics, readiness, probes of the app."""

from collections.abc import Iterator, Mapping
from typing import Any

from labkit.mesh.place import app_socket

METRICS_PORTS = (15020, 15090)
METRICS = "prometheus"
"""The cluster of the page that an agent merges; the sandbox serves it."""

TYPE = "type.googleapis.com/envoy"
PROBES = "/app-health/"
"""How the paths begin that stand for probes of the app."""

EVERY = "2s"
"""How often a port without HTTP is looked at; the kubelet asks less often than that."""

Prober = Mapping[str, Any]
Resource = dict[str, Any]


def listener(ip: str, probers: Mapping[str, Prober]) -> Resource:
    """The listener; ``probers`` is what injection wrote into ISTIO_KUBE_APP_PROBERS: path → the app's own probe."""
    asked = [_route(path, prober) for path, prober in probers.items() if "httpGet" in prober]
    routes = [
        {"match": {"path": "/stats/prometheus"}, "route": {"cluster": METRICS}},
        {"match": {"path": "/healthz/ready"}, "route": {"cluster": "agent", "prefix_rewrite": "/ready"}},
        *asked,
    ]
    router = {"@type": f"{TYPE}.extensions.filters.http.router.v3.Router"}
    manager = {
        "@type": f"{TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "agent",
        "route_config": {"virtual_hosts": [{"name": "agent", "domains": ["*"], "routes": routes}]},
        "http_filters": [*_checks(probers), {"name": "envoy.filters.http.router", "typed_config": router}],
    }
    first, *others = (address for port in METRICS_PORTS for address in addresses(ip, port))
    return {
        "name": "agent",
        "address": first,
        "additional_addresses": [{"address": address} for address in others],
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }


def addresses(ip: str, port: int) -> list[Resource]:
    """Where a port of Envoy's own is: at the pod's address, and for its programs as ``localhost:PORT``."""
    return [{"socket_address": {"address": ip, "port_value": port}}, socket(port)]


def socket(port: int) -> Resource:
    """``localhost:PORT`` of the pod, for its owner alone."""
    return {"pipe": {"path": app_socket(port), "mode": 0o600}}


def clusters(probers: Mapping[str, Prober]) -> list[Resource]:
    """One for every probe: the app on ``localhost``, past its listeners."""
    return [_cluster(path, prober) for path, prober in probers.items()]


def _route(path: str, prober: Prober) -> Resource:
    http_get = prober["httpGet"]
    action: Resource = {
        "cluster": path,
        "prefix_rewrite": f"/{str(http_get.get('path') or '/').lstrip('/')}",
        "timeout": f"{prober.get('timeoutSeconds', 1)}s",
    }
    headers = {h["name"].lower(): h["value"] for h in http_get.get("httpHeaders") or []}
    if host := headers.pop("host", http_get.get("host")):
        action["host_rewrite_literal"] = host
    added = [
        {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
        for key, value in headers.items()
    ]
    return {"match": {"path": path}, "route": action, **({"request_headers_to_add": added} if added else {})}


def _checks(probers: Mapping[str, Prober]) -> Iterator[Resource]:
    """Probes without HTTP answer by the health of their cluster."""
    for path, prober in probers.items():
        if "httpGet" not in prober:
            yield {
                "name": "envoy.filters.http.health_check",
                "typed_config": {
                    "@type": f"{TYPE}.extensions.filters.http.health_check.v3.HealthCheck",
                    "pass_through_mode": False,
                    "headers": [{"name": ":path", "string_match": {"exact": path}}],
                    "cluster_min_healthy_percentages": {path: {"value": 100}},
                },
            }


def _cluster(path: str, prober: Prober) -> Resource:
    action = prober.get("httpGet") or prober.get("tcpSocket") or prober.get("grpc") or {}
    endpoint = {"endpoint": {"address": {"pipe": {"path": app_socket(int(action["port"]))}}}}
    cluster: Resource = {
        "name": path,
        "type": "STATIC",
        "connect_timeout": f"{prober.get('timeoutSeconds', 1)}s",
        "load_assignment": {"cluster_name": path, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    if action.get("scheme") == "HTTPS":
        # As the kubelet, which asks and does not check whom.
        context = {"@type": f"{TYPE}.extensions.transport_sockets.tls.v3.UpstreamTlsContext"}
        cluster["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": context}
    if "tcpSocket" in prober:
        cluster["health_checks"] = [{**_LOOK, "tcp_health_check": {}}]
    elif "grpc" in prober:
        cluster["health_checks"] = [{**_LOOK, "grpc_health_check": {"service_name": action.get("service") or ""}}]
        cluster["typed_extension_protocol_options"] = {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": _HTTP2}
    return cluster


_LOOK = {
    "timeout": "1s",
    "interval": EVERY,
    "no_traffic_interval": EVERY,
    "no_traffic_healthy_interval": EVERY,
    "unhealthy_threshold": 1,
    "healthy_threshold": 1,
}
_HTTP2 = {
    "@type": f"{TYPE}.extensions.upstreams.http.v3.HttpProtocolOptions",
    "explicit_http_config": {"http2_protocol_options": {}},
}
