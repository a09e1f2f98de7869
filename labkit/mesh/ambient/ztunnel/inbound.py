"""The way into a pod: tunnels at its port 15008, and plaintext at the ports of its programs.

Each pod has listeners of its own: with shared ones each pod that comes or goes would close everybody's tunnels.
"""

from collections.abc import Iterator, Sequence

from labkit.mesh.ambient import authorizations, verdicts
from labkit.mesh.ambient.authorizations import Authorization
from labkit.mesh.ambient.ztunnel import inside, logs, rules
from labkit.mesh.ambient.ztunnel import resources as pieces
from labkit.mesh.ambient.ztunnel.local import LocalPod
from labkit.mesh.envoy import ADS, address, typed
from labkit.mesh.model import Resource
from labkit.mesh.place import INBOUND, PASSTHROUGH

RBAC_TYPE = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC"
PLAIN_RBAC_TYPE = "type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC"
Policies = Sequence[Authorization]
ACTIONS = (authorizations.DENY, authorizations.ALLOW)

UNAUTHORIZED, BAD_REQUEST, UNAVAILABLE = 401, 400, 503
"""What ztunnel answers a CONNECT: a policy forbids it, the authority is not the pod's, nothing serves the port."""

UNIX_SOCKET: Resource = {"destination_port_range": {"start": 0, "end": 1}}
"""Fits connections by a Unix socket alone (Envoy's source, ListenerFilterDstPortMatcher): they have no port."""


def tunnels(pod: LocalPod, about: logs.About, domains: tuple[str, ...]) -> Resource:
    """The listener that takes HBONE: HTTP/2 CONNECT in mutual TLS."""
    context = typed(
        "envoy.transport_sockets.tls",
        "extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        require_client_certificate=True,
        common_tls_context=pieces.tls(pod.identity, domains),
    )
    return {
        "name": f"hbone|{pod.ip}",
        "address": address(pod.ip, pieces.HBONE_PORT),
        "filter_chains": [{"name": "hbone", "transport_socket": context, "filters": [_connections(pod, about)]}],
        "traffic_direction": "INBOUND",
    }


def _connections(pod: LocalPod, about: logs.About) -> Resource:
    hosts = [_host(f"{pod.ip}:{port}", _tunnel(inside.name(pod))) for port in (*pod.ports, *pod.own_ports)]
    # ztunnel first asks whether the authority is the pod's, then the policies, then connects.
    hosts.append(_host(f"{pod.ip}:*", _answer(UNAVAILABLE)))
    hosts.append(_host("*", {**_answer(BAD_REQUEST), **_without_policies(pod)}))
    return typed(
        "envoy.filters.network.http_connection_manager",
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=f"hbone_{pod.ip}",
        route_config={"name": pod.ip, "virtual_hosts": hosts},
        http_filters=[
            *(_place(name, RBAC_TYPE) for name in _places(pod)),
            inside.caller(),
            typed("envoy.filters.http.router", "extensions.filters.http.router.v3.Router"),
        ],
        http2_protocol_options={"allow_connect": True},
        upgrade_configs=[{"upgrade_type": "CONNECT"}],
        stream_idle_timeout="0s",
        local_reply_config={"mappers": [_refusal()]},
        access_log=logs.inbound(pod, about, is_tunnelled=True),
        access_log_options={"flush_log_on_tunnel_successfully_established": True},
    )


def _host(domain: str, route: Resource) -> Resource:
    return {"name": domain, "domains": [domain], "routes": [{"match": {"connect_matcher": {}}, **route}]}


def _tunnel(cluster: str) -> Resource:
    upgrade = {"upgrade_type": "CONNECT", "connect_config": {}}
    return {"route": {"cluster": cluster, "timeout": "0s", "upgrade_configs": [upgrade]}}


def _answer(status: int) -> Resource:
    return {"direct_response": {"status": status}}


def _without_policies(pod: LocalPod) -> Resource:
    kind = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBACPerRoute"
    return {"typed_per_filter_config": {name: {"@type": kind} for name in _places(pod)}}


