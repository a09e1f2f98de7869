"""The listeners of a sidecar: what comes in for its app, and what its app sends out."""

from collections.abc import Iterator, Mapping, Sequence

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import envoy, model, routes, services, upstreams
from labkit.mesh.model import Resource

OUTBOUND_PORT = 15001
HTTP_PROXY = "http_proxy"
"""The name of the outbound listener and of its routes, as with Istio's ``proxyHttpPort``."""

MTLS_ALPN = ["istio", "istio-peer-exchange", "istio-http/1.0", "istio-http/1.1", "istio-h2"]


def inbound_ports(found: Mapping[str, services.Service], proxy: model.Proxy) -> dict[int, services.Service]:
    """Ports of the pod that a Service leads to."""
    ports: dict[int, services.Service] = {}
    for service in found.values():
        chosen = service.namespace == proxy.namespace and service.selector
        if chosen and service.selector.items() <= dict(proxy.labels).items():
            for target in service.targets.values():
                ports.setdefault(target, service)
    return ports


def inbound(
    proxy: model.Proxy, ports: Mapping[int, services.Service], mode_of: Mapping[int, str]
) -> Iterator[tuple[Resource, Resource]]:
    """Pairs of a listener and its cluster."""
    for port, service in ports.items():
        name = f"inbound|{port}||"
        yield (
            _inbound_listener(proxy, port, service, mode_of.get(port, "PERMISSIVE")),
            upstreams.static_upstream(name, proxy.app_ip, port, ""),
        )


def _inbound_listener(proxy: model.Proxy, port: int, service: services.Service, mode: str) -> Resource:
    protocols = {p.protocol for p in service.ports if service.targets.get(p.number) == port}
    if "http" in protocols:
        filters = [_inbound_http(port)]
    else:
        filters = [
            envoy.typed(
                "envoy.filters.network.tcp_proxy",
                "extensions.filters.network.tcp_proxy.v3.TcpProxy",
                stat_prefix=f"inbound|{port}||",
                cluster=f"inbound|{port}||",
            )
        ]
    mutual = {
        "name": f"{proxy.ip}_{port}_mtls",
        "filter_chain_match": {"transport_protocol": "tls", "application_protocols": MTLS_ALPN},
        "transport_socket": envoy.downstream_mtls(),
        "filters": filters,
    }
    plain = {
        "name": f"{proxy.ip}_{port}",
        "filter_chain_match": {"transport_protocol": "raw_buffer"},
        "filters": filters,
    }
    chains = {"STRICT": [mutual], "DISABLE": [plain]}.get(mode, [mutual, plain])
    return {
        "name": f"{proxy.ip}_{port}",
        "traffic_direction": "INBOUND",
        "address": envoy.address(proxy.ip, port),
        "listener_filters": [envoy.TLS_INSPECTOR],
        "filter_chains": chains,
    }


def _inbound_http(port: int) -> Resource:
    name = f"inbound|{port}||"
    route = {
        "name": "default",
        "match": {"prefix": "/"},
        "route": {
            "cluster": name,
            "timeout": "0s",
            "retry_policy": {"retry_on": "reset-before-request", "num_retries": 2},
            "max_stream_duration": {"max_stream_duration": "0s", "grpc_timeout_header_max": "0s"},
        },
    }
    host = {"name": f"inbound|http|{port}", "domains": ["*"], "routes": [route]}
    return envoy.connection_manager(
        f"inbound_0.0.0.0_{port};",
        route_config={"name": name, "validate_clusters": False, "virtual_hosts": [host]},
        use_remote_address=False,
        forward_client_cert_details="APPEND_FORWARD",
        set_current_client_cert_details={"subject": True, "dns": True, "uri": True},
    )


def outbound_listener(proxy: model.Proxy) -> Resource:
    """Where the app sends its requests, as to an HTTP proxy."""
    manager = envoy.connection_manager(
        f"outbound_{HTTP_PROXY};",
        rds=envoy.rds(HTTP_PROXY),
        use_remote_address=False,
        http_protocol_options={"allow_absolute_url": True},
    )
    return {
        "name": HTTP_PROXY,
        "traffic_direction": "OUTBOUND",
        "address": envoy.address(proxy.ip, OUTBOUND_PORT),
        "filter_chains": [{"filters": [manager]}],
    }


def virtual_hosts(
    found: Mapping[str, services.Service], rules: Sequence[Object], namespace: str, cluster_of: routes.ClusterOf
) -> list[Resource]:
    """One virtual host for each HTTP port of each host, with the rules that apply in the mesh."""
    by_host: dict[str, list[Object]] = {}
    for rule in rules:
        if "mesh" not in (rule["spec"].get("gateways") or ["mesh"]):
            continue
        for host in rule["spec"].get("hosts") or []:
            by_host.setdefault(routes.full_host(host, resources.namespace_of(rule)), []).append(rule)
    hosts = []
    for service in found.values():
        chosen = routes.wins(by_host.get(service.host, []))
        for port in service.ports:
            if port.protocol != "http":
                continue
            cluster = upstreams.outbound_name(port.number, "", service.host)
            made = (
                routes.of_rules(chosen, _on_port(cluster_of, port.number), gateway="mesh")
                if chosen is not None and chosen["spec"].get("http")
                else [routes.default_route(cluster, service.host, port.number)]
            )
            hosts.append(
                {
                    "name": f"{service.host}:{port.number}",
                    "domains": list(with_port(service.domains(namespace), port.number)),
                    "include_request_attempt_count": True,
                    "routes": made,
                }
            )
    return hosts


def _on_port(cluster_of: routes.ClusterOf, port: int) -> routes.ClusterOf:
    # A destination without a port means the port that was called, unless its host has only one.
    return lambda host, subset, said: cluster_of(host, subset, said or port)


def with_port(domains: Sequence[str], port: int) -> Iterator[str]:
    """``reviews:9080``; on port 80 also without it."""
    for domain in domains:
        yield f"{domain}:{port}"
        if port == 80:
            yield domain


UNKNOWN = {
    "name": "allow_any",
    "domains": ["*"],
    "routes": [
        {
            "name": "allow_any",
            "match": {"prefix": "/"},
            "direct_response": {
                "status": 502,
                "body": {
                    "inline_string": "no Service of the mesh has this name and port, and the sandbox has no network\n"
                },
            },
        }
    ],
}
"""What a host outside the mesh gets: there is nothing outside a sandbox."""
