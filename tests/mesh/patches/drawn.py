"""Messages and EnvoyFilters drawn at random."""

import random
from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from labkit.mesh import messages

Object = dict[str, Any]
TYPE = "type.googleapis.com/envoy.extensions"
MANAGER = "envoy.filters.network.http_connection_manager"

DURATION = "google.protobuf.Duration"
WRAPPERS: Mapping[str, Callable[[random.Random], Any]] = {
    "google.protobuf.BoolValue": lambda chance: chance.random() < 0.5,
    "google.protobuf.UInt32Value": lambda chance: chance.choice((0, 1, 7)),
    "google.protobuf.StringValue": lambda chance: chance.choice(("", "x")),
    "google.protobuf.DoubleValue": lambda chance: chance.choice((0.0, 1.5)),
    DURATION: lambda chance: chance.choice(("0s", "1s", "0.5s", "1.250s")),
}
SCALARS: Mapping[int, Callable[[random.Random], Any]] = {
    FieldDescriptor.TYPE_STRING: lambda chance: chance.choice("abc"),
    FieldDescriptor.TYPE_BOOL: lambda chance: chance.random() < 0.5,
    FieldDescriptor.TYPE_UINT32: lambda chance: chance.randrange(3),
    FieldDescriptor.TYPE_INT32: lambda chance: chance.randrange(3),
    FieldDescriptor.TYPE_DOUBLE: lambda chance: chance.choice((0.0, 2.5)),
}


def message(name: str, chance: random.Random, depth: int = 3) -> Object:
    """JSON of a message with a few of its fields, of some oneof at most one."""
    return _message(messages.descriptor(name), chance, depth)


def _message(of: Descriptor, chance: random.Random, depth: int) -> Object:
    fields = [field for field in of.fields if _is_drawn(field, depth)]
    value: Object = {}
    oneofs = set()
    for field in chance.sample(fields, min(len(fields), chance.randint(1, 5))):
        if field.containing_oneof is not None:
            if field.containing_oneof.name in oneofs:
                continue
            oneofs.add(field.containing_oneof.name)
        items = [_single(field, chance, depth) for _ in range(chance.randint(1, 2))]
        value[field.name] = items if field.is_repeated else items[0]
    return value


def _is_drawn(field: FieldDescriptor, depth: int) -> bool:
    if field.type != FieldDescriptor.TYPE_MESSAGE:
        return field.type in SCALARS
    name = field.message_type.full_name
    if field.message_type.GetOptions().map_entry:
        return False
    return name in WRAPPERS or (depth > 0 and not name.startswith("google.protobuf."))


def _single(field: FieldDescriptor, chance: random.Random, depth: int) -> Any:
    if field.type != FieldDescriptor.TYPE_MESSAGE:
        return SCALARS[field.type](chance)
    drawn = WRAPPERS.get(field.message_type.full_name)
    return drawn(chance) if drawn else _message(field.message_type, chance, depth - 1)


def _lua(chance: random.Random) -> Object:
    code = chance.choice(("function envoy_on_request(h) end", "function envoy_on_request(", "x = 1", ")"))
    config = {"@type": f"{TYPE}.filters.http.lua.v3.Lua", "default_source_code": {"inline_string": code}}
    return {"name": chance.choice(("lua.a", "lua.b")), "typed_config": config}


def _limit(chance: random.Random) -> Object:
    bucket = {"max_tokens": chance.choice((0, 5)), "fill_interval": chance.choice(("1s", "0.01s"))}
    config = {"@type": f"{TYPE}.filters.http.local_ratelimit.v3.LocalRateLimit", "stat_prefix": "x"}
    return {"name": "envoy.filters.http.local_ratelimit", "typed_config": {**config, "token_bucket": bucket}}


def _manager(chance: random.Random) -> Object:
    config = {"@type": f"{TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager"}
    more = chance.choice(({"xff_num_trusted_hops": 2}, {"max_request_headers_kb": 9000}, {"via": "x"}))
    return {"name": MANAGER, "typed_config": config | more}


