"""The way out of a pod: from its captured connections into a tunnel, or past the mesh.

A pod's listener is the same whatever else is in the mesh, so no pod that joins or leaves disturbs another's
connections: the destination's address becomes the name of a cluster, and clusters come and go.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from labkit.mesh.ambient.tables import Tables
from labkit.mesh.ambient.ztunnel import logs, metrics
from labkit.mesh.ambient.ztunnel import resources as pieces
from labkit.mesh.ambient.ztunnel.local import LocalPod
from labkit.mesh.envoy import typed
from labkit.mesh.model import Resource
from labkit.mesh.place import NETWORK, OUTBOUND

SERVICES = (("10.96.0.0", 16), ("240.240.0.0", 16))
"""Where ClusterIPs lie, and the addresses that istiod gives to ServiceEntries."""

PODS = 16
"""Bits that the addresses of all pods share."""

Workload = Mapping[str, Any]


# Listeners


def listener(pod: LocalPod, about: logs.About) -> Resource:
    """The listener for connections of a pod's programs; each starts with a PROXY header naming its destination."""
    kind = "extensions.filters.listener.proxy_protocol.v3.ProxyProtocol"
    return {
        "name": f"outbound|{pod.ip}",
        "address": pieces.own_pipe(pod.socket(OUTBOUND)),
        "listener_filters": [typed("envoy.filters.listener.proxy_protocol", kind)],
        "filter_chains": [
            _chain("service", SERVICES, pod, about, "svc|%DOWNSTREAM_LOCAL_ADDRESS%"),
            _chain("pod", ((pod.ip, PODS),), pod, about, "pod|%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%"),
        ],
        "default_filter_chain": {
            "name": "unknown",
            "filters": [pieces.tcp_proxy("unknown", f"network|{pod.ip}", access_log=logs.passed_through(pod))],
        },
        "traffic_direction": "OUTBOUND",
    }


def _chain(name: str, ranges: tuple[tuple[str, int], ...], pod: LocalPod, about: logs.About, cluster: str) -> Resource:
    values = [
        pieces.state("envoy.tcp_proxy.cluster", cluster, factory="", shared="NONE"),
        pieces.state(pieces.SOURCE, pod.ip),
        pieces.state(pieces.SOURCE_ADDRESS, "%DOWNSTREAM_REMOTE_ADDRESS%"),
        pieces.state(pieces.SOURCE_TEXT, logs.source(pod)),
        pieces.state(metrics.SOURCE_WORKLOAD, about.workload),
    ]
    if name == "pod":
        # Of a Service the chosen endpoint says it.
        values.append(pieces.state(f"{pieces.ORIGINAL_DST}.local_ip", "%DOWNSTREAM_LOCAL_ADDRESS%", factory=""))
    return {
        "name": name,
        "filter_chain_match": {"prefix_ranges": [{"address_prefix": a, "prefix_len": n} for a, n in ranges]},
        "filters": [pieces.set_state(*values), pieces.tcp_proxy(name, f"network|{pod.ip}")],
    }


def internal_listeners() -> Iterator[Resource]:
    """The chain shared by all pods; the filter state of a connection's pod selects the cluster."""
    yield _internal(pieces.CONNECT, "hbone", tunneling_config={"hostname": "%DOWNSTREAM_LOCAL_ADDRESS%"})
    yield _internal(pieces.PLAIN, "plain")


def _internal(name: str, cluster: str, **fields: Any) -> Resource:
    values = [pieces.state("envoy.tcp_proxy.cluster", _of(cluster), factory="", shared="NONE")]
    if name == pieces.CONNECT:
        sans = f"%DYNAMIC_METADATA({pieces.ABOUT}:sans)%"
        entry = pieces.state("envoy.network.upstream_subject_alt_names", sans, factory="")
        values.append({**entry, "skip_if_empty": True})
    kind = "extensions.filters.listener.original_dst.v3.OriginalDst"
    return {
        "name": name,
        "internal_listener": {},
        "listener_filters": [typed(pieces.ORIGINAL_DST, kind)],
        "filter_chains": [
            {
                "filters": [
                    pieces.set_state(*values),
                    pieces.tcp_proxy(
                        name, "nobody", access_log=logs.outbound(cluster), access_log_options=pieces.AT_FIRST, **fields
                    ),
                ]
            }
        ],
    }


def _of(cluster: str) -> str:
    return f"{cluster}|%FILTER_STATE({pieces.SOURCE}:PLAIN)%"


# Clusters of pods


def clusters_of(pod: LocalPod, domains: tuple[str, ...]) -> Iterator[Resource]:
    """The clusters of a pod's outgoing connections, bound to its address; tunnels use its certificate."""
    bound = {"source_address": {"address": pod.ip, "port_value": 0}}
    waypoint = {"key": pieces.ORIGINAL_DST, "path": [{"key": "waypoint"}]}
    common = {
        "type": "ORIGINAL_DST",
        "lb_policy": "CLUSTER_PROVIDED",
        "connect_timeout": "10s",
        "cleanup_interval": "60s",
        "upstream_bind_config": bound,
    }
    yield {
        "name": f"hbone|{pod.ip}",
        **common,
        "original_dst_lb_config": {"metadata_key": waypoint, "upstream_port_override": pieces.HBONE_PORT},
        "transport_socket": typed(
            "envoy.transport_sockets.tls",
            "extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            common_tls_context=pieces.tls(pod.identity, domains),
        ),
        "typed_extension_protocol_options": pieces.http2(),
    }
    yield {"name": f"plain|{pod.ip}", **common}
    path = pieces.pipe(pod.socket(NETWORK))
    yield pieces.static(f"network|{pod.ip}", path, transport_socket=pieces.announced())


