"""EnvoyFilters and files of limits, as a learner may write them."""

from collections.abc import Mapping
from typing import Any

from labkit.exercises.diagnosis import limits
from labkit.kube import manifests


def local(
    *,
    name: str = "limit-ratings",
    namespace: str = "",
    labels: Mapping[str, str] | None = None,
    context: str = "SIDECAR_INBOUND",
    listener: Mapping[str, Any] | None = None,
    operation: str = "INSERT_BEFORE",
    bucket: Mapping[str, Any] | None = None,
    **more: Any,
) -> str:
    """An EnvoyFilter with a local limit, as a learner may write it."""
    always = {"default_value": {"numerator": 100}}
    config = {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
        "stat_prefix": "ratings",
        "token_bucket": bucket or {"max_tokens": 10, "tokens_per_fill": 10, "fill_interval": "60s"},
        "filter_enabled": always,
        "filter_enforced": always,
        **more,
    }
    chain = {"filterChain": {"filter": {"name": limits.MANAGER}}}
    patch = {
        "applyTo": "HTTP_FILTER",
        "match": {"context": context, "listener": {**chain, **(listener or {})}},
        "patch": {"operation": operation, "value": {"name": limits.LOCAL, "typed_config": config}},
    }
    return envoy_filter(name, namespace, labels or {"app": "ratings"}, patch)


def envoy_filter(name: str, namespace: str, labels: Mapping[str, str], *patches: Mapping[str, Any]) -> str:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    spec = {"workloadSelector": {"labels": dict(labels)}, "configPatches": list(patches)}
    return manifests.dump(
        {"apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilter", "metadata": metadata, "spec": spec}
    )


def asking(
    *, name: str = "limit-global", operation: str = "INSERT_BEFORE", inner: str = limits.ROUTER, **fields: Any
) -> str:
    """The EnvoyFilter of the global limit, or a second one that changes it."""
    config: dict[str, Any] = {"@type": "type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimit"}
    if operation != "MERGE":
        envoy_grpc = {
            "cluster_name": "outbound|8081||ratelimit.default.svc.cluster.local",
            "authority": "ratelimit.default.svc.cluster.local",
        }
        service = {"transport_api_version": "V3", "grpc_service": {"envoy_grpc": envoy_grpc}}
        config |= {"domain": "bookinfo", "rate_limit_service": service}
    match = {"filter": {"name": limits.MANAGER, "subFilter": {"name": inner}}}
    insert = {
        "applyTo": "HTTP_FILTER",
        "match": {"context": "GATEWAY", "listener": {"filterChain": match}},
        "patch": {"operation": operation, "value": {"name": limits.GLOBAL, "typed_config": {**config, **fields}}},
    }
    return envoy_filter(name, "istio-system", {"istio": "ingressgateway"}, insert)


def limits_file(*descriptors: str, domain: str = "bookinfo") -> str:
    lines = "".join(f"    - {text}\n" for text in descriptors)
    return (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ratelimit-config}\ndata:\n  config.yaml: |\n"
        f"    domain: {domain}\n    descriptors:\n{lines}"
    )


def limit(key: str, requests: int, *, value: str = "", unit: str = "minute") -> str:
    named = f", value: {value}" if value else ""
    return f"{{key: {key}{named}, rate_limit: {{unit: {unit}, requests_per_unit: {requests}}}}}"
