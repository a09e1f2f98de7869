"""Access logs in Envoy's words."""

from collections.abc import Mapping
from typing import Any

from labkit.mesh.envoy import typed
from labkit.mesh.ir import Log
from labkit.mesh.model import Resource

TEXT = (
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% '
    '%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% '
    '%BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" '
    '"%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% '
    "%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n"
)
"""Istio's own format."""

FIELDS = {
    "start_time": "%START_TIME%",
    "route_name": "%ROUTE_NAME%",
    "method": "%REQ(:METHOD)%",
    "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
    "protocol": "%PROTOCOL%",
    "response_code": "%RESPONSE_CODE%",
    "response_flags": "%RESPONSE_FLAGS%",
    "response_code_details": "%RESPONSE_CODE_DETAILS%",
    "connection_termination_details": "%CONNECTION_TERMINATION_DETAILS%",
    "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%",
    "duration": "%DURATION%",
    "upstream_service_time": "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%",
    "x_forwarded_for": "%REQ(X-FORWARDED-FOR)%",
    "user_agent": "%REQ(USER-AGENT)%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "authority": "%REQ(:AUTHORITY)%",
    "upstream_host": "%UPSTREAM_HOST%",
    "upstream_cluster": "%UPSTREAM_CLUSTER_RAW%",
    "upstream_local_address": "%UPSTREAM_LOCAL_ADDRESS%",
    "downstream_local_address": "%DOWNSTREAM_LOCAL_ADDRESS%",
    "downstream_remote_address": "%DOWNSTREAM_REMOTE_ADDRESS%",
    "requested_server_name": "%REQUESTED_SERVER_NAME%",
    "upstream_transport_failure_reason": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
}
"""The same as JSON."""

FORMATTERS = {
    "%REQ_WITHOUT_QUERY(": typed(
        "envoy.formatter.req_without_query", "extensions.formatter.req_without_query.v3.ReqWithoutQuery"
    ),
    "%METADATA(": typed("envoy.formatter.metadata", "extensions.formatter.metadata.v3.Metadata"),
}
"""A word of a format → the extension that knows it."""

UNMATCHED: Resource = {"response_flag_filter": {"flags": ["NR"]}}
"""Connections that no filter chain takes: only the listener itself can tell of them."""


def access_log(log: Log, *, only: Resource | None = None) -> Resource:
    """One log."""
    entry = _to_file(log) if not log.collector else _to_collector(log) if log.protocol == "otlp" else _to_service(log)
    filters = [f for f in (only, _by_expression(log.expression)) if f]
    if filters:
        entry["filter"] = filters[0] if len(filters) == 1 else {"and_filter": {"filters": filters}}
    return entry


def _by_expression(expression: str) -> Resource | None:
    if not expression:
        return None
    name, kind = "envoy.access_loggers.extension_filters.cel", "extensions.access_loggers.filters.cel.v3"
    return {"extension_filter": typed(name, f"{kind}.ExpressionFilter", expression=expression)}


def _to_file(log: Log) -> Resource:
    if log.fields is None:
        form: Resource = {"text_format_source": {"inline_string": _text(log)}}
    else:
        form = {"json_format": dict(log.fields or FIELDS), "json_format_options": {}}
    used = [extension for word, extension in FORMATTERS.items() if any(word in text for text in _texts(form))]
    if used:
        form["formatters"] = used
    return typed(
        "envoy.access_loggers.file", "extensions.access_loggers.file.v3.FileAccessLog", path=log.path, log_format=form
    )


def _text(log: Log) -> str:
    return f"{log.text.removesuffix(chr(10))}\n" if log.text else TEXT


def _texts(value: Any) -> list[str]:
    """All texts in a format, however deep."""
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return [text for part in parts for text in _texts(part)]


def _to_collector(log: Log) -> Resource:
    host = log.collector.rpartition("|")[2]
    config: Resource = {
        "common_config": {
            "log_name": log.name,
            "grpc_service": {"envoy_grpc": {"cluster_name": log.collector, "authority": host}},
            "transport_api_version": "V3",
        },
        "disable_builtin_labels": True,
        "body": {"string_value": _text(log)},
    }
    if log.fields:
        config["attributes"] = {
            "values": [{"key": key, "value": {"string_value": str(log.fields[key])}} for key in sorted(log.fields)]
        }
    name, kind = "envoy.access_loggers.open_telemetry", "extensions.access_loggers.open_telemetry.v3"
    return typed(name, f"{kind}.OpenTelemetryAccessLogConfig", **config)


def _to_service(log: Log) -> Resource:
    """In Envoy's own protocol, as Istio's ``envoyHttpAls`` and ``envoyTcpAls`` do."""
    host = log.collector.rpartition("|")[2]
    config: Resource = {
        "common_config": {
            "log_name": log.name,
            "grpc_service": {"envoy_grpc": {"cluster_name": log.collector, "authority": host}},
            "transport_api_version": "V3",
            "filter_state_objects_to_log": list(log.filter_state),
        }
    }
    for field, headers in (
        ("additional_request_headers_to_log", log.request_headers),
        ("additional_response_headers_to_log", log.response_headers),
        ("additional_response_trailers_to_log", log.response_trailers),
    ):
        if headers:
            config[field] = list(headers)
    kind = "HttpGrpcAccessLogConfig" if log.protocol == "http" else "TcpGrpcAccessLogConfig"
    return typed(f"envoy.access_loggers.{log.protocol}_grpc", f"extensions.access_loggers.grpc.v3.{kind}", **config)
