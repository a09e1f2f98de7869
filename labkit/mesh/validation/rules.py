"""The rules that Istio's and the Gateway API's definitions hold in CEL, by the path of what they look at."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from labkit.kube.resources import Object
from labkit.mesh.validation import durations, kgateway
from labkit.mesh.validation.findings import Cause

Check = Callable[[Any], str]
"""The message for a value, empty when it is fine."""

Rule = tuple[str, Check]
"""``http[].timeout`` below ``spec``, and its check; ``{}`` is every value of a map."""

DURATION = "must be a valid duration greater than 1ms"
_STEP = re.compile(r"\w+|\[\]|\{\}")


def broken(group: str, kind: str, obj: Object) -> Iterator[Cause]:
    """Every rule that the object breaks."""
    for path, check in RULES.get((group, kind), ()):
        for field, value in _places(obj.get("spec"), "spec", _STEP.findall(path)):
            if message := check(value):
                yield Cause(f"Invalid value: {_shown(value, message)}", field)


def _places(value: Any, field: str, steps: list[str]) -> Iterator[tuple[str, Any]]:
    if not steps:
        yield field, value
        return
    step, rest = steps[0], steps[1:]
    if step == "[]" and isinstance(value, list):
        for at, item in enumerate(value):
            yield from _places(item, f"{field}[{at}]", rest)
    elif step == "{}" and isinstance(value, dict):
        for key in sorted(value):
            yield from _places(value[key], f"{field}[{key}]", rest)
    elif isinstance(value, dict) and value.get(step) is not None:
        yield from _places(value[step], f"{field}.{step}", rest)


def _shown(value: Any, message: str) -> str:
    """Scalars are shown, the rest is not; what CEL cannot read is shown by its type."""
    if message == DURATION and durations.seconds(value) is None:
        conversion = "type conversion error from 'string' to 'google.protobuf.Duration' evaluating rule"
        return f'"string": {conversion}: {message}'
    if isinstance(value, dict | list):
        return message
    return f"{json.dumps(value, ensure_ascii=False)}: {message}"


def _duration(value: Any) -> str:
    length = durations.seconds(value)
    return DURATION if length is None or length * 1000 < 1 else ""


def _port(value: Any) -> str:
    return "" if 1 <= value <= 65535 else "port must be between 1-65535"


def _one(*names: str, of: str) -> Check:
    return lambda value: f"only one of {of} can be set" if sum(name in value for name in names) > 1 else ""


_TARGETS = (("", _one("targetRef", "targetRefs", "selector", of="targetRefs or selector")),)


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
    ("workloadSelector.labels", _wildcard_key),
    ("workloadSelector.labels{}", _wildcard),
)


def _credentials(value: Any) -> str:
    if "credentialName" in value and "credentialNames" in value:
        return "only one of credentialNames or credentialName can be set"
    return ""


def _entry(value: Any) -> str:
    if not (value.get("address") or value.get("network")):
        return "Address is required"
    if str(value.get("address", "")).startswith("unix://") and value.get("ports"):
        return "UDS may not include ports"
    return ""


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
    "connectionPool.tcp.idleTimeout",
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
        ("ports[].number", _port),
        ("ports[].targetPort", _port),
        ("endpoints[]", _entry),
        ("endpoints[].ports{}", _port),
        ("", _service_entry),
        *_WORKLOADS,
    ),
    ("networking.istio.io", "WorkloadEntry"): (("ports{}", _port), ("", _entry)),
    ("networking.istio.io", "WorkloadGroup"): (
        ("probe.httpGet.port", _port),
        ("probe.tcpSocket.port", _port),
        ("template.ports{}", _port),
    ),
    ("networking.istio.io", "Sidecar"): _WORKLOADS,
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
