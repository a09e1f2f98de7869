"""The rules of Istio's definitions, and where they look."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from labkit.kube.resources import Object
from labkit.mesh.validation import breaking, durations, kgateway
from labkit.mesh.validation.breaking import DURATION, Check, Rule
from labkit.mesh.validation.findings import Cause


def broken(group: str, kind: str, obj: Object) -> Iterator[Cause]:
    """The rules that an object breaks of those that the definition of its kind holds in CEL."""
    return breaking.broken(RULES.get((group, kind), ()), obj)


_PORT_NAME = re.compile(r"[a-zA-Z0-9](?:[-a-zA-Z0-9]{0,60}[a-zA-Z0-9])?")


def _duration(value: Any) -> str:
    length = durations.seconds(value)
    return DURATION if length is None or length * 1000 < 1 else ""


def _port(value: Any) -> str:
    return "" if 1 <= value <= 65535 else "port must be between 1-65535"


def _one(*names: str, of: str) -> Check:
    return lambda value: f"only one of {of} can be set" if sum(name in value for name in names) > 1 else ""


def _cross(value: Any) -> str:
    return "cross namespace referencing is not currently supported" if value else ""


_TARGETS: tuple[Rule, ...] = (
    ("", _one("targetRef", "targetRefs", "selector", of="targetRefs or selector")),
    ("targetRef.namespace", _cross),
    ("targetRefs[].namespace", _cross),
)


def _wildcard(value: Any) -> str:
    return "wildcard not allowed in label value match" if "*" in value else ""


def _wildcard_key(value: Any) -> str:
    if any("*" in key for key in value):
        return "wildcard not allowed in label key match"
    return "key must not be empty" if "" in value else ""


_SELECTOR: tuple[Rule, ...] = (
    ("selector.matchLabels", _wildcard_key),
    ("selector.matchLabels{}", _wildcard),
)
_WORKLOADS: tuple[Rule, ...] = (
    ("workloadSelector.labels{}", lambda value: "wildcard is not supported in selector" if "*" in value else ""),
)


def _credentials(value: Any) -> str:
    pairs = (
        ("credentialNames", "tlsCertificates"),
        ("credentialName", "credentialNames"),
        ("credentialName", "tlsCertificates"),
    )
    both = next((pair for pair in pairs if all(value.get(name) for name in pair)), None)
    return f"only one of {' or '.join(both)} can be set" if both else ""


def _entry(value: Any) -> str:
    if not (value.get("address") or value.get("network")):
        return "Address is required"
    return _socket_ports(value)


def _socket_ports(value: Any) -> str:
    is_socket = str(value.get("address", "")).startswith("unix://")
    return "UDS may not include ports" if is_socket and value.get("ports") else ""


def _socket(value: Any) -> str:
    if not value.startswith("unix://"):
        return ""
    if value[7:8] not in ("/", "@"):
        return "UDS must be an absolute path or abstract socket"
    return "UDS may not be a dir" if value.endswith("/") else ""


def _port_names(value: Any) -> str:
    return "" if all(_PORT_NAME.fullmatch(name) for name in value) else "port name must be valid"


def _endpoint(path: str) -> tuple[Rule, ...]:
    """Rules of a workload's address and ports."""
    start = f"{path}." if path else ""
    return ((f"{start}address", _socket), (f"{start}ports", _port_names), (f"{start}ports{{}}", _port))


def _ports(value: Any) -> str:
    numbers = [port.get("number") for port in value]
    return "port number cannot be duplicated" if len(set(numbers)) < len(numbers) else ""


def _service_entry(value: Any) -> str:
    resolution, endpoints = value.get("resolution", "NONE"), value.get("endpoints") or []
    if value.get("workloadSelector") is not None and endpoints:
        return "only one of WorkloadSelector or Endpoints can be set"
    if any("/" in a for a in value.get("addresses") or []) and resolution not in ("NONE", "STATIC"):
        return "CIDR addresses are allowed only for NONE/STATIC resolution types"
    if resolution == "NONE" and endpoints:
        return "NONE mode cannot set endpoints"
    if resolution == "DNS_ROUND_ROBIN" and len(endpoints) > 1:
        return "DNS_ROUND_ROBIN mode cannot have multiple endpoints"
    return ""


def _port_level(value: Any) -> str:
    wrong = any(not key.isdigit() or not 1 <= int(key) <= 65535 for key in value)
    return "port must be between 1-65535" if wrong else ""


def _keys(value: Any) -> str:
    uri = value.get("jwksUri") or value.get("jwks_uri")
    return "only one of jwks or jwksUri can be set" if uri and value.get("jwks") else ""