def _places(pod: LocalPod) -> tuple[str, ...]:
    """The filters that decide about a pod's tunnels. They come by discovery: warm connections get them at once."""
    return tuple(f"policies|{pod.ip}|{action}" for action in ACTIONS)


def _plain_places(pod: LocalPod) -> tuple[str, ...]:
    """The same of its plaintext connections."""
    return tuple(f"plaintext|{pod.ip}|{action}" for action in ACTIONS)


def _place(name: str, kind: str) -> Resource:
    return {"name": name, "config_discovery": {"config_source": ADS, "type_urls": [kind]}}


def decisions(pod: LocalPod, policies: Policies) -> Iterator[Resource]:
    """What those filters decide; one without rules lets everything pass."""
    for names, kind, is_tunnelled in ((_places(pod), RBAC_TYPE, True), (_plain_places(pod), PLAIN_RBAC_TYPE, False)):
        trees = {tree["action"]: tree for tree in rules.trees(policies, pod.ip, is_tunnelled=is_tunnelled)}
        prefix = {} if is_tunnelled else {"stat_prefix": "tcp."}
        for name in names:
            tree = trees.get(name.rpartition("|")[2])
            yield {"name": name, "typed_config": {"@type": kind, **prefix, **({"rules": tree} if tree else {})}}


def _refusal() -> Resource:
    """Envoy's 403 of RBAC is ztunnel's 401."""
    status = {"comparison": {"op": "EQ", "value": {"default_value": 403, "runtime_key": "labkit.refused"}}}
    return {"filter": {"status_code_filter": status}, "status_code": UNAUTHORIZED}


def plaintext(pod: LocalPod, policies: Policies, about: logs.About) -> Resource:
    """The listener that takes everything else: at the pod's ports, and what the sandbox brings for other ports."""
    access = [_place(name, PLAIN_RBAC_TYPE) for name in _plain_places(pod)]
    log = logs.inbound(pod, about, is_tunnelled=False)

    def filters(cluster: str) -> list[Resource]:
        return [
            *access,
            pieces.tcp_proxy(f"plaintext_{pod.ip}", cluster, access_log=log, access_log_options=pieces.AT_FIRST),
        ]

    chains = [
        {
            "name": str(port),
            "filter_chain_match": {"destination_port": port},
            "filters": filters(f"app|{pod.ip}|{port}"),
            "metadata": inside.note(inside.plain_verdict(policies, pod, port)),
        }
        for port in pod.ports
    ]
    general = inside.note(verdicts.digest(policies))
    first, *others = [*(address(pod.ip, port) for port in pod.ports), pieces.own_pipe(pod.socket(INBOUND))]
    kind = "extensions.filters.listener.proxy_protocol.v3.ProxyProtocol"
    on_socket = typed("envoy.filters.listener.proxy_protocol", kind)
    return {
        "name": f"plaintext|{pod.ip}",
        "address": first,
        **({"additional_addresses": [{"address": other} for other in others]} if others else {}),
        # Whoever connects by TCP must not be able to say who he is.
        "listener_filters": [{**on_socket, "filter_disabled": {"not_match": UNIX_SOCKET}}],
        **({"filter_chains": chains} if chains else {}),
        "default_filter_chain": {"name": "other", "filters": filters(f"app|{pod.ip}"), "metadata": general},
        "traffic_direction": "INBOUND",
    }


def clusters_of(pod: LocalPod) -> Iterator[Resource]:
    """The pod's programs: each at the socket of its port, or at the pod's address where it knows no socket.

    Other ports lead by the sandbox, which knows where programs listen.
    """
    if pod.ports or pod.own_ports:
        yield inside.cluster(pod)
    for port in pod.ports:
        yield pieces.static(f"app|{pod.ip}|{port}", pieces.pipe(pod.app(port)), transport_socket=pieces.announced())
    for port in pod.own_ports:
        yield pieces.static(f"app|{pod.ip}|{port}", address(pod.ip, port))
    yield pieces.static(f"app|{pod.ip}", pieces.pipe(pod.socket(PASSTHROUGH)), transport_socket=pieces.announced())
