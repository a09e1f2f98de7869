"""Why a request goes where it goes: read from one proxy's configuration, in Istio's names."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from labkit.mesh.explain import connections, effects, matching
from labkit.mesh.explain.connections import Connection
from labkit.mesh.explain.matching import Request
from labkit.mesh.model import Config, Resource

__all__ = ["Connection", "Destination", "Explanation", "Request", "Source", "explain", "from_dump", "source_of"]

OBJECT = re.compile(r"/apis/(?P<group>[^/]+)/[^/]+/namespaces/(?P<namespace>[^/]+)/(?P<kind>[^/]+)/(?P<name>.+)")
BLACK_HOLE = "BlackHoleCluster"
CLOSED = "the connection is closed"
NONE = -1
"""In place of the number of a route."""

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

    tunnels: str = ""
    """``by HBONE``, or that and the waypoint; empty where no endpoint is in ambient."""


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

    effects: tuple[tuple[str, str], ...] = ()
    """What else the route does: ``("fault", "10 % are answered with 418")``, ``("rewrite", "/v2")``."""

    is_tcp: bool = False
    """Whether the connection is forwarded as bytes, and nobody reads the request."""

    destinations: tuple[Destination, ...]
    source: Source | None
    """The object that made the route; None for a host without rules."""

    @property
    def sources(self) -> tuple[Source, ...]:
        """Every object that had a say, once."""
        every = [self.source, *(d.source for d in self.destinations)]
        return tuple(dict.fromkeys(s for s in every if s is not None))


def explain(
    config: Config, request: Request, *, port: int | None = None, connection: Connection | None = None
) -> Explanation:
    """The way of a request through one proxy, by the connection that it comes on.

    ``port`` of the listener is enough where the address of the destination does not matter. Without either, a sidecar
    takes the port in ``request.host``, and a gateway the first listener that has routes.
    """
    if connection is None:
        connection = _connection(config, request, port)
    pair = connections.listener(config, connection)
    if pair is None:
        return _explanation("", answer="the connection is refused")
    name, listener = pair
    chain = connections.chain(listener, connection)
    if chain is None or _speaks_otherwise(config, chain, connection):
        return _explanation(name, answer=CLOSED)
    for typed in connections.filters(chain):
        if connections.is_manager(typed):
            return _of_request(config, name, typed, request)
        if "cluster" in typed or "weighted_clusters" in typed:
            return _of_connection(config, name, typed)
    return _explanation(name, answer=CLOSED)


def _connection(config: Config, request: Request, port: int | None) -> Connection:
    host, _, number = request.host.partition(":")
    is_tls = request.scheme == "https"
    if port is None and connections.is_sidecar(config):
        port = int(number) if number.isdecimal() else connections.HTTPS_PORT if is_tls else connections.HTTP_PORT
    return Connection(port=port, host=host, is_tls=is_tls)


def _speaks_otherwise(config: Config, chain: Resource, connection: Connection) -> bool:
    """Whether a gateway expects TLS of a plain connection, or HTTP of one that begins with a handshake."""
    if connections.is_sidecar(config) or not any(map(connections.is_manager, connections.filters(chain))):
        return False
    return ("transport_socket" in chain) != connection.is_tls


def _of_request(config: Config, listener: str, manager: Resource, request: Request) -> Explanation:
    name = (manager.get("rds") or {}).get("route_config_name", "")
    table = config.routes.get(name) or manager.get("route_config")
    if table is None:
        return _explanation(listener, table=name, answer="404", index=NONE)
    request = matching.as_read(request, manager)
    host = matching.virtual_host(table, request.host)
    if host is None:
        return _explanation(listener, table=table.get("name", ""), answer="404", index=NONE)
    if host.get("require_tls") == "ALL" and request.scheme != "https":
        return _explanation(
            listener, table=table.get("name", ""), virtual_host=host["name"], answer="redirect to https", index=NONE
        )
    passed: list[str] = []
    for number, route in enumerate(host.get("routes") or ()):
        lacks = matching.lacks(route.get("match") or {}, request)
        if not lacks:
            return _explanation(
                listener,
                table=table.get("name", ""),
                virtual_host=host["name"],
                route=route.get("name", ""),
                index=number,
                passed=tuple(passed),
                answer=_answer(route),
                effects=tuple(effects.of(route)),
                destinations=tuple(_destinations(route.get("route") or {}, config)),
                source=source_of(route),
            )
        passed.append(f"{route.get('name') or f'route {number}'}: {lacks}")
    return _explanation(
        listener,
        table=table.get("name", ""),
        virtual_host=host["name"],
        passed=tuple(passed),
        answer="404",
        index=NONE,
    )


def _of_connection(config: Config, listener: str, proxy: Resource) -> Explanation:
    """A TCP proxy sends the bytes on as they are; nobody reads a request."""
    destinations = tuple(d for d in _destinations(proxy, config) if d.cluster != BLACK_HOLE)
    return _explanation(
        listener,
        virtual_host=listener if listener == connections.CAPTURED else "",
        route="passed on" if destinations else "",
        is_tcp=True,
        answer="" if destinations else CLOSED,
        destinations=destinations,
    )


def _explanation(listener: str, **fields: Any) -> Explanation:
    """With nothing where nothing is given."""
    nothing: dict[str, Any] = {
        "table": "",
        "virtual_host": "",
        "route": "",
        "index": 0,
        "passed": (),
        "answer": "",
        "destinations": (),
        "source": None,
    }
    return Explanation(listener=listener, **(nothing | fields))


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


def _destinations(action: Resource, config: Config) -> Iterable[Destination]:
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
        tunnels=_tunnels(name, config),
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
                elif local := _original(endpoint).get("local"):
                    yield str(local)


def _original(endpoint: Resource) -> Mapping[str, Any]:
    """Of an endpoint that is reached by HBONE: its address, and that of the waypoint in front of it."""
    metadata = (endpoint.get("metadata") or {}).get("filter_metadata") or {}
    return metadata.get("envoy.filters.listener.original_dst") or {}


def _tunnels(name: str, config: Config) -> str:
    """How endpoints in ambient are reached; empty where there are none."""
    groups = (config.endpoints.get(name) or {}).get("endpoints") or ()
    every = [_original(endpoint) for group in groups for endpoint in group.get("lb_endpoints") or ()]
    waypoints = sorted({str(original["waypoint"]) for original in every if original.get("waypoint")})
    if waypoints:
        return f"by HBONE through the waypoint at {', '.join(waypoints)}"
    return "by HBONE" if any(original.get("local") for original in every) else ""


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
