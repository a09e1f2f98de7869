"""Why a request goes where it goes: read from one proxy's configuration, in Istio's names."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labkit.mesh.explain import matching
from labkit.mesh.explain.matching import Request
from labkit.mesh.model import Config, Resource

__all__ = ["Destination", "Explanation", "Request", "Source", "explain", "from_dump", "source_of"]

OBJECT = re.compile(r"/apis/(?P<group>[^/]+)/[^/]+/namespaces/(?P<namespace>[^/]+)/(?P<kind>[^/]+)/(?P<name>.+)")
CAPTURED, PASSTHROUGH = "virtualOutbound", "PassthroughCluster"
HTTP_PORT = 80
KINDS = {"virtual-service": "VirtualService", "destination-rule": "DestinationRule"}


@dataclass(frozen=True, kw_only=True)
class Source:
    """An object that had a say."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True, kw_only=True)
class Destination:
    """One cluster of a route."""

    cluster: str
    percent: float
    exists: bool
    """A route may name a cluster that there is not: requests get 503."""

    endpoints: tuple[str, ...]
    """``address:port`` of those that are ready."""

    tls: str
    """``mutual TLS``, ``TLS``, ``plaintext``, or ``mutual TLS where the endpoint takes it``."""

    source: Source | None
    """Its DestinationRule."""


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """The way of a request, as far as it is known beforehand."""

    listener: str
    table: str
    virtual_host: str
    """Empty where no host fits: the answer is 404."""

    route: str
    """The name of the route; empty where it has none."""

    index: int
    """Its place among the routes of the host, from 0; -1 where none fits: the answer is 404."""

    passed: tuple[str, ...]
    """Routes before it, and what each asks for that the request lacks."""

    answer: str
    """What the proxy answers itself: ``redirect to …``, ``502``; empty where it forwards."""

    destinations: tuple[Destination, ...]
    source: Source | None
    """The object that made the route; None for a host without rules."""

    @property
    def sources(self) -> tuple[Source, ...]:
        """Every object that had a say, once."""
        every = [self.source, *(d.source for d in self.destinations)]
        return tuple(dict.fromkeys(s for s in every if s is not None))


def explain(config: Config, request: Request, *, port: int | None = None) -> Explanation:
    """The way of a request through one proxy; ``port`` of the listener where there are several with routes."""
    listener, table = _listener(config, request.host, port)
    if listener == CAPTURED:
        return _passed_on(config)
    host = matching.virtual_host(table, request.host)
    if host is None:
        return _nowhere(listener, table, "")
    passed: list[str] = []
    for number, route in enumerate(host.get("routes") or ()):
        lacks = matching.lacks(route.get("match") or {}, request)
        if not lacks:
            return Explanation(
                listener=listener,
                table=table.get("name", ""),
                virtual_host=host["name"],
                route=route.get("name", ""),
                index=number,
                passed=tuple(passed),
                answer=_answer(route),
                destinations=tuple(_destinations(route, config)),
                source=source_of(route),
            )
        passed.append(f"{route.get('name') or f'route {number}'}: {lacks}")
    return _nowhere(listener, table, host["name"], passed)


def _passed_on(config: Config) -> Explanation:
    """No listener has the port: the connection goes on to its address as it is, or is closed."""
    last = config.listeners[CAPTURED]["filter_chains"][-1]["filters"][-1]["typed_config"].get("cluster", "")
    allows = last == PASSTHROUGH
    return Explanation(
        listener=CAPTURED,
        table="",
        virtual_host=CAPTURED,
        route="passed on" if allows else "",
        index=0,
        passed=(),
        answer="" if allows else "the connection is closed",
        destinations=tuple(_to(PASSTHROUGH, 100, config) for _ in range(allows)),
        source=None,
    )


def _nowhere(listener: str, table: Resource, host: str, passed: Sequence[str] = ()) -> Explanation:
    return Explanation(
        listener=listener,
        table=table.get("name", ""),
        virtual_host=host,
        route="",
        index=-1,
        passed=tuple(passed),
        answer="404",
        destinations=(),
        source=None,
    )


def from_dump(dump: Mapping[str, Any]) -> Config:
    """An Envoy's ``/config_dump?include_eds`` with snake_case names as a configuration."""
    places = {
        "dynamic_active_clusters": ("clusters", "cluster"),
        "static_clusters": ("clusters", "cluster"),
        "dynamic_listeners": ("listeners", "active_state"),
        "static_listeners": ("listeners", "listener"),
        "dynamic_route_configs": ("routes", "route_config"),
        "static_route_configs": ("routes", "route_config"),
        "dynamic_endpoint_configs": ("endpoints", "endpoint_config"),
    }
    by_kind: dict[str, Any] = {kind: {} for kind, _ in places.values()}
    for part in dump.get("configs") or ():
        for key, (kind, inner) in places.items():
            for entry in part.get(key) or ():
                resource = entry.get(inner) or {}
                resource = resource.get("listener", resource) if kind == "listeners" else resource
                name = resource.get("cluster_name") or resource.get("name")
                if name:
                    by_kind[kind][name] = resource
    return Config(**by_kind)


