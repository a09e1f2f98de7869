"""Listeners: of sidecars, of gateways, and Istio's by port."""

from collections.abc import Sequence

from labkit.mesh import envoy, ir, model
from labkit.mesh.envoy import tls, typed
from labkit.mesh.model import Resource

OUTBOUND_PORT = 15001
HTTP_PROXY = "http_proxy"
"""The name of the outbound listener and of its routes, as with Istio's ``proxyHttpPort``."""

MTLS_ALPN = ["istio", "istio-peer-exchange", "istio-http/1.0", "istio-http/1.1", "istio-h2"]
HTTP_ALPN = ["http/1.1", "h2c"]


def tcp_proxy(stat_prefix: str, destinations: Sequence[ir.Destination]) -> Resource:
    """The filter that carries connections on."""
    kind = "extensions.filters.network.tcp_proxy.v3.TcpProxy"
    if len(destinations) == 1:
        return typed("envoy.filters.network.tcp_proxy", kind, stat_prefix=stat_prefix, cluster=destinations[0].upstream)
    clusters = [{"name": d.upstream, "weight": d.weight} for d in destinations]
    return typed(
        "envoy.filters.network.tcp_proxy", kind, stat_prefix=stat_prefix, weighted_clusters={"clusters": clusters}
    )


def explicit_proxy(proxy: model.Proxy) -> Resource:
    """Where the app of a sidecar sends its requests, as to an HTTP proxy."""
    manager = envoy.connection_manager(
        f"outbound_{HTTP_PROXY};",
        rds=envoy.rds(HTTP_PROXY),
        use_remote_address=False,
        http_protocol_options={"allow_absolute_url": True},
        upgrade_configs=[{"upgrade_type": "websocket"}, {"upgrade_type": "CONNECT"}],
        http_filters=[envoy.FAULT, envoy.CORS, envoy.FORWARD_PROXY, envoy.ROUTER],
    )
    return {
        "name": HTTP_PROXY,
        "traffic_direction": "OUTBOUND",
        "address": envoy.address(proxy.ip, OUTBOUND_PORT),
        "filter_chains": [{"filters": [manager]}],
    }


def outbound(found: ir.OutboundListener) -> Resource:
    """The listener of one port of other hosts, as captured traffic would come to it."""
    chains = [_tcp_chain(r) for r in found.routes if r.destinations]
    made: Resource = {
        "name": f"{found.address}_{found.port}",
        "traffic_direction": "OUTBOUND",
        "address": envoy.address(found.address, found.port),
        "bind_to_port": False,
    }
    if not found.table:
        return {**made, "filter_chains": chains}
    manager = envoy.connection_manager(
        f"outbound_{found.address}_{found.port};", rds=envoy.rds(found.table), use_remote_address=False
    )
    fits = {"transport_protocol": "raw_buffer", "application_protocols": HTTP_ALPN}
    made["filter_chains"] = [
        {"filter_chain_match": fits, "filters": [manager]},
        *(c for c in chains if "filter_chain_match" in c),
    ]
    plain = [c for c in chains if "filter_chain_match" not in c]
    return {**made, "default_filter_chain": plain[0]} if plain else made


def _tcp_chain(route: ir.TcpRoute) -> Resource:
    fits: Resource = {}
    if route.server_names:
        fits["server_names"] = list(route.server_names)
    if route.ranges:
        fits["prefix_ranges"] = [_range(r) for r in route.ranges]
    filters = [tcp_proxy(route.destinations[0].upstream, route.destinations)]
    return {"filter_chain_match": fits, "filters": filters} if fits else {"filters": filters}


def _range(text: str) -> Resource:
    address, _, length = text.partition("/")
    return {"address_prefix": address, "prefix_len": int(length or (128 if ":" in address else 32))}


def inbound(
    proxy: model.Proxy, port: int, *, is_http: bool, mode: str, http_filters: Sequence[Resource] = ()
) -> Resource:
    """A port of a sidecar's app: with mutual TLS, without, or both."""
    filters = [_inbound_http(port, http_filters)] if is_http else [_inbound_tcp(port)]
    mutual = {
        "name": f"{proxy.ip}_{port}_mtls",
        "filter_chain_match": {"transport_protocol": "tls", "application_protocols": MTLS_ALPN},
        "transport_socket": tls.sidecar(),
        "filters": filters,
    }
    plain = {
        "name": f"{proxy.ip}_{port}",
        "filter_chain_match": {"transport_protocol": "raw_buffer"},
        "filters": filters,
    }
    return {
        "name": f"{proxy.ip}_{port}",
        "traffic_direction": "INBOUND",
        "address": envoy.address(proxy.ip, port),
        "listener_filters": [envoy.TLS_INSPECTOR],
        "filter_chains": {"STRICT": [mutual], "DISABLE": [plain]}.get(mode, [mutual, plain]),
    }


def _inbound_tcp(port: int) -> Resource:
    name = f"inbound|{port}||"
    return tcp_proxy(name, (ir.Destination(upstream=name),))


def _inbound_http(port: int, http_filters: Sequence[Resource]) -> Resource:
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


def gateway(found: ir.GatewayListener, proxy: model.Proxy) -> Resource:
    """One port of a gateway."""
    made: Resource = {
        "name": f"0.0.0.0_{found.port}",
        "traffic_direction": "OUTBOUND",
        "address": envoy.address(proxy.ip, found.port),
        "filter_chains": [_gateway_chain(c, found.port) for c in found.chains],
    }
    if any(c.server_names or c.tls is not None for c in found.chains):
        made["listener_filters"] = [envoy.TLS_INSPECTOR]
    if found.node_port and proxy.node_ip:
        # The node's port is served by the gateway's own Envoy: nothing stands between a browser and it.
        made["additional_addresses"] = [{"address": envoy.address(proxy.node_ip, found.node_port)}]
    return made


def _gateway_chain(chain: ir.GatewayChain, port: int) -> Resource:
    made: Resource = {}
    if chain.server_names:
        made["filter_chain_match"] = {"server_names": list(chain.server_names)}
    if chain.tls is not None:
        made["transport_socket"] = tls.gateway(chain.tls, is_http=bool(chain.table))
    if chain.tcp is not None:
        prefix = chain.tcp.destinations[0].upstream if chain.tcp.destinations else f"tcp_{port}"
        return {**made, "filters": [tcp_proxy(prefix, chain.tcp.destinations)]}
    manager = envoy.connection_manager(
        f"outbound_0.0.0.0_{port};",
        rds=envoy.rds(chain.table),
        use_remote_address=True,
        forward_client_cert_details="SANITIZE_SET",
        set_current_client_cert_details={"subject": True, "cert": True, "dns": True, "uri": True},
    )
    return {**made, "filters": [manager]}
