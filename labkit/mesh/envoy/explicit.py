"""The route configuration of a sidecar that apps call as an HTTP proxy: the union of Istio's per-port ones."""

from collections.abc import Iterator, Sequence

from labkit.mesh import domains, ir
from labkit.mesh.envoy import listeners, routes
from labkit.mesh.memo import Memo
from labkit.mesh.model import Resource

NO_SUCH_HOST = "no Service of the mesh has this name and port\n"
INSIDE = ("[^.:]+", r".*\.svc", r".*\.cluster\.local\.?")
"""Names that only the cluster's DNS could know; asking others for them would only take time."""


def config(
    tables: Sequence[ir.RouteTable],
    connections: Sequence[ir.TcpHost],
    memo: Memo,
    key: object,
    *,
    allows: bool,
    namespaces: Sequence[str] = (),
) -> Resource:
    """Virtual hosts of all ports, told apart by ``host:port``; ``namespaces`` are those that there are."""
    taken: set[str] = set()
    made = []
    for name, host in _hosts(tables):
        found = memo.get(("proxied", key, name), (host,), lambda host=host: _request_host(host))  # type: ignore[misc]
        made += _without(found, taken)
    for index, tcp in enumerate(connections):
        found = memo.get(
            ("tunnel", key, tcp.host, tcp.port, index),
            (tcp,),
            lambda tcp=tcp: _tunnel_host(tcp),  # type: ignore[misc]
        )
        made += _without(found, taken)
    last = unknown(allows=allows, namespaces=namespaces)
    return routes.route_config(listeners.HTTP_PROXY, [*made, last], ignores_ports=False)


def _hosts(tables: Sequence[ir.RouteTable]) -> Iterator[tuple[str, ir.VirtualHost]]:
    for table in tables:
        for host in table.hosts:
            yield f"{table.name}/{host.name}", host


def _request_host(host: ir.VirtualHost) -> Resource:
    return routes.virtual_host(host, routes.with_ports(host))


def _without(host: Resource, taken: set[str]) -> list[Resource]:
    """The host under the names that no other one has: Envoy refuses a table that names a domain twice."""
    free = [d for d in host["domains"] if d not in taken]
    taken.update(free)
    if len(free) == len(host["domains"]):
        return [host]
    return [{**host, "domains": free}] if free else []


def _tunnel_host(found: ir.TcpHost) -> Resource:
    """Connections that are not HTTP come by CONNECT; a plain request is simply carried on."""
    chosen = next((r.destinations for r in found.routes if r.destinations), ())
    upgrade = [{"upgrade_type": "CONNECT", "connect_config": {}}]
    action = routes.forward(ir.Forward(destinations=chosen, is_weighted=len(chosen) > 1))
    made = [
        {"name": "connect", "match": {"connect_matcher": {}}, "route": {**action, "upgrade_configs": upgrade}},
        {"name": "default", "match": {"prefix": "/"}, "route": action},
    ]
    return {
        "name": f"{found.host}:{found.port}",
        "domains": domains.with_port(found.domains, found.port),
        "routes": made if chosen else [],
    }


def unknown(*, allows: bool, namespaces: Sequence[str] = ()) -> Resource:
    """What a host outside the mesh gets: its name is looked up, or it is refused."""
    name = "allow_any" if allows else "block_all"
    anything: Resource = {"prefix": "/"}
    tunnel: Resource = {"connect_matcher": {}}
    if not allows:
        reply = {"direct_response": {"status": 502}}
        # A captured connection is taken and closed at once: so is a tunnel (curl's exit code is 35, as in Istio).
        closed = {"direct_response": {"status": 200}}
        routes_of = [{"name": name, "match": tunnel, **closed}, {"name": name, "match": anything, **reply}]
        return {"name": name, "domains": ["*"], "routes": routes_of}
    on: Resource = {"cluster": "PassthroughCluster", "timeout": "0s"}
    upgrade = [{"upgrade_type": "CONNECT", "connect_config": {}}]
    told = {"direct_response": {"status": 502, "body": {"inline_string": NO_SUCH_HOST}}}
    return {
        "name": name,
        "domains": ["*"],
        "routes": [
            *({"name": name, "match": {**anything, "headers": [_authority(e)]}, **told} for e in inside(namespaces)),
            {"name": name, "match": tunnel, "route": {**on, "upgrade_configs": upgrade}},
            {"name": name, "match": anything, "route": on},
        ],
    }


def inside(namespaces: Sequence[str]) -> list[str]:
    """What fits every name that ends inside the cluster: ``reviews``, ``reviews.default``, ``reviews.default.svc``.

    An expression for each namespace: Envoy refuses one whose program has more than 100 steps, and with it the whole
    table (``re2.max_program_size.error_level``).
    """
    short = (rf"[^.:]+\.{namespace}" for namespace in sorted(namespaces))
    return [f"({expression})(:[0-9]+)?" for expression in ("|".join(INSIDE), *short)]


def _authority(expression: str) -> Resource:
    return {"name": ":authority", "string_match": {"safe_regex": {"regex": expression}}}
