"""Clusters and endpoints: where their connections really go."""

from collections import ChainMap
from collections.abc import Iterator, Mapping
from typing import Any, cast

from labkit.mesh import place as places
from labkit.mesh.memo import Memo
from labkit.mesh.model import Resource
from labkit.mesh.place import Place
from labkit.mesh.sandboxed import secrets, stats

TYPE = "type.googleapis.com/envoy"
PASSTHROUGH, INBOUND_PASSTHROUGH = "PassthroughCluster", "InboundPassthroughCluster"
BLACK_HOLE = "BlackHoleCluster"
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

# An Envoy's connections come from the pod's address (its bootstrap says so): a loopback address cannot reach a far one.
ANYWHERE: Resource = {"source_address": {"address": "0.0.0.0", "port_value": 0}}

_SAYS_DESTINATION: Resource = {
    "name": "envoy.transport_sockets.upstream_proxy_protocol",
    "typed_config": {
        "@type": f"{TYPE}.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport",
        "config": {"version": "V2"},
        "transport_socket": {
            "name": "envoy.transport_sockets.raw_buffer",
            "typed_config": {"@type": f"{TYPE}.extensions.transport_sockets.raw_buffer.v3.RawBuffer"},
        },
    },
}


def placed(
    clusters: Mapping[str, Resource], endpoints: Mapping[str, Resource], place: Place, memo: Memo
) -> Mapping[str, Resource]:
    """Every cluster with addresses that can be reached from this pod; a mapping of several proxies stays one."""
    if isinstance(clusters, ChainMap):
        return ChainMap(*(cast("dict[str, Resource]", placed(m, endpoints, place, memo)) for m in clusters.maps))

    def one(name: str, cluster: Resource) -> Resource:
        assignment = endpoints.get(_service_name(cluster))
        return memo.get(
            ("placed", id(cluster)), (cluster, assignment), lambda: _placed(name, cluster, assignment, place)
        )

    key = "all placed", id(clusters), id(endpoints)
    return memo.get(key, (clusters, endpoints), lambda: {name: one(name, c) for name, c in clusters.items()})


def placed_endpoints(endpoints: Mapping[str, Resource], place: Place, memo: Memo) -> Mapping[str, Resource]:
    """Endpoints; a ClusterIP among them becomes the address that serves it."""

    def one(assignment: Resource) -> Resource:
        return memo.get(("placed", id(assignment)), (assignment,), lambda: _with_twins(assignment, place))

    key = "all placed", id(endpoints)
    return memo.get(key, (endpoints,), lambda: {name: one(a) for name, a in endpoints.items()})


def _service_name(cluster: Resource) -> str:
    source = cluster.get("eds_cluster_config") or {}
    return str(source.get("service_name") or cluster.get("name") or "")


def _placed(name: str, cluster: Resource, endpoints: Resource | None, place: Place) -> Resource:
    cluster = _counted(cluster)
    if name.startswith("inbound|"):
        return _to_app(cluster)
    cluster = secrets.by_stream(cluster)
    if name == INBOUND_PASSTHROUGH:
        return _told_by_header(cluster, places.PASSTHROUGH)
    if name == PASSTHROUGH:
        return _told_by_header(cluster, places.NETWORK)
    return _outbound(_named(cluster) if name == BLACK_HOLE else cluster, endpoints, place)


def _to_app(cluster: Resource) -> Resource:
    """The app behind its Envoy: its socket, whatever address Istio names for it."""
    given = list(_socket_addresses(cluster.get("load_assignment") or {}))
    if not given and cluster.get("type") != "ORIGINAL_DST":
        return cluster
    port = int(given[0]["port_value"]) if given else int(str(cluster.get("name")).split("|")[1])
    return _at_socket(cluster, places.app_socket(port))


