"""EnvoyFilter."""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from labkit.kube.resources import Object
from labkit.mesh.validation.findings import Finding, each, error, warning

Patch = Mapping[str, Any]

_INTERNAL = (
    "EnvoyFilter exposes internal implementation details that may change at any time. Prefer other APIs if possible, "
    "and exercise extreme caution, especially around upgrades."
)
_CLASS = {
    "CLUSTER": "cluster",
    "LISTENER": "listener",
    "FILTER_CHAIN": "listener",
    "NETWORK_FILTER": "listener",
    "HTTP_FILTER": "listener",
    "LISTENER_FILTER": "listener",
    "ROUTE_CONFIGURATION": "routeConfiguration",
    "VIRTUAL_HOST": "routeConfiguration",
    "HTTP_ROUTE": "routeConfiguration",
}
"""What a patch is applied to → the kind of match that can find it."""

_WORDS = {"cluster": "cluster", "listener": "listener", "routeConfiguration": "http route"}
MESSAGES = {
    "CLUSTER": "envoy.config.cluster.v3.Cluster",
    "LISTENER": "envoy.config.listener.v3.Listener",
    "FILTER_CHAIN": "envoy.config.listener.v3.FilterChain",
    "NETWORK_FILTER": "envoy.config.listener.v3.Filter",
    "HTTP_FILTER": "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter",
    "LISTENER_FILTER": "envoy.config.listener.v3.ListenerFilter",
    "ROUTE_CONFIGURATION": "envoy.config.route.v3.RouteConfiguration",
    "VIRTUAL_HOST": "envoy.config.route.v3.VirtualHost",
    "HTTP_ROUTE": "envoy.config.route.v3.Route",
    "EXTENSION_CONFIG": "envoy.config.core.v3.TypedExtensionConfig",
}
_RENAMED = {
    "envoy.http_connection_manager": "envoy.filters.network.http_connection_manager",
    "envoy.tcp_proxy": "envoy.filters.network.tcp_proxy",
    "envoy.router": "envoy.filters.http.router",
    "envoy.fault": "envoy.filters.http.fault",
    "envoy.cors": "envoy.filters.http.cors",
    "envoy.ext_authz": "envoy.filters.http.ext_authz",
    "envoy.buffer": "envoy.filters.http.buffer",
    "envoy.gzip": "envoy.filters.http.compressor",
    "envoy.rate_limit": "envoy.filters.http.ratelimit",
}


class EnvoyApi(Protocol):
    """What is known of Envoy's messages."""

    def is_known(self, type_url: str) -> bool:
        """Whether there is a message of that type."""

    def unknown_field(self, message: str, value: Mapping[str, Any]) -> str:
        """The first field that the message does not have; empty when it has them all."""


def findings(obj: Object, envoy: EnvoyApi | None) -> Iterator[Finding]:
    """What Istio says of one."""
    spec = obj.get("spec") or {}
    yield warning(_INTERNAL)
    for entry in each(spec.get("configPatches")):
        yield from _patch(entry, envoy)


def _patch(entry: Patch, envoy: EnvoyApi | None) -> Iterator[Finding]:
    target, match, patch = entry.get("applyTo", "INVALID"), entry.get("match") or {}, entry.get("patch") or {}
    if target == "INVALID":
        yield error("Envoy filter: missing applyTo")
        return
    if patch.get("operation", "INVALID") == "INVALID":
        yield error("Envoy filter: missing patch operation")
        return
    if patch["operation"] != "REMOVE" and patch.get("value") is None:
        yield error("Envoy filter: missing patch value for non-remove operation")
        return
    kind = _CLASS.get(target)
    others = [k for k in ("cluster", "listener", "routeConfiguration") if k != kind and match.get(k) is not None]
    if kind and others:
        word = _WORDS[kind]
        yield error(f"Envoy filter: applyTo for {word} class objects cannot have non {word} match")
    chain = ((match.get("listener") or {}).get("filterChain") or {}).get("filter") or {}
    for name in (chain.get("name"), (chain.get("subFilter") or {}).get("name")):
        if name in _RENAMED:
            yield warning(f'using deprecated filter name "{name}"; use "{_RENAMED[name]}" instead')
    if envoy is not None and patch.get("value") is not None:
        yield from _value(target, patch["value"], envoy)


def _value(target: str, value: Patch, envoy: EnvoyApi) -> Iterator[Finding]:
    for url in types_of(value):
        if not envoy.is_known(url):
            yield error(f"referenced type unknown: Envoy filter: could not resolve Any message type: {url}")
            return
    message = MESSAGES.get(target, "")
    if message and (field := envoy.unknown_field(message, value)):
        yield warning(f'Envoy filter: unknown field "{field}" in {message}')


def types_of(value: Any) -> Iterator[str]:
    """The type URLs of all messages in a patch."""
    if isinstance(value, dict):
        if isinstance(value.get("@type"), str):
            yield value["@type"]
        for item in value.values():
            yield from types_of(item)
    elif isinstance(value, list):
        for item in value:
            yield from types_of(item)
