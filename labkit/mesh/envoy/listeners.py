"""Listeners in Envoy's words."""

from collections.abc import Callable, Iterator

from labkit.mesh import envoy, ir
from labkit.mesh.envoy import access_logs, filters, tls, typed
from labkit.mesh.model import Resource

CATCHALL_PORT = 15006
"""Where a sidecar listens for captured connections; nothing else is looked into there."""

TLS_INSPECTOR = typed(
    "envoy.filters.listener.tls_inspector",
    "extensions.filters.listener.tls_inspector.v3.TlsInspector",
    initial_read_buffer_size=512,
)
HTTP_INSPECTOR = typed(
    "envoy.filters.listener.http_inspector", "extensions.filters.listener.http_inspector.v3.HttpInspector"
)
ORIGINAL_DST = typed("envoy.filters.listener.original_dst", "extensions.filters.listener.original_dst.v3.OriginalDst")


def listener(listener: ir.Listener) -> Resource:
    """One listener."""
    resource: Resource = {
        "name": listener.name,
        "traffic_direction": "INBOUND" if listener.side == ir.INBOUND else "OUTBOUND",
        "address": envoy.address(listener.address, listener.port),
        "filter_chains": [_chain(c, listener.side) for c in listener.chains],
    }
    if listener.default is not None:
        resource["default_filter_chain"] = _chain(listener.default, listener.side)
    if inspectors := list(_inspectors(listener)):
        resource["listener_filters"] = inspectors
    if listener.hands_over:
        resource["use_original_dst"] = True
    elif listener.side != ir.GATEWAY:
        resource |= {"listener_filters_timeout": "0s", "continue_on_listener_filters_timeout": True}
    resource |= {"max_connections_to_accept_per_socket_event": 1} if listener.is_bound else {"bind_to_port": False}
    if logs := listener.telemetry.logs:
        resource["access_log"] = [access_logs.access_log(log, only=access_logs.UNMATCHED) for log in logs]
    return resource


def _chain(chain: ir.Chain, side: str) -> Resource:
    resource: Resource = {"filters": filters.of_chain(chain, side)}
    if chain.name:
        resource["name"] = chain.name
    if not chain.match.is_everything:
        resource["filter_chain_match"] = _match(chain.match)
    if isinstance(chain.tls, ir.MeshTls):
        resource["transport_socket"] = tls.sidecar(chain.tls)
    elif chain.tls is not None:
        resource["transport_socket"] = tls.gateway(chain.tls)
    if side != ir.INBOUND:
        resource["transport_socket_connect_timeout"] = "15s"
    return resource


def _match(match: ir.ChainMatch) -> Resource:
    resource: Resource = {}
    if match.port:
        resource["destination_port"] = match.port
    if match.ranges:
        resource["prefix_ranges"] = [_range(r) for r in match.ranges]
    if match.server_names:
        resource["server_names"] = list(match.server_names)
    if match.transport:
        resource["transport_protocol"] = match.transport
    if match.alpn:
        resource["application_protocols"] = list(match.alpn)
    return resource


def _range(text: str) -> Resource:
    address, _, length = text.partition("/")
    return {"address_prefix": address, "prefix_len": int(length or (128 if ":" in address else 32))}


def _inspectors(listener: ir.Listener) -> Iterator[Resource]:
    """Filters that look into the first bytes, switched off for ports where nothing depends on them."""
    is_captured = listener.side == ir.INBOUND
    if is_captured:
        yield ORIGINAL_DST
    for asks, inspector in ((_asks_tls, TLS_INSPECTOR), (_asks_http, HTTP_INSPECTOR)):
        if any(asks(chain) for chain in listener.chains) or (listener.expects_tls and inspector is TLS_INSPECTOR):
            yield {**inspector, "filter_disabled": _ports(listener, asks)} if is_captured else inspector


def _asks_tls(chain: ir.Chain) -> bool:
    return chain.match.transport == "tls" or bool(chain.match.server_names) or chain.tls is not None


def _asks_http(chain: ir.Chain) -> bool:
    return chain.match.transport == "raw_buffer" and bool(chain.match.alpn)


def _ports(listener: ir.Listener, asks: Callable[[ir.Chain], bool]) -> Resource:
    """The ports none of whose chains asks."""
    named = {c.match.port for c in listener.chains} - {0, CATCHALL_PORT}
    asking = {c.match.port for c in listener.chains if asks(c)}
    spared = [*sorted(named - asking), CATCHALL_PORT]
    ranges: list[Resource] = [{"destination_port_range": {"start": port, "end": port + 1}} for port in spared]
    return ranges[0] if len(ranges) == 1 else {"or_match": {"rules": ranges}}
