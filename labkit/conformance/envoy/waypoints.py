"""Facts of a waypoint: its chains by address and port, their guards and routes, and both ends of its tunnels."""

from collections.abc import Iterator
from typing import Any

from labkit.conformance.envoy.chains import Chain, chain
from labkit.conformance.envoy.clusters import cluster
from labkit.conformance.envoy.routes import virtual_host
from labkit.conformance.envoy.values import Json, present, type_of

MAIN = "main_internal"
STATES = ("on_request_headers", "on_new_connection")
ISTIOS = ("istio.", "waypoint_downstream_peer_metadata", "waypoint_upstream_peer_metadata")
"""How the names of filters begin that only Istio's build of Envoy has."""

PLACES = "labkit."
"""How the places begin by which a sandbox discovers filters; one without a task decides nothing."""


def is_waypoint(resources: dict[str, dict[str, Json]]) -> bool:
    """Whether a proxy is a waypoint."""
    return MAIN in resources.get("listeners", {})


def waypoint_facts(resources: dict[str, dict[str, Json]]) -> dict[str, Any]:
    """All facts of its listeners and clusters."""
    facts: dict[str, Any] = {}
    for name, listener in resources["listeners"].items():
        facts |= dict(_listener(name, listener, resources.get("ecds", {})))
    return {**facts, **{f"cluster {n}": _cluster(body) for n, body in resources.get("clusters", {}).items()}}


def _listener(name: str, listener: Json, extensions: dict[str, Json]) -> Iterator[tuple[str, Any]]:
    for number, body in enumerate(listener.get("filter_chains", [])):
        title = f"waypoint {name} {body.get('name') or number}"
        read = chain(body, extensions)
        yield title, _chain(body, read)
        if read.telemetry:
            yield f"telemetry {title}", read.telemetry
    yield f"waypoint {name}", _frame(listener)


def _frame(listener: Json) -> Json:
    """What a listener is apart from its chains."""
    filters = [
        {"name": entry["name"].rsplit(".", 1)[-1], "disabled": entry.get("filter_disabled")}
        for entry in listener.get("listener_filters", [])
    ]
    matcher = listener.get("filter_chain_matcher", {}).get("matcher_tree", {}).get("custom_match", {})
    ranges = matcher.get("typed_config", {}).get("range_matchers", [])
    return present(
        {
            "inspects": [present(entry) for entry in filters],
            "direction": listener.get("traffic_direction"),
            "port": listener.get("address", {}).get("socket_address", {}).get("port_value"),
            "addresses": {_addresses(entry): _ports(entry["on_match"]) for entry in ranges},
            "logs": listener.get("access_log"),
        }
    )


def _addresses(entry: Json) -> str:
    return ",".join(sorted(f"{r['address_prefix']}/{r.get('prefix_len')}" for r in entry["ranges"]))


def _ports(match: Json) -> Any:
    """A tree of choices by port and protocol as nested maps; its leaves are names of chains."""
    if "action" in match:
        return match["action"]["name"]
    choices = match["matcher"]["matcher_tree"]["exact_match_map"]["map"]
    named = {key: _ports(choice) for key, choice in choices.items()}
    otherwise = match["matcher"].get("on_no_match")
    return {**named, "otherwise": _ports(otherwise)} if otherwise else named


def _chain(body: Json, read: Chain) -> Json:
    network = [f for f in body.get("filters", []) if not f["name"].startswith(ISTIOS)]
    return {
        **read.facts,
        "filters in order": [f["name"] for f in network],
        **present(
            {
                "states": [state for entry in network for state in _states(entry)],
                "tunnel": next((t for f in network if (t := f["typed_config"].get("tunneling_config"))), None),
                "http filters": _http_filters(read.http) if read.http else None,
                "hosts": {host["name"]: virtual_host(host) for host in read.hosts({})},
            }
        ),
    }


def _http_filters(http: Json) -> list[Any]:
    names = [f["name"] for f in http.get("http_filters", []) if not f["name"].startswith((*ISTIOS, PLACES))]
    return [*names, *(state for entry in http.get("http_filters", []) for state in _states(entry))]


def _states(entry: Json) -> list[Json]:
    config = entry.get("typed_config", {})
    return [
        present(
            {
                "key": state.get("object_key"),
                "text": state.get("format_string", {}).get("text_format_source", {}).get("inline_string"),
                "factory": state.get("factory_key", "").rpartition(".")[2],
                "shared": state.get("shared_with_upstream"),
            }
        )
        for word in STATES
        for state in config.get(word, [])
    ]


def _cluster(body: Json) -> Json:
    socket = body.get("transport_socket", {}).get("typed_config", {})
    inner = socket.get("transport_socket", {}) if type_of(socket) == "InternalUpstreamTransport" else None
    facts = cluster({**body, "transport_socket": inner} if inner else body)
    return {
        **facts,
        **present(
            {
                "passes on": [entry["name"] for entry in socket.get("passthrough_metadata", [])] if inner else None,
                "is internal": inner is not None,
                "original dst": body.get("original_dst_lb_config"),
                "subset": body.get("metadata", {}).get("filter_metadata", {}).get("istio", {}).get("subset"),
            }
        ),
    }
