"""Facts of listeners: outbound hosts and TCP, inbound ports, a gateway's servers."""

from collections.abc import Iterator
from typing import Any

from labkit.conformance.envoy.chains import Chain, chain
from labkit.conformance.envoy.filters import per_route
from labkit.conformance.envoy.routes import PORT, targets, virtual_host
from labkit.conformance.envoy.values import Json, present

VIRTUAL_INBOUND = 15006
"""The port of Istio's catch-all for inbound connections; what it does is a fact of capture."""

PASSED_THROUGH = ("PassthroughCluster", "BlackHoleCluster")


def is_gateway(resources: dict[str, dict[str, Json]]) -> bool:
    """A proxy without inbound listeners is a gateway."""
    return not any(_is_inbound(listener) for listener in resources.get("listeners", {}).values())


def _is_inbound(listener: Json) -> bool:
    return listener.get("traffic_direction") == "INBOUND"


def listener_facts(resources: dict[str, dict[str, Json]], *, for_gateway: bool) -> dict[str, Any]:
    """All facts of a proxy's listeners and of the route configurations they name."""
    facts: dict[str, Any] = {}
    inbound: dict[int, list[Chain]] = {}
    tables, extensions = resources.get("routes", {}), resources.get("ecds", {})
    for _, listener in sorted(resources.get("listeners", {}).items()):
        for read in _chains(listener, extensions):
            side = "inbound" if _is_inbound(listener) else "gateway" if for_gateway else "outbound"
            facts |= {f"telemetry {side} {what}": value for what, value in read.telemetry.items()}
            if side == "inbound":
                inbound.setdefault(_inbound_port(listener, read), []).append(read)
            elif side == "gateway":
                facts |= _server(listener, read, tables)
            else:
                facts |= _tcp(listener, read)
                facts |= _outbound(listener, read.hosts(tables), resources.get("clusters", {}))
    facts |= {f"inbound {port}": _inbound(c, tables) for port, c in inbound.items() if port not in (0, VIRTUAL_INBOUND)}
    return facts


def _chains(listener: Json, extensions: dict[str, Json]) -> Iterator[Chain]:
    bodies = list(listener.get("filter_chains", []))
    if "default_filter_chain" in listener and not _is_inbound(listener):
        bodies.append(listener["default_filter_chain"])
    return (chain(body, extensions) for body in bodies)


def _address(listener: Json) -> Json:
    socket: Json = listener.get("address", {}).get("socket_address", {})
    return socket


def _port(listener: Json, read: Chain) -> Any:
    return read.match.get("destination_port") or _address(listener).get("port_value")


def _inbound_port(listener: Json, read: Chain) -> int:
    """The pod's port that a chain is for; 0 for the chains of virtualInbound that take any port."""
    if listener.get("name") == "virtualInbound":
        return read.match.get("destination_port") or 0
    return _port(listener, read) or 0


def _inbound(chains: list[Chain], tables: dict[str, Json]) -> Json:
    """What protects a port of the pod. Its chains, one per kind of connection, say the same but for TLS."""
    facts: Json = {}
    for read in chains:
        facts |= {key: value for key, value in read.facts.items() if key not in ("tcp", "tls")}
        for host in read.hosts(tables):
            limits = [limit for entry in host.get("routes", []) if (limit := _route_limits(entry))]
            limits += [limit] if (limit := per_route(host)) else []
            facts |= {"route limits": limits} if limits else {}
    mutual = {read.is_mutual for read in chains}
    return {**facts, "mode": "PERMISSIVE" if mutual == {True, False} else "STRICT" if True in mutual else "DISABLE"}


def _route_limits(entry: Json) -> Json:
    return {**per_route(entry), **present({"rate limits": entry.get("route", {}).get("rate_limits")})}


def _server(listener: Json, read: Chain, tables: dict[str, Json]) -> dict[str, Any]:
    names = ",".join(sorted(read.match.get("server_names", []))) or "*"
    hosts = {host["name"]: virtual_host(host) for host in read.hosts(tables)}
    return {f"gateway {_port(listener, read)} {names}": {**read.facts, "hosts": hosts}}


def _tcp(listener: Json, read: Chain) -> dict[str, Any]:
    if "tcp" not in read.facts or read.facts["tcp"][0][0] in PASSED_THROUGH:
        return {}
    names = ",".join(sorted(read.match.get("server_names", [])))
    ranges = ",".join(r["address_prefix"] for r in read.match.get("prefix_ranges", []))
    address = _address(listener)
    title = f"tcp {address.get('address')}:{address.get('port_value')} {names or ranges}".strip()
    return {title: read.facts["tcp"]}


def _outbound(listener: Json, hosts: list[Json], clusters: dict[str, Json]) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for host in hosts:
        has_port = PORT.search(host["name"])
        if host["domains"] == ["*"] and not has_port:
            facts["unknown-hosts http"] = _unknown_hosts(host)
        elif not _leads_nowhere(host, clusters):
            name = host["name"] if has_port else f"{host['name']}:{_address(listener).get('port_value')}"
            facts[f"outbound {name}"] = virtual_host(host)
    return facts


def _unknown_hosts(host: Json) -> Any:
    entry = (host.get("routes") or [{}])[0]
    return ["refused", entry["direct_response"]["status"]] if "direct_response" in entry else "passed"


def _leads_nowhere(host: Json, clusters: dict[str, Json]) -> bool:
    """Istio adds a VirtualService's host to the tables of ports that the host lacks: no such cluster exists."""
    name, _, port = host["name"].rpartition(":")
    destinations = [target[0] for entry in host.get("routes", []) for target in _targets(entry)]
    has_port = f"outbound|{port}||{name}" in clusters
    return not has_port and bool(destinations) and not any(d in clusters or not d for d in destinations)


def _targets(entry: Json) -> list[list[Any]]:
    return targets(entry["route"]) if "route" in entry else [[""]]
