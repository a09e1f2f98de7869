"""The rules of the Gateway API's definitions, in their words."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from labkit.mesh.validation import durations

GROUP = "gateway.networking.k8s.io"
SINGLE = ("RequestHeaderModifier", "ResponseHeaderModifier", "RequestRedirect", "URLRewrite", "CORS")
"""Filters that a rule may have only once."""

_ABSOLUTE = ("Exact", "PathPrefix")
_HELD = {
    "RequestHeaderModifier": "requestHeaderModifier",
    "ResponseHeaderModifier": "responseHeaderModifier",
    "RequestMirror": "requestMirror",
    "RequestRedirect": "requestRedirect",
    "URLRewrite": "urlRewrite",
    "ExtensionRef": "extensionRef",
    "CORS": "cors",
}


def _listeners(found: Any) -> str:
    for text, is_wrong in (
        ("tls must not be specified for protocols ['HTTP', 'TCP', 'UDP']", _tls_in_the_clear),
        ("hostname must not be specified for protocols ['TCP', 'UDP']", _host_without_names),
    ):
        if any(map(is_wrong, found)):
            return text
    if _repeated(listener.get("name") for listener in found):
        return "Listener name must be unique within the Gateway"
    keys = ((x.get("port"), x.get("protocol"), x.get("hostname", "")) for x in found)
    return "Combination of port, protocol and hostname must be unique for each listener" if _repeated(keys) else ""


def _tls_in_the_clear(listener: Any) -> bool:
    return listener.get("protocol") in ("HTTP", "TCP", "UDP") and listener.get("tls") is not None


def _host_without_names(listener: Any) -> bool:
    return listener.get("protocol") in ("TCP", "UDP") and bool(listener.get("hostname"))


def _repeated(keys: Iterator[Any]) -> bool:
    return any(count > 1 for count in Counter(keys).values())


def _backend(found: Any) -> str:
    is_service = not found.get("group") and found.get("kind", "Service") == "Service"
    return "Must have port for Service reference" if is_service and not found.get("port") else ""


def _rule(rule: Any) -> str:
    filters = [f.get("type") for f in rule.get("filters") or []]
    if "RequestRedirect" in filters and rule.get("backendRefs"):
        return "RequestRedirect filter must not be used together with backendRefs"
    return ""


def _filters(found: Any) -> str:
    types = Counter(f.get("type") for f in found)
    if types["RequestRedirect"] and types["URLRewrite"]:
        return "May specify either httpRouteFilterRequestRedirect or httpRouteFilterRequestRewrite, but not both"
    again = next((t for t in SINGLE if types[t] > 1), None)
    return f"{again} filter cannot be repeated" if again else ""


def _filter(found: Any) -> str:
    kind = found.get("type")
    for name, field in _HELD.items():
        if name == kind and found.get(field) is None:
            return f"filter.{field} must be specified for {name} filter.type"
        if name != kind and found.get(field) is not None:
            return f"filter.{field} must be nil if the filter.type is not {name}"
    return ""


def _path(found: Any) -> str:
    kind, value = found.get("type", "PathPrefix"), found.get("value", "/")
    if kind not in _ABSOLUTE:
        return ""
    if not value.startswith("/"):
        return "value must be an absolute path and start with '/' when type one of ['Exact', 'PathPrefix']"
    for part in ("//", "/./", "/../", "%2f", "%2F", "#"):
        if part in value:
            return f"must not contain '{part}' when type one of ['Exact', 'PathPrefix']"
    for end in ("/..", "/."):
        if value.endswith(end):
            return f"must not end with '{end}' when type one of ['Exact', 'PathPrefix']"
    return ""


def _timeouts(found: Any) -> str:
    whole, one = (durations.seconds(found.get(key, "0s")) or 0 for key in ("request", "backendRequest"))
    # A request timeout of 0 is none at all.
    return "backendRequest timeout cannot be longer than request timeout" if whole and one > whole else ""


def _mirror(found: Any) -> str:
    both = found.get("percent") is not None and found.get("fraction") is not None
    return "Only one of percent or fraction may be specified in HTTPRequestMirrorFilter" if both else ""


def _parents(found: Any) -> str:
    def key(parent: Any) -> tuple[Any, ...]:
        return tuple(parent.get(k) for k in ("group", "kind", "namespace", "name"))

    for a, first in enumerate(found):
        for second in found[a + 1 :]:
            if key(first) != key(second):
                continue
            sections = [p.get("sectionName", "") for p in (first, second)]
            ports = [p.get("port", 0) for p in (first, second)]
            if sections[0] == sections[1] and ports[0] == ports[1]:
                return "sectionName must be unique when parentRefs includes 2 or more references to the same parent"
            if bool(sections[0]) != bool(sections[1]):
                return "sectionName must be specified when parentRefs includes 2 or more references to the same parent"
    return ""


def _grpc_method(found: Any) -> str:
    some = found.get("service") or found.get("method")
    return "" if some else "One or both of 'service' or 'method' must be specified"


RULES: Mapping[str, tuple[tuple[str, Callable[[Any], str]], ...]] = {
    "Gateway": (("listeners", _listeners),),
    "HTTPRoute": (
        ("parentRefs", _parents),
        ("rules[]", _rule),
        ("rules[].backendRefs[]", _backend),
        ("rules[].filters", _filters),
        ("rules[].filters[]", _filter),
        ("rules[].filters[].requestMirror", _mirror),
        ("rules[].filters[].requestMirror.backendRef", _backend),
        ("rules[].matches[].path", _path),
        ("rules[].timeouts", _timeouts),
    ),
    "GRPCRoute": (
        ("parentRefs", _parents),
        ("rules[].backendRefs[]", _backend),
        ("rules[].matches[].method", _grpc_method),
    ),
}