# Clusters of destinations


class Destinations:
    """Every address that the mesh knows, as clusters that lead into one of the internal listeners."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._behind = _endpoints(tables)

    def clusters(self) -> Iterator[Resource]:
        """One cluster per port of a Service's address, and one per workload address."""
        for service in self._tables.services.values():
            for name in _names(service):
                yield {
                    "name": name,
                    "type": "EDS",
                    "connect_timeout": "10s",
                    "lb_policy": "RANDOM",
                    "eds_cluster_config": {"eds_config": _ADS, "service_name": name},
                    "transport_socket": pieces.internal(),
                }
        for workload in self._tables.workloads.values():
            for address in workload.get("addresses") or ():
                name = f"pod|{address}"
                yield {
                    "name": name,
                    "type": "EDS",
                    "connect_timeout": "10s",
                    "eds_cluster_config": {"eds_config": _ADS, "service_name": name},
                    "transport_socket": pieces.internal(),
                }

    def endpoints(self) -> Iterator[Resource]:
        """The current load assignment of each cluster."""
        for key, service in self._tables.services.items():
            for entry in service.get("addresses") or ():
                for port in service["ports"]:
                    address, number = entry["address"], port["servicePort"]
                    every = list(self._of_service(key, service, address, number))
                    yield _assignment(f"svc|{address}:{number}", every)
        for workload in self._tables.workloads.values():
            for address in workload.get("addresses") or ():
                yield _assignment(f"pod|{address}", list(self._of_workload(workload)))

    def _of_service(self, key: str, service: dict[str, Any], address: str, port: int) -> Iterator[Resource]:
        if "waypoint" in service:
            yield from self._waypoint(service["waypoint"], f"{address}:{port}", key)
            return
        takes_unready = (service.get("loadBalancing") or {}).get("healthPolicy") == "ALLOW_ALL"
        for workload in self._behind.get(key, ()):
            ports = workload["services"][key]["ports"]
            target = next((p["targetPort"] for p in ports if p["servicePort"] == port), 0)
            if target and (takes_unready or workload.get("status") != "UNHEALTHY"):
                for own in workload.get("addresses") or ():
                    yield self._endpoint(workload, f"{own}:{target}", key, local=f"{own}:{target}")

    def _of_workload(self, workload: Workload) -> Iterator[Resource]:
        if "waypoint" in workload:
            yield from self._waypoint(workload["waypoint"], "", "")
            return
        address = workload["addresses"][0]
        yield self._endpoint(workload, address, "")

    def _waypoint(self, waypoint: Mapping[str, Any], local: str, service: str) -> Iterator[Resource]:
        """The pods of a waypoint; the tunnel's authority stays the address that was asked for."""
        key = f"{waypoint['hostname']['namespace']}/{waypoint['hostname']['hostname']}"
        for workload in self._behind.get(key, ()):
            for address in workload.get("addresses") or ():
                target = f"{address}:{waypoint['hboneMtlsPort']}"
                tunnelled = {**workload, "tunnelProtocol": "HBONE"}
                yield self._endpoint(tunnelled, f"{target}/{local}", service, local=local, waypoint=target)

    def _endpoint(self, workload: Workload, number: str, service: str, **original: str) -> Resource:
        """The way to a workload, called by the name of a service or by its own address."""
        is_tunnelled = workload.get("tunnelProtocol") == "HBONE"
        listener = pieces.CONNECT if is_tunnelled else pieces.PLAIN
        address = {"envoy_internal_address": {"server_listener_name": listener, "endpoint_id": number}}
        host = service.partition("/")[2]
        about: dict[str, Any] = {"about": logs.destination(workload, host), "workload": metrics.workload(workload)}
        if service:
            about["service"] = metrics.service(host, self._tables.services.get(service))
        if is_tunnelled:
            about["sans"] = logs.identity(workload)
        metadata: dict[str, Any] = {pieces.ABOUT: about}
        if given := {key: value for key, value in original.items() if value}:
            metadata[pieces.ORIGINAL_DST] = given
        return {"endpoint": {"address": address}, "metadata": {"filter_metadata": metadata}}


_ADS = {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"}


def _names(service: Mapping[str, Any]) -> list[str]:
    addresses = [entry["address"] for entry in service.get("addresses") or () if "length" not in entry]
    return [f"svc|{address}:{port['servicePort']}" for address in addresses for port in service["ports"]]


def _endpoints(tables: Tables) -> dict[str, list[Workload]]:
    behind: dict[str, list[Workload]] = {key: [] for key in tables.services}
    for workload in tables.workloads.values():
        for key in workload.get("services") or ():
            behind.setdefault(key, []).append(workload)
    return behind


def _assignment(name: str, endpoints: list[Resource]) -> Resource:
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}] if endpoints else []}
