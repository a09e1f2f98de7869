"""Istio's metrics by upstream Envoy: an access logger that counts, in the place of Istio's own filter.

Its statistics have Istio's names. Their tags say in as few words as possible what labels are made of; who reads
``:15020`` gets the labels that Istio has (``sandbox/proxy/istio_metrics.py`` writes them out).
"""

from typing import Any

from labkit.mesh import place
from labkit.mesh.model import Resource

TYPE = "type.googleapis.com/envoy"
PREFIX = "istiocustom"
WITHOUT = "without"
"""The tag that names the labels a Telemetry takes away."""

PEER_HEADER = "x-envoy-peer-metadata"
"""Istio's own: who calls."""

PEER_STATE = "io.istio.peer"

ABOUT = "about"
"""The tag of every statistic, its parts divided by ``|``: one tag costs a request less than ten."""

PARTS = (
    "reporter", "response_flags", "response_code", "grpc_response_status", "source_principal", "destination_principal",
    "peer", "destination_service", "address", "request_host",
)  # fmt: skip
"""What the parts are. The last may hold any text that a client sends."""

SERVICE_KEY = "service"
"""In the metadata of clusters: ``host;name;namespace``. Envoy writes a list out as JSON for every request anew."""

SERVICE = f"%CLUSTER_METADATA(istio:{SERVICE_KEY})%"
FLAGS = "%RESPONSE_FLAGS%"
CALLED = {
    "reporter": "source",
    "response_flags": FLAGS,
    "peer": "%UPSTREAM_METADATA(istio:workload)%",
    "destination_service": SERVICE,
    "source_principal": "%UPSTREAM_LOCAL_URI_SAN%",
    "destination_principal": "%UPSTREAM_PEER_URI_SAN%",
}
SERVED = {
    "reporter": "destination",
    "response_flags": FLAGS,
    "destination_service": SERVICE,
    "source_principal": "%DOWNSTREAM_PEER_URI_SAN%",
    "destination_principal": "%DOWNSTREAM_LOCAL_URI_SAN%",
}
CALLER_STATE = "labkit.caller_address"
"""Filter state of a tunnel to a waypoint: the address of whoever made it, whatever a request says of clients."""

PASSED = {
    "reporter": "waypoint",
    "response_flags": FLAGS,
    "peer": "%UPSTREAM_METADATA(istio:workload)%",
    "destination_service": SERVICE,
    "source_principal": "%FILTER_STATE(io.istio.peer_principal:PLAIN)%",
    "destination_principal": "%UPSTREAM_REMOTE_ADDRESS%",
    "address": f"%FILTER_STATE({CALLER_STATE}:PLAIN)%",
}
"""Of a waypoint: it is neither end, so it says who is at both. Whose pod answers, its address tells the page."""

OF_REQUESTS = {"response_code": "%RESPONSE_CODE%", "grpc_response_status": "%GRPC_STATUS_NUMBER%"}

PEER = f"%FILTER_STATE({PEER_STATE}:PLAIN)%"
ADDRESS = "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"
HOST = "%REQ(:AUTHORITY)%"

OWN = "own"
"""The tag of a node's proxy, which speaks for many pods: the one whose connection is counted."""

MESSAGES = "messages"
"""The tag with the messages of one call of gRPC, ``{"requestMessageCount":"1"}``: a counter cannot be told a number out
of it, so each call counts once here and who reads the page multiplies."""

MESSAGE_COUNTS = "%FILTER_STATE(envoy.filters.http.grpc_stats:TYPED)%"

Departures = dict[str, Resource]
"""Metric, without its prefix → how a Telemetry changes it."""

OPENED, CLOSED = "TcpUpstreamConnected", "TcpConnectionEnd"


def of_requests(plugin: Resource, *, is_served: bool) -> list[Resource]:
    """The loggers of a connection manager."""
    is_waypoint = _is_waypoint(plugin)
    tags = {**(PASSED if is_waypoint else SERVED if is_served else CALLED), **OF_REQUESTS}
    if is_waypoint:
        pass
    elif is_served:
        tags["peer"] = PEER
    elif not plugin.get("disable_host_header_fallback"):
        tags["request_host"] = HOST
    departures = _departures(plugin)
    each = [
        _counter("requests_total", tags, departures),
        _histogram("request_duration_milliseconds", "Milliseconds", "%DURATION%", tags, departures),
        _histogram("request_bytes", "Bytes", "%DOWNSTREAM_WIRE_BYTES_RECEIVED%", tags, departures),
        _histogram("response_bytes", "Bytes", "%DOWNSTREAM_WIRE_BYTES_SENT%", tags, departures),
    ]
    messages = [_messages(f"{side}_messages_total", tags, departures) for side in ("request", "response")]
    return [*_logger(each), *_logger(messages, only=GRPC)]


