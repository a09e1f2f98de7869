"""Tracing of a connection manager in Envoy's words."""

from typing import Any

from labkit.mesh import durations, ir
from labkit.mesh.envoy import typed
from labkit.mesh.model import Resource

DRY_RUN = "istio.authorization.dry_run"
"""Begins the tags in which Istio says what an AuthorizationPolicy on trial would have done."""

_TRIAL = "envoy.filters.http.rbac"
_SHADOW = {
    "allow_policy.name": "istio_dry_run_allow_shadow_effective_policy_id",
    "allow_policy.result": "istio_dry_run_allow_shadow_engine_result",
    "deny_policy.name": "istio_dry_run_deny_shadow_effective_policy_id",
    "deny_policy.result": "istio_dry_run_deny_shadow_engine_result",
}


def of_manager(tracing: ir.Tracing, side: str) -> Resource:
    """The field ``tracing``."""
    resource: Resource = {
        "provider": _provider(tracing.collector, tracing),
        "client_sampling": {"value": 100},
        "overall_sampling": {"value": 100},
        "random_sampling": {"value": tracing.percent},
        "custom_tags": sorted([*_trials(), *map(_tag, tracing.tags)], key=lambda tag: str(tag["tag"])),
    }
    if side == ir.GATEWAY:
        resource["spawn_upstream_span"] = True
    if tracing.max_path_length:
        resource["max_path_tag_length"] = tracing.max_path_length
    return resource


def _provider(collector: ir.Collector, tracing: ir.Tracing) -> Resource:
    if collector.kind == "zipkin":
        return typed("envoy.tracers.zipkin", "config.trace.v3.ZipkinConfig", **_zipkin(collector))
    if collector.kind == "datadog":
        return typed("envoy.tracers.datadog", "config.trace.v3.DatadogConfig", **_datadog(collector))
    if collector.kind == "skywalking":
        return typed("envoy.tracers.skywalking", "config.trace.v3.SkyWalkingConfig", **_skywalking(collector))
    return typed("envoy.tracers.opentelemetry", "config.trace.v3.OpenTelemetryConfig", **_opentelemetry(collector))


def _zipkin(collector: ir.Collector) -> dict[str, Any]:
    service: Resource = {"http_uri": _uri(collector)}
    if collector.headers:
        service["request_headers_to_add"] = _headers(collector)
    return {
        "collector_service": service,
        "collector_endpoint_version": "HTTP_JSON",
        "trace_id_128bit": collector.has_long_ids,
        "shared_span_context": False,
        **({"trace_context_option": collector.context} if collector.context else {}),
    }


def _opentelemetry(collector: ir.Collector) -> dict[str, Any]:
    config: dict[str, Any] = {"service_name": collector.service}
    if collector.path:
        config["http_service"] = {"http_uri": _uri(collector), "request_headers_to_add": _headers(collector)}
    else:
        config["grpc_service"] = {
            "envoy_grpc": {"cluster_name": collector.cluster, "authority": collector.host},
            **({"timeout": durations.proto(collector.timeout)} if collector.timeout else {}),
            **(
                {"initial_metadata": [{"key": name, "value": value} for name, value in collector.headers]}
                if collector.headers
                else {}
            ),
        }
    if "environment" in collector.detectors:
        name = "envoy.tracers.opentelemetry.resource_detectors.environment"
        kind = "extensions.tracers.opentelemetry.resource_detectors.v3.EnvironmentResourceDetectorConfig"
        config["resource_detectors"] = [typed(name, kind)]
    return config


def _datadog(collector: ir.Collector) -> dict[str, Any]:
    return {
        "collector_cluster": collector.cluster,
        "collector_hostname": collector.host,
        "service_name": collector.service,
    }


def _skywalking(collector: ir.Collector) -> dict[str, Any]:
    config: dict[str, Any] = {
        "grpc_service": {"envoy_grpc": {"cluster_name": collector.cluster, "authority": collector.host}}
    }
    if collector.token:
        config["client_config"] = {"backend_token": collector.token}
    return config


def _uri(collector: ir.Collector) -> Resource:
    return {
        "uri": f"http://{collector.host}{collector.path}",
        "cluster": collector.cluster,
        "timeout": durations.proto(collector.timeout or 5.0),
    }


def _headers(collector: ir.Collector) -> list[Resource]:
    return [{"header": {"key": name, "value": value}} for name, value in collector.headers]


def _trials() -> list[Resource]:
    return [
        {
            "tag": f"{DRY_RUN}.{name}",
            "metadata": {"kind": {"request": {}}, "metadata_key": {"key": _TRIAL, "path": [{"key": key}]}},
        }
        for name, key in _SHADOW.items()
    ]


def _tag(tag: ir.SpanTag) -> Resource:
    if tag.kind == ir.LITERAL:
        return {"tag": tag.name, "literal": {"value": tag.value}}
    if tag.kind == ir.FORMAT:
        return {"tag": tag.name, "value": tag.value}
    source = {"name": tag.value, **({"default_value": tag.default} if tag.default else {})}
    return {"tag": tag.name, ("request_header" if tag.kind == ir.HEADER else "environment"): source}
