"""What a proxy tells of its requests: lines of access logs, spans and metrics."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labkit.mesh.ir import bounds


@dataclass(frozen=True, kw_only=True)
class Log:
    """One place that takes a line for each request."""

    path: str = ""
    """A file; empty where a collector takes the lines."""

    text: str = ""
    """The format of a line; empty for Istio's own."""

    fields: Mapping[str, Any] | None = None
    """The format as JSON, in place of text; empty for Istio's own."""

    collector: str = ""
    """The upstream of a collector."""

    protocol: str = "otlp"
    """How a collector is spoken to: ``otlp``, or Envoy's own protocol about ``http`` or ``tcp``."""

    request_headers: tuple[str, ...] = ()
    """Headers that a collector is sent beside Envoy's own choice."""

    response_headers: tuple[str, ...] = ()
    response_trailers: tuple[str, ...] = ()
    filter_state: tuple[str, ...] = ()
    """Objects of filters that a collector is sent as well."""

    name: str = ""
    """The name under which a collector files the log."""

    expression: str = ""
    """CEL: the requests that leave a line; empty for all."""

    def __post_init__(self) -> None:
        bounds.require_one_of(self, "protocol", "otlp", "http", "tcp")
        if not self.path:
            bounds.require_filled(self, "collector")

    def __hash__(self) -> int:
        return hash((self.path, self.text, self.collector, self.protocol, self.name, self.expression))


LITERAL, HEADER, ENVIRONMENT, FORMAT = "literal", "header", "environment", "format"


@dataclass(frozen=True, kw_only=True)
class SpanTag:
    """One tag of a span."""

    name: str
    kind: str
    """LITERAL, HEADER, ENVIRONMENT or FORMAT."""

    value: str
    """The text itself, or the name of the header or variable that holds it, or a format of access logs."""

    default: str = ""
    """For a header or a variable that is not there."""

    def __post_init__(self) -> None:
        bounds.require_filled(self, "name")
        bounds.require_one_of(self, "kind", LITERAL, HEADER, ENVIRONMENT, FORMAT)


@dataclass(frozen=True, kw_only=True)
class Collector:
    """Who takes spans, and how they are sent."""

    kind: str
    """``zipkin``, ``opentelemetry``, ``datadog`` or ``skywalking``."""

    cluster: str
    """Its upstream."""

    host: str
    service: str = ""
    """The name under which a collector files the spans; Zipkin's asks for none."""

    path: str = ""
    """Of HTTP; empty for gRPC."""

    timeout: float | None = None
    """Seconds."""

    headers: tuple[tuple[str, str], ...] = ()
    has_long_ids: bool = True
    """Whether trace ids of Zipkin have 128 bits."""

    context: str = ""
    """Which headers Zipkin's tracer reads and writes, in Envoy's words; empty for B3 alone."""

    detectors: tuple[str, ...] = ()
    """What describes the process: ``environment``."""

    token: str = ""
    """What SkyWalking's collector lets a proxy in by."""

    def __post_init__(self) -> None:
        bounds.require_one_of(self, "kind", "zipkin", "opentelemetry", "datadog", "skywalking")
        bounds.require_filled(self, "cluster")
        bounds.require_not_negative(self, "timeout")


@dataclass(frozen=True, kw_only=True)
class Tracing:
    """Spans for a part of the requests."""

    collector: Collector
    percent: float
    """The part of the requests that nobody decided about before which are traced."""

    tags: tuple[SpanTag, ...] = ()
    max_path_length: int = 0
    """The longest path in a tag, in bytes; 0 for Envoy's own."""

    samples_by_request_id: bool = True
    """Whether the request id says that a request is traced."""

    def __post_init__(self) -> None:
        bounds.require_percent(self, "percent")
        bounds.require_not_negative(self, "max_path_length")


@dataclass(frozen=True, kw_only=True)
class Metric:
    """How one of Istio's metrics departs from its own form."""

    name: str
    """Istio's, without its prefix: ``requests_total``."""

    is_dropped: bool = False
    dimensions: tuple[tuple[str, str], ...] = ()
    """(label, CEL expression)."""

    removed: tuple[str, ...] = ()
    """Labels that it lacks."""

    def __post_init__(self) -> None:
        bounds.require_filled(self, "name")


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """Istio's metrics of one side of a proxy."""

    departures: tuple[Metric, ...] = ()
    interval: str = ""
    """How often connections that are open report: ``5s``; empty for Istio's own."""


@dataclass(frozen=True, kw_only=True)
class Telemetry:
    """All that is told of the requests of one side of a proxy."""

    logs: tuple[Log, ...] = ()
    tracing: Tracing | None = None
    metrics: Metrics | None = None


NO_TELEMETRY = Telemetry()