def _listener(config: Config, host: str, port: int | None) -> tuple[str, Resource]:
    """The listener that a request comes to, and its routes.

    A sidecar is handed connections by their destination: the port in ``host``, and the address of the Service where it
    has a listener of its own. Of a gateway without a port it is the first listener that has routes.
    """
    is_sidecar = CAPTURED in config.listeners
    name, _, number = host.partition(":")
    if is_sidecar and port is None:
        port = int(number) if number.isdecimal() else HTTP_PORT
    routed = [candidate for candidate in _routed(config, port) if not is_sidecar or _is_for(candidate[1], name, port)]
    if routed:
        # A table for one host alone comes before that of its port.
        return min(routed, key=lambda listener: listener[1].get("name", "").isdecimal())
    return (CAPTURED if is_sidecar else ""), {}


def _is_for(table: Resource, host: str, port: int | None) -> bool:
    """Whether connections to a host come to the listener of a table: of one named after another host they do not."""
    of_host, separator, _ = str(table.get("name", "")).rpartition(f":{port}")
    return not separator or of_host == host or of_host.startswith(f"{host}.")


def _routed(config: Config, port: int | None) -> Iterable[tuple[str, Resource]]:
    """Every listener that is not for incoming connections, with its routes."""
    for name, listener in config.listeners.items():
        address = listener.get("address", {}).get("socket_address", {})
        if listener.get("traffic_direction") == "INBOUND" or (port and address.get("port_value") != port):
            continue
        for manager in _managers(listener):
            table = (manager.get("rds") or {}).get("route_config_name", "")
            if table in config.routes:
                yield name, config.routes[table]
            elif "route_config" in manager:
                yield name, manager["route_config"]


def _managers(listener: Resource) -> Iterable[Resource]:
    for chain in listener.get("filter_chains") or ():
        for part in chain.get("filters") or ():
            typed = part.get("typed_config") or {}
            if str(typed.get("@type", "")).endswith("HttpConnectionManager"):
                yield typed


def _answer(route: Resource) -> str:
    if "direct_response" in route:
        return str(route["direct_response"]["status"])
    if "redirect" in route:
        redirect = route["redirect"]
        parts = [
            redirect.get("scheme_redirect", ""),
            redirect.get("host_redirect", ""),
            redirect.get("path_redirect", ""),
        ]
        return "redirect to " + (" ".join(str(p) for p in parts if p) or "the same place")
    return ""


def _destinations(route: Resource, config: Config) -> Iterable[Destination]:
    action = route.get("route") or {}
    weighted = (action.get("weighted_clusters") or {}).get("clusters")
    shares = [(c["name"], c.get("weight", 0)) for c in weighted] if weighted else [(action.get("cluster", ""), 100)]
    total = sum(weight for _, weight in shares) or 1
    for name, weight in shares if action else ():
        yield _to(name, 100 * weight / total, config)


def _to(name: str, percent: float, config: Config) -> Destination:
    cluster = config.clusters.get(name)
    return Destination(
        cluster=name,
        percent=percent,
        exists=cluster is not None,
        endpoints=tuple(_endpoints(name, cluster or {}, config)),
        tls=_tls(cluster or {}),
        source=source_of(cluster or {}),
    )


def _endpoints(name: str, cluster: Resource, config: Config) -> Iterable[str]:
    assignment = config.endpoints.get(name) or cluster.get("load_assignment") or {}
    for group in assignment.get("endpoints") or ():
        for endpoint in group.get("lb_endpoints") or ():
            if endpoint.get("health_status", "HEALTHY") in ("HEALTHY", "UNKNOWN"):
                address = endpoint["endpoint"]["address"].get("socket_address")
                if address:
                    yield f"{address['address']}:{address['port_value']}"


def _tls(cluster: Resource) -> str:
    matches = cluster.get("transport_socket_matches")
    if matches:
        return "mutual TLS where the endpoint takes it"
    socket = (cluster.get("transport_socket") or {}).get("typed_config") or {}
    if not str(socket.get("@type", "")).endswith("UpstreamTlsContext"):
        return "plaintext"
    secrets = (socket.get("common_tls_context") or {}).get("tls_certificate_sds_secret_configs") or ()
    return "mutual TLS" if secrets else "TLS"


def source_of(resource: Resource) -> Source | None:
    """The object that made a route or a cluster, as its metadata says."""
    path = ((resource.get("metadata") or {}).get("filter_metadata") or {}).get("istio", {}).get("config", "")
    match = OBJECT.match(path)
    if match is None:
        return None
    kind = KINDS.get(match["kind"]) or "".join(word.capitalize() for word in match["kind"].split("-"))
    return Source(kind=kind, namespace=match["namespace"], name=match["name"])
