"""Spans from OTLP's messages, as bytes or as JSON."""

import base64
import json
from collections.abc import Iterator
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from labkit.sandbox.apps.jaeger import spans
from labkit.sandbox.apps.jaeger.spans import Event, Span, Tags, Value

SERVICE = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

KINDS = {1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer"}
ERROR = 2
"""The status code of a span that failed."""

IDS = ("traceId", "spanId", "parentSpanId")
"""Fields that are hex digits in OTLP's JSON, where protobuf's own has base64."""


class MessageError(Exception):
    """What came is no export request."""


def of_bytes(body: bytes) -> list[Span]:
    """The spans of a serialized ExportTraceServiceRequest; MessageError."""
    request = trace_service_pb2.ExportTraceServiceRequest()
    try:
        request.ParseFromString(body)
    except Exception as e:  # protobuf's DecodeError has no public base but Exception in all its builds
        raise MessageError(f"not an ExportTraceServiceRequest: {e}") from e
    return list(_spans(request))


def of_json(body: bytes) -> list[Span]:
    """The same from JSON; MessageError."""
    request = trace_service_pb2.ExportTraceServiceRequest()
    try:
        json_format.ParseDict(_with_base64(json.loads(body)), request, ignore_unknown_fields=True)
    except (ValueError, json_format.ParseError) as e:
        raise MessageError(f"not an ExportTraceServiceRequest: {e}") from e
    return list(_spans(request))


def _with_base64(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_base64(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: base64.b64encode(bytes.fromhex(item)).decode()
        if key in IDS and isinstance(item, str)
        else _with_base64(item)
        for key, item in value.items()
    }


def _spans(request: trace_service_pb2.ExportTraceServiceRequest) -> Iterator[Span]:
    for of_resource in request.resource_spans:
        resource = _tags(of_resource.resource.attributes)
        service = spans.first(resource, "service.name") or "unknown_service"
        process = tuple(tag for tag in resource if tag[0] != "service.name")
        for of_scope in of_resource.scope_spans:
            scope = _scope(of_scope.scope)
            for span in of_scope.spans:
                yield _span(span, service, process, scope)


def _span(span: trace_pb2.Span, service: str, process: Tags, scope: Tags) -> Span:
    tags = [*_tags(span.attributes), *scope]
    if kind := KINDS.get(span.kind):
        tags.append(("span.kind", kind))
    if span.status.code == ERROR:
        tags += [("otel.status_code", "ERROR"), ("error", True)]
        tags += [("otel.status_description", span.status.message)] if span.status.message else []
    elif span.status.code == 1:
        tags.append(("otel.status_code", "OK"))
    start = span.start_time_unix_nano // 1000
    return Span(
        trace=spans.trace_id(span.trace_id.hex()),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        service=service,
        operation=span.name,
        start=start,
        duration=max(0, span.end_time_unix_nano // 1000 - start),
        tags=tuple(tags),
        process=process,
        events=tuple(
            Event(time=event.time_unix_nano // 1000, fields=(("event", event.name), *_tags(event.attributes)))
            for event in span.events
        ),
    )


def _scope(scope: common_pb2.InstrumentationScope) -> Tags:
    named = (("otel.scope.name", scope.name), ("otel.scope.version", scope.version))
    return tuple((key, value) for key, value in named if value)


def _tags(attributes: Any) -> Tags:
    return tuple((attribute.key, _value(attribute.value)) for attribute in attributes)


def _value(value: common_pb2.AnyValue) -> Value:
    kind = value.WhichOneof("value")
    if kind in ("string_value", "bool_value", "int_value", "double_value"):
        scalar: Value = getattr(value, kind)
        return scalar
    return json.dumps(json_format.MessageToDict(value)) if kind else ""
