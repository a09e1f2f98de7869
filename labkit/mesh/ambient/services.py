"""Services and ServiceEntries as istiod tells them to ztunnel."""

from collections.abc import Iterable, Iterator
from typing import Any

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import model, names, protocols
from labkit.mesh.ambient.waypoints import HBONE_PORT, Binding, Waypoints
from labkit.mesh.hosts import kubernetes

ENTRIES = "serviceentries.networking.istio.io"
NETWORK = "topology.istio.io/network"
"""The label of pods, and of istiod's namespace, that names a network."""

TRAFFIC_DISTRIBUTION = "networking.istio.io/traffic-distribution"

ServiceTable = dict[str, dict[str, Any]]
"""``namespace/host`` → ``istio.workload.Service`` in proto3 JSON."""

APP_PROTOCOLS = {
    "HTTP": "HTTP11", "HTTP2": "HTTP2", "GRPC": "GRPC", "GRPC-WEB": "HTTP11", "TLS": "TLS", "HTTPS": "TLS",
    "TCP": "TCP", "MONGO": "TCP", "MYSQL": "TCP", "REDIS": "TCP",
}  # fmt: skip
"""Istio's word → WDS's; of others ztunnel is told nothing."""

NEAREST = ("NETWORK", "REGION", "ZONE")
DISTRIBUTIONS: dict[str, dict[str, Any]] = {
    "PreferClose": {"mode": "FAILOVER", "routingPreference": list(NEAREST)},
    "PreferSameZone": {"mode": "FAILOVER", "routingPreference": list(NEAREST)},
    "PreferSameNode": {"mode": "FAILOVER", "routingPreference": [*NEAREST, "SUBZONE", "NODE"]},
}


def network(snapshot: model.Snapshot) -> str:
    """The network that the label of istiod's namespace names; empty where there is one alone."""
    own = (n for n in snapshot.of("namespaces") if resources.name_of(n) == snapshot.root_namespace)
    return next((resources.labels_of(n).get(NETWORK, "") for n in own), "")


def table(snapshot: model.Snapshot, waypoints: Waypoints) -> ServiceTable:
    """Every host that ztunnel knows, Kubernetes' first: of one name the first is the canonical one."""
    every: ServiceTable = {}
    for obj in snapshot.of("services"):
        if not kubernetes.is_alias(obj):
            service = _of_service(obj, waypoints)
            every[key_of(service)] = service
    for obj in snapshot.of(ENTRIES):
        for service in _of_entry(obj, waypoints):
            every.setdefault(key_of(service), service)
    if place := network(snapshot):
        for service in every.values():
            if "addresses" in service:
                service["addresses"] = [{"network": place, **entry} for entry in service["addresses"]]
    hosts: set[str] = set()
    for service in every.values():
        if service["hostname"] not in hosts:
            service["canonical"] = True
        hosts.add(service["hostname"])
    return every


def key_of(service: dict[str, Any]) -> str:
    """``amb/reviews.amb.svc.cluster.local``."""
    return f"{service['namespace']}/{service['hostname']}"


def waypoint(binding: Binding) -> dict[str, Any]:
    """How a service or a workload names its waypoint."""
    if binding.waypoint is None:
        return {}
    host = {"hostname": binding.waypoint.host, "namespace": binding.waypoint.namespace}
    return {"waypoint": {"hboneMtlsPort": HBONE_PORT, "hostname": host}}


def protocol(name: str, number: int, app_protocol: str | None = None) -> str:
    """ztunnel's word for the protocol of a port; empty where istiod says nothing."""
    if app_protocol is None and not name:
        return ""
    # A well-known port without a word about its protocol is TCP for sidecars only.
    return APP_PROTOCOLS.get(protocols.of_port(name, 0, app_protocol), "")


def _of_service(obj: Object, waypoints: Waypoints) -> dict[str, Any]:
    spec, name, namespace = obj["spec"], resources.name_of(obj), resources.namespace_of(obj)
    service: dict[str, Any] = {
        "name": name,
        "namespace": namespace,
        "hostname": kubernetes.host_of(name, namespace),
        "ports": [_port(p) for p in spec.get("ports") or [] if p.get("protocol", "TCP") == "TCP"],
        **waypoint(waypoints.of_service(obj)),
    }
    addresses = [a for a in spec.get("clusterIPs") or [spec.get("clusterIP")] if a not in (None, "", "None")]
    if addresses:
        service["addresses"] = _addresses(addresses)
    families = tuple(spec.get("ipFamilies") or ("IPv4",))
    service["ipFamilies"] = {("IPv4",): "IPV4_ONLY", ("IPv6",): "IPV6_ONLY"}.get(families, "DUAL")
    if balancing := _balancing(obj, spec):
        service["loadBalancing"] = balancing
    return service


def _port(port: Object) -> dict[str, Any]:
    target = port.get("targetPort", port["port"])
    entry: dict[str, Any] = {"servicePort": port["port"]}
    if isinstance(target, int):
        entry["targetPort"] = target
    word = protocol(port.get("name") or "", port["port"], port.get("appProtocol"))
    return {**({"appProtocol": word} if word else {}), **entry}


def _balancing(obj: Object, spec: Object) -> dict[str, Any]:
    asked = spec.get("trafficDistribution") or resources.annotations_of(obj).get(TRAFFIC_DISTRIBUTION) or ""
    balancing = dict(DISTRIBUTIONS.get(asked, {}))
    if spec.get("internalTrafficPolicy") == "Local":
        balancing = {"mode": "STRICT", "routingPreference": ["NODE"]}
    if spec.get("publishNotReadyAddresses"):
        balancing["healthPolicy"] = "ALLOW_ALL"
    return balancing


def _of_entry(obj: Object, waypoints: Waypoints) -> Iterator[dict[str, Any]]:
    spec = obj["spec"]
    given = (obj.get("status") or {}).get("addresses") or []
    for host in spec.get("hosts") or []:
        automatic = [a["value"] for a in given if a.get("value") and a.get("host", host) == host]
        addresses = [str(a) for a in spec.get("addresses") or automatic]
        service: dict[str, Any] = {
            "name": resources.name_of(obj),
            "namespace": resources.namespace_of(obj),
            "hostname": host,
            "ports": [_entry_port(p) for p in spec.get("ports") or []],
            **waypoint(waypoints.of_service(obj)),
        }
        if addresses:
            service["addresses"] = _addresses(addresses)
        if spec.get("subjectAltNames"):
            service["subjectAltNames"] = list(spec["subjectAltNames"])
        yield service


def _entry_port(port: Object) -> dict[str, Any]:
    word = APP_PROTOCOLS.get(protocols.BY_NAME.get(str(port.get("protocol") or "").lower(), ""), "")
    entry = {"servicePort": port["number"], "targetPort": port.get("targetPort") or port["number"]}
    return {**({"appProtocol": word} if word else {}), **entry}


def _addresses(addresses: Iterable[str]) -> list[dict[str, Any]]:
    return [_address(address) for address in addresses]


def _address(address: str) -> dict[str, Any]:
    if not names.is_range(address):
        return {"address": address}
    start, _, length = address.partition("/")
    return {"address": start, "length": int(length)}
