"""All that istiod tells one waypoint: its hosts, what is asked of their callers, and where their requests go."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import ir, model, secrets
from labkit.mesh.ambient.waypoints import Waypoints
from labkit.mesh.envoy import upstreams as clusters
from labkit.mesh.envoy import waypoints as envoy_waypoints
from labkit.mesh.hosts import kubernetes, service_entries
from labkit.mesh.hosts.services import Service
from labkit.mesh.listeners import entrance, waypoints
from labkit.mesh.listeners.entrance import Entrance
from labkit.mesh.listeners.waypoints import Behind
from labkit.mesh.memo import Memo
from labkit.mesh.model import Config, Proxy, Snapshot
from labkit.mesh.policies import selection, telemetry
from labkit.mesh.policies.guards import Guards
from labkit.mesh.routes import http_routes, tcp_routes
from labkit.mesh.routes.virtual_services import MESH
from labkit.mesh.upstreams import subsets
from labkit.mesh.views import View

GATEWAY_CLASS = "gateway.networking.k8s.io/gateway-class-name"
OUTBOUND = "outbound|"


def of(proxy: Proxy, view: View, snapshot: Snapshot, services: Sequence[Service], guards: Guards, memo: Memo) -> Config:
    """The configuration of a waypoint's proxy."""
    by_host = {(service.host, service.namespace): service for service in services}
    own = _Waypoint(proxy, view, snapshot, guards)
    targets = list(own.targets(by_host))
    served = {service.host: service for _, service, _ in targets}
    decided = waypoints.waypoint(
        [own.behind(target, service, addresses) for target, service, addresses in targets],
        own.pods(),
        own.entrance(("", "", "")),
        own.context(served),
    )
    listeners = envoy_waypoints.listeners(decided)
    upstreams = [
        upstream
        for service in served.values()
        for upstream in subsets.behind_waypoint(service, view.reach.rule(service.host), snapshot.mesh_config)
    ]
    asked = set(_outbound_names(listeners))
    others = {name: cluster for name, cluster in view.reach.clusters.items() if name in asked}
    granted = secrets.granted_to(_secret_names(upstreams), snapshot, proxy)
    return Config(
        clusters={**envoy_waypoints.clusters(decided), **{u.name: clusters.cluster(u) for u in upstreams}, **others},
        endpoints={
            **{u.name: clusters.assignment(u, proxy.labels) for u in upstreams if u.kind == "EDS"},
            **{name: view.reach.endpoints[name] for name in others if name in view.reach.endpoints},
        },
        listeners=memo.alike(("waypoint", proxy.namespace, proxy.name), listeners, lambda: listeners),
        secrets=granted.secrets,
        denied_secrets=granted.denied,
    )


def _secret_names(upstreams: Sequence[ir.Upstream]) -> Iterator[str]:
    for upstream in upstreams:
        yield from secrets.of_upstream(upstream)


class _Waypoint:
    """One waypoint, asked for what is behind it."""

    def __init__(self, proxy: Proxy, view: View, snapshot: Snapshot, guards: Guards) -> None:
        self._proxy, self._view, self._snapshot, self._guards = proxy, view, snapshot, guards
        self._name = proxy.labels.get(selection.GATEWAY_NAME, "")
        self._waypoints = Waypoints(snapshot)
        self._normalization = entrance.normalization(snapshot.mesh_config)

    def targets(
        self, services: Mapping[tuple[str, str], Service]
    ) -> Iterator[tuple[tuple[str, str, str], Service, tuple[str, ...]]]:
        """(kind, namespace and name of the object, the host, its addresses) of all that is behind it."""
        for obj in self._users("services"):
            host = kubernetes.host_of(resources.name_of(obj), resources.namespace_of(obj))
            if service := services.get((host, resources.namespace_of(obj))):
                yield _target("Service", obj), service, service.addresses
        seen: set[tuple[str, str]] = set()
        for obj in self._users("serviceentries.networking.istio.io"):
            for host in obj["spec"].get("hosts") or ():
                key = host, resources.namespace_of(obj)
                if key in seen:
                    continue  # Of several ServiceEntries with one host the oldest speaks.
                seen.add(key)
                if service := services.get(key):
                    addresses = service.addresses or tuple(filter(None, [service_entries.virtual_address(obj, host)]))
                    yield _target("ServiceEntry", obj), service, addresses

    def _users(self, kind: str) -> Iterator[Object]:
        for obj in sorted(self._snapshot.of(kind), key=selection.age):
            waypoint = self._waypoints.of_service(obj).waypoint
            if waypoint is not None and (waypoint.namespace, waypoint.name) == (self._proxy.namespace, self._name):
                yield obj

    def pods(self) -> list[str]:
        """Addresses of the pods whose own traffic goes through it."""
        every = (
            ((pod.get("status") or {}).get("podIP"), self._waypoints.of_workload(pod).waypoint)
            for pod in self._snapshot.of("pods")
        )
        own = self._proxy.namespace, self._name
        return sorted(
            {str(ip) for ip, waypoint in every if ip and waypoint and (waypoint.namespace, waypoint.name) == own}
        )

    def behind(self, target: tuple[str, str, str], service: Service, addresses: tuple[str, ...]) -> Behind:
        """A host with its policies and its routes."""
        return Behind(
            service=service,
            addresses=addresses,
            entrance=self.entrance(target),
            rules=self._view.rules(service.host),
        )

    def entrance(self, target: tuple[str, str, str]) -> Entrance:
        """What is asked of those who call a host, and what is told of it."""
        named = selection.Waypoint(
            name=self._name,
            namespace=self._proxy.namespace,
            gateway_class=self._proxy.labels.get(GATEWAY_CLASS, ""),
            target=target,
        )
        return Entrance(
            guard=self._guards.at_waypoint(named),
            normalization=self._normalization,
            telemetry=telemetry.at_waypoint(self._snapshot, self._proxy, named, self._view.reach.clusters),
        )

    def context(self, served: Mapping[str, Service]) -> waypoints.Context:
        """For whom its routes are made."""
        reach, namespace = self._view.reach, self._proxy.namespace
        domains = model.trust_domains(self._snapshot.mesh_config)
        return waypoints.Context(
            requests=http_routes.Context(
                port=0,
                gateways={MESH},
                namespace=namespace,
                labels={},
                ports_of=reach.ports_of,
                hash_of=reach.hash_of,
                default_retries=self._view.default_retries,
                name_of=waypoints.upstream_names(served, subsets.HTTP),
                serves_everybody=True,
            ),
            connections=tcp_routes.Context(
                port=0,
                gateways={MESH},
                namespace=namespace,
                labels={},
                ports_of=reach.ports_of,
                name_of=waypoints.upstream_names(served, subsets.TCP),
            ),
            hash_of=reach.hash_of,
            trust_domains=domains,
            identities=(f"{domains[0]}/ns/{namespace}/sa/",),
        )


def _target(kind: str, obj: Object) -> tuple[str, str, str]:
    return kind, resources.namespace_of(obj), resources.name_of(obj)


def _outbound_names(part: Any) -> Iterator[str]:
    """The upstreams of hosts that the waypoint does not serve itself, wherever routes, logs or filters name them."""
    if isinstance(part, str):
        if part.startswith(OUTBOUND):
            yield part
    elif isinstance(part, Mapping):
        for value in part.values():
            yield from _outbound_names(value)
    elif isinstance(part, list):
        for value in part:
            yield from _outbound_names(value)
