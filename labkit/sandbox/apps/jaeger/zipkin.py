"""Spans from Zipkin's JSON of version 2."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from labkit.sandbox.apps.jaeger import spans
from labkit.sandbox.apps.jaeger.otlp import MessageError
from labkit.sandbox.apps.jaeger.spans import Event, Span, Tags, Value


def of_json(body: bytes) -> list[Span]:
    """The spans of a list; MessageError."""
    try:
        listed = json.loads(body)
        if not isinstance(listed, list):
            raise TypeError("it is no list of spans")
        return [_span(span) for span in listed]
    except (ValueError, TypeError, KeyError, AttributeError) as e:
        raise MessageError(f"not Zipkin's JSON of version 2: {type(e).__name__}: {e}") from e


def _span(span: Mapping[str, Any]) -> Span:
    local = span.get("localEndpoint") or {}
    return Span(
        trace=spans.trace_id(span["traceId"]),
        id=str(span["id"]).lower().rjust(16, "0"),
        parent=str(span["parentId"]).lower().rjust(16, "0") if span.get("parentId") else "",
        service=str(local.get("serviceName") or "unknown"),
        operation=str(span.get("name") or ""),
        start=int(span.get("timestamp") or 0),
        duration=int(span.get("duration") or 0),
        tags=tuple(_tags(span)),
        process=tuple(_address(local, "ip", "port")),
        events=tuple(
            Event(time=int(a["timestamp"]), fields=(("event", str(a["value"])),)) for a in span.get("annotations") or []
        ),
    )


def _tags(span: Mapping[str, Any]) -> Iterator[tuple[str, Value]]:
    for key, value in (span.get("tags") or {}).items():
        yield (key, True) if key == "error" and value != "false" else (key, str(value))
    if span.get("kind"):
        yield "span.kind", str(span["kind"]).lower()
    remote = span.get("remoteEndpoint") or {}
    if remote.get("serviceName"):
        yield "peer.service", str(remote["serviceName"])
    yield from _address(remote, "peer.ipv4", "peer.port")


def _address(endpoint: Mapping[str, Any], ip: str, port: str) -> Tags:
    address = endpoint.get("ipv4") or endpoint.get("ipv6")
    tags: list[tuple[str, Value]] = [(ip, str(address))] if address else []
    return (*tags, (port, int(endpoint["port"]))) if endpoint.get("port") else tuple(tags)
