"""The route configuration of a sidecar that apps call as an HTTP proxy: the union of Istio's per-port ones."""

from collections.abc import Sequence
from itertools import chain

from labkit.mesh import ir
from labkit.mesh.envoy import listeners, routes
from labkit.mesh.hosts import domains
from labkit.mesh.memo import Memo
from labkit.mesh.model import Resource

NO_SUCH_HOST = "no Service of the mesh has this name and port\n"
INSIDE = ("[^.:]+", r".*\.svc", r".*\.cluster\.local\.?")
"""Names that only the cluster's DNS could know; asking others for them would only take time."""


def config(
    tables: Sequence[ir.RouteTable],
    connections: Sequence[ir.TcpHost],
    memo: Memo,
    key: int,
    *,
    allows: bool,
    namespaces: Sequence[str] = (),
) -> Resource:
    """Virtual hosts of all ports, told apart by ``host:port``; ``namespaces`` are those that there are."""
    hosts = list(chain.from_iterable(table.hosts for table in tables))
    made = [
        *memo.each(("requests", key), (hosts,), lambda _, host: _request_host(host)),
        *memo.each(("tunnels", key), (connections,), lambda _, host: _tunnel_host(host)),
    ]
    all_names = [host["domains"] for host in made]
    free = memo.alike(("free", key), all_names, lambda: _free(all_names))
    found = memo.each(("named", key), (made, free), lambda _, host, names: _named(host, names))
    last = memo.alike(("unknown", key), (allows, namespaces), lambda: unknown(allows=allows, namespaces=namespaces))
    wanted = (*(host for host in found if host is not None), last)
    return memo.get(
        ("table", key), wanted, lambda: routes.route_config(listeners.HTTP_PROXY, wanted, ignores_ports=False)
    )


def _request_host(host: ir.VirtualHost) -> Resource:
    return routes.virtual_host(host, routes.with_ports(host))


def _free(all_names: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """Of each host the names that none before it has."""
    taken: set[str] = set()
    return [tuple(routes.free(names, taken)) for names in all_names]


def _named(host: Resource, free: Sequence[str]) -> Resource | None:
    """The host under those names; None where there are none left."""
    if len(free) == len(host["domains"]):
        return host
    return {**host, "domains": list(free)} if free else None


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

    An expression for each namespace, so that none grows with their number: Envoy refuses one whose program is too long,
    and with it the whole table (``re2.max_program_size.error_level``).
    """
    short = (rf"[^.:]+\.{namespace}" for namespace in sorted(namespaces))
    return [f"({expression})(:[0-9]+)?" for expression in ("|".join(INSIDE), *short)]


def _authority(expression: str) -> Resource:
    return {"name": ":authority", "string_match": {"safe_regex": {"regex": expression}}}
