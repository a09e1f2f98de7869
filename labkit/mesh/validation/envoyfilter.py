"""EnvoyFilter."""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from labkit.kube.resources import Object
from labkit.mesh.validation import regexes, selectors
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
    "ROUTE_CONFIGURATION": "routeConfiguration",
    "VIRTUAL_HOST": "routeConfiguration",
    "HTTP_ROUTE": "routeConfiguration",
}
"""What a patch is applied to → the kind of match that can find it."""

_WORDS = {
    "cluster": ("cluster", "cluster"),
    "listener": ("listener", "listener"),
    "routeConfiguration": ("http route", "route configuration"),
}
"""Kind of match → what Istio calls the objects, and the match."""

_MANAGER = "envoy.filters.network.http_connection_manager"
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
RENAMED = {
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

    def problem(self, message: str, value: Any, *, strict: bool) -> str:
        """What is wrong with JSON for a message; ``strict``: fields that it does not have as well."""

    def without_type(self, message: str, value: Any) -> list[str]:
        """The names of extensions that say no ``typed_config``."""


def findings(obj: Object, envoy: EnvoyApi | None) -> Iterator[Finding]:
    """What Istio says of one; without ``envoy`` the values of patches are not looked at."""
    spec = obj.get("spec") or {}
    yield warning(_INTERNAL)
    yield from selectors.of_workload(spec, "Envoy filter")
    for entry in each(spec.get("configPatches")):
        yield from _patch(entry, envoy)


def _patch(entry: Patch, envoy: EnvoyApi | None) -> Iterator[Finding]:
    target, match, patch = entry.get("applyTo", "INVALID"), entry.get("match") or {}, entry.get("patch")
    if problem := _incomplete(target, patch):
        yield error(f"Envoy filter: {problem}")
        return
    version = (match.get("proxy") or {}).get("proxyVersion") or ""
    if version and (problem := regexes.parse_problem(version)):
        yield error(f"Envoy filter: invalid regex for proxy version, [{problem}]")
        return
    problems = list(_match(target, match))
    yield from problems
    is_over = any(finding.is_error for finding in problems) and _CLASS.get(target) == "listener"
    value = (patch or {}).get("value")
    if not is_over and envoy is not None and value is not None and target in MESSAGES:
        yield from _value(MESSAGES[target], value, envoy)


def _incomplete(target: str, patch: Patch | None) -> str:
    if target == "INVALID":
        return "missing applyTo"
    if patch is None:
        return "missing patch"
    if patch.get("operation", "INVALID") == "INVALID":
        return "missing patch operation"
    is_removal = patch["operation"] == "REMOVE"
    return "" if is_removal or patch.get("value") is not None else "missing patch value for non-remove operation"


def _match(target: str, match: Patch) -> Iterator[Finding]:
    kind = _CLASS.get(target)
    given = [k for k in _WORDS if match.get(k) is not None]
    if kind is None or not given:
        return
    if kind not in given:
        word, condition = _WORDS[kind]
        yield error(f"Envoy filter: applyTo for {word} class objects cannot have non {condition} match")
    elif kind == "listener":
        yield from _filter_match(target, (match["listener"].get("filterChain") or {}).get("filter"))


def _filter_match(target: str, network: Patch | None) -> Iterator[Finding]:
    """A match on a filter of the chain, and on an HTTP filter inside it."""
    if network is None:
        return
    if target in ("LISTENER", "FILTER_CHAIN"):
        yield warning(f"Envoy filter: filter match has no effect when used with {target}")
    name, inner = network.get("name") or "", network.get("subFilter")
    if not name:
        yield error("Envoy filter: filter match has no name to match on")
        return
    if inner is not None:
        if target != "HTTP_FILTER":
            yield error("Envoy filter: subfilter match can be used with applyTo HTTP_FILTER only")
            return
        if name not in (_MANAGER, "envoy.http_connection_manager"):
            yield error(f"Envoy filter: subfilter match requires filter match with {_MANAGER}")
            return
        if not inner.get("name"):
            yield error("Envoy filter: subfilter match has no name to match on")
            return
    for used in (name, (inner or {}).get("name")):
        if used in RENAMED:
            yield warning(f'using deprecated filter name "{used}"; use "{RENAMED[used]}" instead')


def _value(message: str, value: Patch, envoy: EnvoyApi) -> Iterator[Finding]:
    if problem := envoy.problem(message, value, strict=False):
        title = ""
        if "could not resolve Any message type" in problem:
            hint = " (hint: try using the v3 XDS API)" if ".v2." in problem else ""
            title = f"referenced type unknown{hint}: "
        yield error(f"{title}Envoy filter: {problem}")
        return
    if problem := envoy.problem(message, value, strict=True):
        # Istio's own reader has stopped there, and looks no further.
        yield warning(f"Envoy filter: {problem}")
    elif missing := envoy.without_type(message, value):
        yield warning(f"using deprecated types by name without typed_config; {', '.join(missing)}")


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
