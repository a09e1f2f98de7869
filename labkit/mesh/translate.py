"""From objects to the configuration of each Envoy: pure, and shared between proxies where it is the same."""

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import envoy, gateways, peers, services, sidecars, upstreams
from labkit.mesh.model import Config, Proxy, Resource, Snapshot

__all__ = ["Config", "Index", "Proxy", "Snapshot", "index"]


class Index:
    """A snapshot, taken apart once for all proxies."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.services = services.all_of(snapshot)
        self._rules = sorted(snapshot.of("virtualservices.networking.istio.io"), key=_age)
        rules = upstreams.rules_by_host(snapshot.of("destinationrules.networking.istio.io"))
        self.clusters: dict[str, Resource] = {}
        self.endpoints: dict[str, Resource] = {}
        for host, service in self.services.items():
            for cluster, endpoints in upstreams.of_service(service, rules.get(host)):
                self.clusters[cluster["name"]] = cluster
                self.endpoints[cluster["name"]] = endpoints
        self._hosts: dict[str, Resource] = {}

    def for_proxy(self, proxy: Proxy) -> Config:
        """Everything one Envoy gets."""
        if proxy.role == "router":
            return self._router(proxy)
        return self._sidecar(proxy)

    def _sidecar(self, proxy: Proxy) -> Config:
        ports = sidecars.inbound_ports(self.services, proxy)
        modes = {port: peers.mode(self.snapshot, proxy, port) for port in ports}
        listeners = {sidecars.HTTP_PROXY: sidecars.outbound_listener(proxy)}
        clusters = dict(self.clusters)
        for listener, cluster in sidecars.inbound(proxy, ports, modes):
            listeners[listener["name"]] = listener
            clusters[cluster["name"]] = cluster
        return Config(
            clusters=clusters,
            endpoints=self.endpoints,
            listeners=listeners,
            routes={sidecars.HTTP_PROXY: self._http_proxy(proxy.namespace)},
        )

    def _http_proxy(self, namespace: str) -> Resource:
        if namespace not in self._hosts:
            hosts = sidecars.virtual_hosts(self.services, self._rules, namespace, self.cluster_of)
            self._hosts[namespace] = envoy.route_config(sidecars.HTTP_PROXY, [*hosts, sidecars.UNKNOWN])
        return self._hosts[namespace]

    def _router(self, proxy: Proxy) -> Config:
        listeners, found = {}, {}
        served = sorted(self.snapshot.of("gateways.networking.istio.io"), key=_age)
        for listener, config in gateways.listeners(self.services, served, self._rules, proxy, self.cluster_of):
            listeners[listener["name"]] = listener
            found[config["name"]] = config
        return Config(clusters=self.clusters, endpoints=self.endpoints, listeners=listeners, routes=found)

    def cluster_of(self, host: str, subset: str, port: int | None) -> str:
        """The cluster of a destination; one that does not exist is named all the same, and answers 503."""
        service = self.services.get(host)
        numbers = [p.number for p in service.ports] if service else []
        if len(numbers) == 1 and (port is None or port not in numbers):
            port = numbers[0]
        return upstreams.outbound_name(port or 80, subset, host)


def index(snapshot: Snapshot, previous: Index | None = None) -> Index:
    """What all proxies share of a snapshot."""
    return Index(snapshot)


def _age(obj: Object) -> tuple[str, str, str]:
    return obj["metadata"].get("creationTimestamp", ""), resources.name_of(obj), resources.namespace_of(obj)