def _told_by_header(cluster: Resource, socket: str) -> Resource:
    """A cluster without addresses of its own: the sandbox reads in the PROXY header where a connection goes."""
    options = (cluster.get("typed_extension_protocol_options") or {}).get(HTTP_OPTIONS) or {}
    common = options.get("common_http_protocol_options") or {}
    # The header has the addresses of one caller's connection: no other caller could use what would be kept.
    once = {**options, "common_http_protocol_options": {**common, "max_requests_per_connection": 1}}
    return {
        **_named(_at_socket(cluster, socket)),
        "transport_socket": _SAYS_DESTINATION,
        **({"typed_extension_protocol_options": {HTTP_OPTIONS: once}} if options else {}),
    }


def _named(cluster: Resource) -> Resource:
    """A cluster without a service under its own name, by which Istio's metrics call it."""
    return _with_service(cluster, f";{cluster['name']};")


def _counted(cluster: Resource) -> Resource:
    """A cluster that says its service in a word, for statistics."""
    services = (((cluster.get("metadata") or {}).get("filter_metadata") or {}).get("istio") or {}).get("services")
    if not services:
        return cluster
    return _with_service(cluster, ";".join(str(services[0].get(key, "")) for key in ("host", "name", "namespace")))


def _with_service(cluster: Resource, service: str) -> Resource:
    metadata = cluster.get("metadata") or {}
    kept = metadata.get("filter_metadata") or {}
    of_istio = {**(kept.get("istio") or {}), stats.SERVICE_KEY: service}
    return {**cluster, "metadata": {**metadata, "filter_metadata": {**kept, "istio": of_istio}}}


def _at_socket(cluster: Resource, path: str) -> Resource:
    gone = ("upstream_bind_config", "lb_policy", "cleanup_interval", "original_dst_lb_config")
    endpoint = {"endpoint": {"address": {"pipe": {"path": path}}}}
    return {
        **{key: value for key, value in cluster.items() if key not in gone},
        "type": "STATIC",
        "load_assignment": {"cluster_name": cluster.get("name") or "", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _outbound(cluster: Resource, endpoints: Resource | None, place: Place) -> Resource:
    own = cluster.get("load_assignment")
    moved = _with_twins(own, place) if own else own
    if moved is not own:
        cluster = {**cluster, "load_assignment": moved}
    return cluster if _stays_here(cluster, endpoints or moved) else {**cluster, "upstream_bind_config": ANYWHERE}


def _stays_here(cluster: Resource, endpoints: Resource | None) -> bool:
    """Whether all its connections end on this machine's loopback addresses."""
    kind = cluster.get("type", "STATIC")
    if kind == "ORIGINAL_DST":
        return str(cluster.get("name")).endswith((".svc.cluster.local", "connect_originate"))
    if kind not in ("EDS", "STATIC"):
        return False
    return all(a["address"].startswith("127.") for a in _socket_addresses(endpoints or {}))


def _socket_addresses(assignment: Resource) -> Iterator[dict[str, Any]]:
    for locality in assignment.get("endpoints") or []:
        for entry in locality.get("lb_endpoints") or []:
            if socket := ((entry.get("endpoint") or {}).get("address") or {}).get("socket_address"):
                yield socket


def _with_twins(assignment: Resource, place: Place) -> Resource:
    addresses = [a["address"] for a in _socket_addresses(assignment)]
    if all(place.reachable(address) == address for address in addresses):
        return assignment
    localities = [
        {**locality, "lb_endpoints": [_with_twin(e, place) for e in locality.get("lb_endpoints") or []]}
        for locality in assignment["endpoints"]
    ]
    return {**assignment, "endpoints": localities}


def _with_twin(entry: Resource, place: Place) -> Resource:
    endpoint = entry.get("endpoint") or {}
    socket = (endpoint.get("address") or {}).get("socket_address")
    if not socket:
        return entry
    address = {"socket_address": {**socket, "address": place.reachable(socket["address"])}}
    return {**entry, "endpoint": {**endpoint, "address": address}}
