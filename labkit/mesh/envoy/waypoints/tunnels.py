"""Both ends of a waypoint's tunnels: where a caller's is taken apart, and where the one to a pod begins."""

from collections.abc import Sequence

from labkit.mesh import envoy, ir
from labkit.mesh.envoy import TYPE, access_logs, istios_filters, listeners, typed
from labkit.mesh.envoy.waypoints import names, plumbing
from labkit.mesh.model import Resource

FAILED: Resource = {"response_flag_filter": {"flags": ["UF"]}}
REFUSED: Resource = {
    "status_code_filter": {"comparison": {"op": "GE", "value": {"default_value": 400, "runtime_key": "istio.io/unset"}}}
}
_PORT = 15008
_TARGET = "istio.double_hbone.hbone_target_address"
_SET_STATE = "extensions.filters.{}.set_filter_state.v3.Config"


def terminating(trust_domains: Sequence[str], logs: Sequence[ir.Log] = ()) -> Resource:
    """``connect_terminate``: a client with a certificate of the mesh says by CONNECT whom it wants."""
    context = plumbing.common_tls(f"{domain}/" for domain in trust_domains)
    socket = {
        "name": "tls",
        "typed_config": {
            "@type": f"{TYPE}.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "require_client_certificate": True,
            **context,
        },
    }
    return {
        "name": names.TERMINATE,
        "address": envoy.address(ir.ANYWHERE, _PORT),
        "connection_balance_config": {"exact_balance": {}},
        "filter_chains": [{"name": "default", "filters": [_manager(logs)], "transport_socket": socket}],
        **_unmatched(logs),
    }


def _manager(failures: Sequence[ir.Log]) -> Resource:
    logs = [access_logs.access_log(log, only=REFUSED) for log in failures]
    return typed(
        "envoy.filters.network.http_connection_manager",
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=names.TERMINATE,
        server_name="istio-envoy",
        use_remote_address=False,
        forward_client_cert_details="APPEND_FORWARD",
        set_current_client_cert_details={"subject": True, "dns": True, "uri": True},
        stream_idle_timeout="0s",
        http2_protocol_options={
            "allow_connect": True,
            "max_concurrent_streams": 100,
            "connection_keepalive": {"interval": "10s", "timeout": "20s"},
        },
        upgrade_configs=[{"upgrade_type": "CONNECT"}],
        http_filters=[istios_filters.tunnel_peers(), _authority(), _ROUTER],
        route_config={"name": "default", "virtual_hosts": [{"name": "default", "domains": ["*"], "routes": [_ROUTE]}]},
        **({"access_log": logs} if logs else {}),
    )


_ROUTER = typed("envoy.filters.http.router", "extensions.filters.http.router.v3.Router")
_ROUTE: Resource = {
    "match": {"connect_matcher": {}},
    "route": {
        "cluster": names.MAIN,
        "upgrade_configs": [{"upgrade_type": "CONNECT", "connect_config": {}}],
    },
}


def _authority() -> Resource:
    """Notes for the inner listener whom the caller wants, and who it is."""
    states = [
        _state(names.LOCAL_IP, "%REQ(:AUTHORITY)%"),
        _state(names.AUTHORITY, "%REQ(:AUTHORITY)%", factory=names.HASHABLE),
        _state(names.REMOTE_IP, "%DOWNSTREAM_REMOTE_ADDRESS%"),
        _state(names.PEER_PRINCIPAL, "%DOWNSTREAM_PEER_URI_SAN%", factory=names.HASHABLE),
        _state(names.LOCAL_PRINCIPAL, "%DOWNSTREAM_LOCAL_URI_SAN%", factory=names.HASHABLE),
    ]
    return typed("connect_authority", _SET_STATE.format("http"), on_request_headers=states)


def _state(key: str, text: str, *, factory: str = "", shared: str = "ONCE") -> Resource:
    state: Resource = {
        "object_key": key,
        "format_string": {"text_format_source": {"inline_string": text}},
        "shared_with_upstream": shared,
    }
    return {**state, "factory_key": factory} if factory else state


KEEP_DESTINATION = typed(
    "connect_authority",
    _SET_STATE.format("network"),
    on_new_connection=[_state(names.LOCAL_IP, f"%FILTER_STATE({names.LOCAL_IP}:PLAIN)%")],
)
"""Hands the destination on to the listener that begins the tunnel: for connections to pods' own addresses."""


def originating(waypoint: ir.Waypoint) -> Resource:
    """``connect_originate``: a tunnel to the pod that the endpoint's metadata names."""
    return originator(waypoint.logs)


def originator(logs: Sequence[ir.Log] = ()) -> Resource:
    """The same of any proxy that may send by HBONE."""
    return _internal(names.ORIGINATE, "%DOWNSTREAM_LOCAL_ADDRESS%", logs, inspects=True)


def inner(waypoint: ir.Waypoint) -> Resource:
    """The inner one of two tunnels to another network."""
    metadata = [
        _state(names.LOCAL_IP, f"%DYNAMIC_METADATA({names.ORIGINAL_DST}:local)%", shared="TRANSITIVE"),
        _state(
            _TARGET,
            "%DYNAMIC_METADATA(istio:double_hbone:hbone_target_address)%",
            factory=names.HASHABLE,
            shared="TRANSITIVE",
        ),
    ]
    first = typed("propagate_endpoint_metadata", _SET_STATE.format("network"), on_new_connection=metadata)
    header = {"key": "x-forwarded-network"}
    return _internal(names.INNER, f"%FILTER_STATE({_TARGET}:PLAIN)%", waypoint.logs, first, header=header)


def outer(waypoint: ir.Waypoint) -> Resource:
    """The outer one."""
    header = {"key": "x-istio-source", "value": "waypoint"}
    return _internal(names.OUTER, f"%FILTER_STATE({_TARGET}:PLAIN)%", waypoint.logs, header=header, inspects=True)


def _internal(
    name: str,
    hostname: str,
    logs: Sequence[ir.Log],
    *first: Resource,
    header: Resource | None = None,
    inspects: bool = False,
) -> Resource:
    tunneling: Resource = {"hostname": hostname}
    if header is not None:
        tunneling["headers_to_add"] = [{"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}]
    failures = [access_logs.access_log(log, only=FAILED) for log in logs]
    proxy = typed(
        "envoy.filters.network.tcp_proxy",
        "extensions.filters.network.tcp_proxy.v3.TcpProxy",
        stat_prefix=name,
        cluster=name,
        tunneling_config=tunneling,
        **({"access_log": failures} if failures else {}),
    )
    return {
        "name": name,
        "internal_listener": {},
        "use_original_dst": False,
        "filter_chains": [{"filters": [*first, proxy]}],
        **({"listener_filters": [listeners.ORIGINAL_DST]} if inspects else {}),
        **_unmatched(logs),
    }


def _unmatched(logs: Sequence[ir.Log]) -> Resource:
    return {"access_log": [access_logs.access_log(log, only=access_logs.UNMATCHED) for log in logs]} if logs else {}