INSERTS = ("ADD", "INSERT_FIRST", "INSERT_BEFORE", "INSERT_AFTER")
MERGES = ("MERGE", "MERGE_AND_REPLACE_LIST")
CONTEXTS = ("ANY", "SIDECAR_INBOUND", "SIDECAR_OUTBOUND")


def patch(chance: random.Random) -> Object:
    """A patch that Envoy may take or not."""
    kind = chance.choice(tuple(VALUES))
    operations, values = VALUES[kind]
    change: Object = {"operation": chance.choice(operations)}
    if change["operation"] != "REMOVE":
        change["value"] = values(chance)
    match: Object = {"context": chance.choice(CONTEXTS)}
    if kind in ("HTTP_FILTER", "NETWORK_FILTER"):
        sub = {"subFilter": {"name": "envoy.filters.http.router"}} if kind == "HTTP_FILTER" else {}
        match["listener"] = {"filterChain": {"filter": {"name": MANAGER, **sub}}}
    if kind == "LISTENER_FILTER":
        match["listener"] = {"listenerFilter": "envoy.filters.listener.tls_inspector"}
    return {"applyTo": kind, "match": match, "patch": change}


VALUES: Mapping[str, tuple[tuple[str, ...], Callable[[random.Random], Object]]] = {
    "CLUSTER": (
        MERGES,
        lambda chance: chance.choice(
            (
                {"connect_timeout": "7s"},
                {"ring_hash_lb_config": {"minimum_ring_size": 9_000_000}},
                {"circuit_breakers": {"thresholds": [{"max_connections": 3}]}},
            )
        ),
    ),
    "LISTENER": (
        MERGES,
        lambda chance: chance.choice(
            (
                {"per_connection_buffer_limit_bytes": 4096},
                {"listener_filters": [{"name": "no.such.filter"}]},
                {"stat_prefix": "x"},
            )
        ),
    ),
    "LISTENER_FILTER": (
        (*INSERTS, "REPLACE", "REMOVE"),
        lambda chance: {
            "name": chance.choice(("envoy.filters.listener.http_inspector", "nobody.knows")),
            "typed_config": {"@type": f"{TYPE}.filters.listener.http_inspector.v3.HttpInspector"},
        },
    ),
    "FILTER_CHAIN": (
        (*MERGES, "ADD"),
        lambda chance: {
            "filter_chain_match": {"destination_port": chance.choice((1, 2))},
            "filters": [_manager(chance)] if chance.random() < 0.3 else [],
        },
    ),
    "NETWORK_FILTER": (MERGES, _manager),
    "HTTP_FILTER": ((*INSERTS, "REPLACE", "REMOVE"), lambda chance: chance.choice((_lua, _limit))(chance)),
    "ROUTE_CONFIGURATION": (MERGES, lambda chance: {"max_direct_response_body_size_bytes": chance.choice((1, 4096))}),
    "VIRTUAL_HOST": (
        (*MERGES, "ADD"),
        lambda chance: {
            "name": "drawn",
            "domains": [chance.choice(("*", "drawn.example.com"))],
            "routes": [{"match": {"prefix": "/"}, "direct_response": {"status": chance.choice((200, 99))}}],
        },
    ),
    "HTTP_ROUTE": (
        (*MERGES, *INSERTS),
        lambda chance: chance.choice(
            (
                {"route": {"timeout": "3s"}},
                {"name": "drawn", "match": {"path": "/drawn"}, "direct_response": {"status": 204}},
                {"match": {"safe_regex": {"regex": "(["}}, "direct_response": {"status": 204}},
            )
        ),
    ),
}


def envoy_filter(name: str, chance: random.Random) -> Object:
    """An object of one or two patches."""
    metadata = {
        "name": name,
        "namespace": "istio-system",
        "uid": name,
        "creationTimestamp": f"2026-01-01T00:00:{name}Z",
    }
    return {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": metadata,
        "spec": {"configPatches": [patch(chance) for _ in range(chance.randint(1, 2))]},
    }