def _scheme(value: Any) -> str:
    fine = value.startswith(("http://", "https://"))
    return "" if fine else "url must have scheme http:// or https://"


def _source(value: Any) -> str:
    for prefix, accounts in (("", "serviceAccounts"), ("not", "notServiceAccounts")):
        others = ("namespaces", "principals") if not prefix else ("notNamespaces", "notPrincipals")
        if value.get(accounts) and any(value.get(name) for name in others):
            return f"Cannot set {accounts} with {others[0]} or {others[1]}"
    return ""


def _wasm(value: Any) -> str:
    scheme, mark, _ = value.partition("://")
    fine = not mark or scheme in ("http", "https", "file", "oci")
    return "" if fine else "url must have schema one of [http, https, file, oci]"


def _tag(value: Any) -> str:
    if value.get("operation") == "REMOVE" and value.get("value"):
        return "value must not be set when operation is REMOVE"
    if value.get("operation", "UPSERT") == "UPSERT" and not value.get("value"):
        return "value must be set when operation is UPSERT"
    return ""


_POLICY = (
    "connectionPool.tcp.connectTimeout",
    "connectionPool.tcp.maxConnectionDuration",
    "connectionPool.tcp.tcpKeepalive.time",
    "connectionPool.tcp.tcpKeepalive.interval",
    "connectionPool.http.idleTimeout",
    "outlierDetection.interval",
    "outlierDetection.baseEjectionTime",
    "loadBalancer.warmup.duration",
)
_POLICIES = ("trafficPolicy", "trafficPolicy.portLevelSettings[]", "subsets[].trafficPolicy")
_TIMES = (
    "http[].timeout",
    "http[].retries.perTryTimeout",
    "http[].retries.backoff",
    "http[].fault.delay.fixedDelay",
    "http[].corsPolicy.maxAge",
)

RULES: Mapping[tuple[str, str], tuple[Rule, ...]] = {
    ("networking.istio.io", "VirtualService"): tuple((path, _duration) for path in _TIMES),
    ("networking.istio.io", "DestinationRule"): tuple(
        (f"{policy}.{path}", _duration) for policy in _POLICIES for path in _POLICY
    ),
    ("networking.istio.io", "Gateway"): (("servers[].tls", _credentials),),
    ("networking.istio.io", "ServiceEntry"): (
        ("hosts[]", lambda host: "hostname cannot be wildcard" if host == "*" else ""),
        ("ports", _ports),
        ("ports[].number", _port),
        ("ports[].targetPort", _port),
        ("endpoints[]", _entry),
        *_endpoint("endpoints[]"),
        ("", _service_entry),
        *_WORKLOADS,
    ),
    ("networking.istio.io", "WorkloadEntry"): (*_endpoint(""), ("", _entry)),
    ("networking.istio.io", "WorkloadGroup"): (
        ("probe.httpGet.port", _port),
        ("probe.tcpSocket.port", _port),
        ("probe.grpc.port", _port),
        ("template", _socket_ports),
        *_endpoint("template"),
    ),
    ("networking.istio.io", "Sidecar"): (("ingress[].tls", _credentials), *_WORKLOADS),
    ("networking.istio.io", "EnvoyFilter"): (
        ("", _one("targetRefs", "workloadSelector", of="targetRefs or workloadSelector")),
        *_WORKLOADS,
    ),
    ("networking.istio.io", "ProxyConfig"): _SELECTOR,
    ("security.istio.io", "PeerAuthentication"): (
        ("portLevelMtls", _port_level),
        (
            "",
            lambda spec: (
                "portLevelMtls requires selector"
                if spec.get("portLevelMtls") and not (spec.get("selector") or {}).get("matchLabels")
                else ""
            ),
        ),
        *_SELECTOR,
    ),
    ("security.istio.io", "RequestAuthentication"): (
        *_TARGETS,
        ("jwtRules[]", _keys),
        ("jwtRules[].jwksUri", _scheme),
        ("jwtRules[].jwks_uri", _scheme),
        ("jwtRules[].timeout", _duration),
        *_SELECTOR,
    ),
    ("security.istio.io", "AuthorizationPolicy"): (
        *_TARGETS,
        ("rules[].from[].source", _source),
        *_SELECTOR,
    ),
    ("telemetry.istio.io", "Telemetry"): (
        *_TARGETS,
        ("metrics[].reportingInterval", _duration),
        ("metrics[].overrides[].tagOverrides{}", _tag),
        *_SELECTOR,
    ),
    ("extensions.istio.io", "WasmPlugin"): (*_TARGETS, ("url", _wasm), *_SELECTOR),
    **{(kgateway.GROUP, kind): found for kind, found in kgateway.RULES.items()},
}