def of_connections(plugin: Resource, *, is_served: bool) -> list[Resource]:
    """The loggers of a TCP proxy."""
    tags = {**SERVED, "address": ADDRESS} if is_served else dict(CALLED)
    if _is_waypoint(plugin):
        tags = dict(PASSED)
    departures = _departures(plugin)
    opened = {**tags, "response_flags": "-"}
    closing = [
        _counter("tcp_connections_closed_total", tags, departures),
        _counter("tcp_sent_bytes_total", tags, departures, "%BYTES_SENT%"),
        _counter("tcp_received_bytes_total", tags, departures, "%BYTES_RECEIVED%"),
    ]
    beginning = [_counter("tcp_connections_opened_total", opened, departures)]
    return [*_logger(closing, only=_of_type(CLOSED)), *_logger(beginning, only=_of_type(OPENED))]


def _is_waypoint(plugin: Resource) -> bool:
    return plugin.get("reporter") == "SERVER_GATEWAY"


def at_end_only(log: Resource) -> Resource:
    """A log that is not to have a second line when a connection opens, which is told for the metrics' sake."""
    given, end = log.get("filter"), _of_type(CLOSED)
    return {**log, "filter": {"and_filter": {"filters": [given, end]}} if given else end}


GRPC: Resource = {"header_filter": {"header": {"name": "content-type", "string_match": {"prefix": "application/grpc"}}}}


def _of_type(kind: str) -> Resource:
    return {"log_type_filter": {"types": [kind]}}


def _departures(plugin: Resource) -> Departures:
    return {str(metric.get("name")): metric for metric in plugin.get("metrics") or ()}


def _tags(name: str, tags: dict[str, str], departures: Departures) -> list[Resource] | None:
    """The tags of a metric; None where a Telemetry drops it."""
    metric = departures.get(name) or {}
    if metric.get("drop"):
        return None
    own = {label: f"%CEL({expression})%" for label, expression in (metric.get("dimensions") or {}).items()}
    gone = {WITHOUT: " ".join(metric["tags_to_remove"])} if metric.get("tags_to_remove") else {}
    about = {ABOUT: "|".join(tags.get(part, "") for part in PARTS)}
    return [{"name": label, "value_format": value} for label, value in {**about, **own, **gone}.items()]


def _counter(name: str, tags: dict[str, str], departures: Departures, value: str = "") -> Resource | None:
    kept = _tags(name, tags, departures)
    if kept is None:
        return None
    amount: dict[str, Any] = {"value_format": value} if value else {"value_fixed": 1}
    return {"stat": {"name": f"istio_{name}", "tags": kept}, **amount}


def _messages(name: str, tags: dict[str, str], departures: Departures) -> Resource | None:
    kept = _tags(name, tags, departures)
    if kept is None:
        return None
    counted = {"name": MESSAGES, "value_format": MESSAGE_COUNTS}
    return {"stat": {"name": f"istio_{name}", "tags": [*kept, counted]}, "value_fixed": 1}


def _histogram(name: str, unit: str, value: str, tags: dict[str, str], departures: Departures) -> Resource | None:
    kept = _tags(name, tags, departures)
    if kept is None:
        return None
    return {"stat": {"name": f"istio_{name}", "tags": kept}, "unit": unit, "value_format": value}


def _logger(stats: list[Resource | None], only: Resource | None = None) -> list[Resource]:
    kept = [stat for stat in stats if stat]
    if not kept:
        return []
    config = {
        "@type": f"{TYPE}.extensions.access_loggers.stats.v3.Config",
        "stat_prefix": PREFIX,
        "counters": [stat for stat in kept if "unit" not in stat],
        "histograms": [stat for stat in kept if "unit" in stat],
    }
    entry: Resource = {"name": "envoy.access_loggers.stats", "typed_config": config}
    return [{**entry, "filter": only} if only else entry]


def says_who_calls() -> list[Resource]:
    """In the place of Istio's exchange, at the caller."""
    header = {"key": PEER_HEADER, "value": f"%ENVIRONMENT({place.WORKLOAD})%"}
    return [_mutation([{"append": {"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}}])]


def reads_who_calls() -> list[Resource]:
    """In the place of Istio's exchange, at the one who is called: the app never sees the header."""
    state = {
        "object_key": PEER_STATE,
        "factory_key": "envoy.string",
        "format_string": {"text_format_source": {"inline_string": f"%REQ({PEER_HEADER})%"}},
        "skip_if_empty": True,
    }
    kind = f"{TYPE}.extensions.filters.http.set_filter_state.v3.Config"
    reading = {"name": "istio.metadata_exchange", "typed_config": {"@type": kind, "on_request_headers": [state]}}
    return [reading, _mutation([{"remove": PEER_HEADER}])]


def reads_whose_tunnel() -> list[Resource]:
    """In the place of Istio's discovery at a waypoint: whose tunnel it is, for the listener that counts requests."""
    state = {
        "object_key": CALLER_STATE,
        "factory_key": "envoy.hashable_string",
        "format_string": {"text_format_source": {"inline_string": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%"}},
        "shared_with_upstream": "ONCE",
    }
    kind = f"{TYPE}.extensions.filters.http.set_filter_state.v3.Config"
    return [{"name": "labkit.caller", "typed_config": {"@type": kind, "on_request_headers": [state]}}]


def _mutation(changes: list[Resource]) -> Resource:
    kind = f"{TYPE}.extensions.filters.http.header_mutation.v3.HeaderMutation"
    config = {"@type": kind, "mutations": {"request_mutations": changes}}
    return {"name": "envoy.filters.http.header_mutation", "typed_config": config}
