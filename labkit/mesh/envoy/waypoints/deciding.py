"""``main_internal``: by the address that a caller asked for, a chain decides what becomes of its connection."""

from collections.abc import Iterator, Sequence

from labkit.mesh import ir
from labkit.mesh.envoy import TYPE, access_logs, filters, listeners
from labkit.mesh.envoy.waypoints import names, tunnels
from labkit.mesh.model import Resource
from labkit.mesh.names import is_range

_INPUTS = f"{TYPE}.extensions.matching.common_inputs.network.v3"
PLAIN = ("http/1.1", "h2c", "http/1.0")
"""Protocols that the HTTP inspector tells of."""


def main_internal(waypoint: ir.Waypoint) -> Resource:
    """The listener."""
    logs = [access_logs.access_log(log, only=access_logs.UNMATCHED) for log in waypoint.logs]
    return {
        "name": names.MAIN,
        "internal_listener": {},
        "traffic_direction": "INBOUND",
        "listener_filters": [listeners.ORIGINAL_DST, _inspector(waypoint.inspected_not)],
        "filter_chains": [_chain(chain) for chain in waypoint.chains],
        "filter_chain_matcher": _by_address(list(_ranges(waypoint))),
        **({"access_log": logs} if logs else {}),
    }


def of_sidecar(inbound: ir.Listener) -> Resource:
    """The same of a sidecar: the chains of its app's ports, for what comes out of tunnels."""
    resource = listeners.listener(inbound)
    return {
        "name": names.MAIN,
        "internal_listener": {},
        "traffic_direction": "INBOUND",
        "continue_on_listener_filters_timeout": True,
        "listener_filters": [listeners.ORIGINAL_DST, listeners.HTTP_INSPECTOR],
        "filter_chains": resource["filter_chains"],
    }


def _inspector(spared: Sequence[int]) -> Resource:
    ranges: list[Resource] = [{"destination_port_range": {"start": port, "end": port + 1}} for port in spared]
    if not ranges:
        return listeners.HTTP_INSPECTOR
    disabled = ranges[0] if len(ranges) == 1 else {"or_match": {"rules": ranges}}
    return {**listeners.HTTP_INSPECTOR, "filter_disabled": disabled}


def _chain(chain: ir.Chain) -> Resource:
    is_direct = chain.name in (names.DIRECT_HTTP, names.DIRECT_TCP)
    first = [tunnels.KEEP_DESTINATION] if is_direct else []
    return {"name": chain.name, "filters": [*first, *filters.of_chain(chain, ir.WAYPOINT)]}


def _ranges(waypoint: ir.Waypoint) -> Iterator[Resource]:
    for host in waypoint.hosts:
        ports = {str(port): _to(*chains) for port, chains in host.ports.items()}
        yield _range(host.addresses, {"matcher": _tree("port", "DestinationPortInput", ports)})
    if waypoint.pods:
        yield _range(waypoint.pods, _to(names.DIRECT_HTTP, names.DIRECT_TCP))


def _range(addresses: Sequence[str], on_match: Resource) -> Resource:
    return {"ranges": [_prefix(address) for address in addresses], "on_match": on_match}


def _prefix(address: str) -> Resource:
    plain, _, length = address.rpartition("/") if is_range(address) else (address, "", "")
    return {"address_prefix": plain, "prefix_len": int(length or (128 if ":" in plain else 32))}


def _to(http: str, tcp: str) -> Resource:
    """To one chain, or to one of two by what the first bytes are."""
    if not http or not tcp:
        return _action(http or tcp)
    by_protocol = {f"'{protocol}'": _action(http) for protocol in PLAIN}
    return {
        "matcher": {
            **_tree("application-protocol", "ApplicationProtocolInput", by_protocol),
            "on_no_match": _action(tcp),
        }
    }


def _action(chain: str) -> Resource:
    value = {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": chain}
    return {"action": {"name": chain, "typed_config": value}}


def _tree(name: str, kind: str, choices: Resource) -> Resource:
    source = {"name": name, "typed_config": {"@type": f"{_INPUTS}.{kind}"}}
    return {"matcher_tree": {"input": source, "exact_match_map": {"map": choices}}}


def _by_address(ranges: Sequence[Resource]) -> Resource:
    matcher: Resource = {"@type": "type.googleapis.com/xds.type.matcher.v3.IPMatcher"}
    if ranges:
        matcher["range_matchers"] = list(ranges)
    source = {"name": "ip", "typed_config": {"@type": f"{_INPUTS}.DestinationIPInput"}}
    return {"matcher_tree": {"input": source, "custom_match": {"name": "ip", "typed_config": matcher}}}
