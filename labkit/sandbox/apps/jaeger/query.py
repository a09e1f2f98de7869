"""Jaeger's query API: services, operations, traces, dependencies, as its web page asks for them. Pure but the store."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labkit.sandbox.apps.jaeger.spans import Span, Tags, Value, first
from labkit.sandbox.apps.jaeger.store import Store

LIMIT = 100
"""Traces of an answer where no limit is asked for."""

TYPES = {bool: "bool", int: "int64", float: "float64", str: "string"}
_UNITS = {"us": 1, "ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000}


class AskedError(Exception):
    """A question that cannot be answered."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """What ``/api/traces`` asks for."""

    service: str
    operation: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    start: int = 0
    """Microseconds since the epoch."""
    end: int = 1 << 62
    shortest: int = 0
    """Microseconds that a span must take at least."""
    longest: int = 1 << 62
    limit: int = LIMIT

    def accepts(self, span: Span) -> bool:
        """Whether a span is one that is looked for."""
        return (
            span.service == self.service
            and self.operation in ("", span.operation)
            and self.start <= span.start <= self.end
            and self.shortest <= span.duration <= self.longest
            and all(span.has(key, value) for key, value in self.tags)
        )


def search_of(asked: Mapping[str, list[str]]) -> Search:
    """The search of a query string; AskedError."""
    one = {name: values[0] for name, values in asked.items() if values and values[0]}
    if not one.get("service"):
        raise AskedError("parameter 'service' is required")
    try:
        tags = dict(json.loads(one.get("tags", "{}"))) | dict(pair.split(":", 1) for pair in asked.get("tag", []))
        return Search(
            service=one["service"],
            operation=one.get("operation", ""),
            tags=tuple((str(key), str(value)) for key, value in tags.items()),
            start=int(one.get("start", 0)),
            end=int(one.get("end", 1 << 62)),
            shortest=duration(one.get("minDuration", "0us")),
            longest=duration(one["maxDuration"]) if "maxDuration" in one else 1 << 62,
            limit=int(one.get("limit", LIMIT)),
        )
    except (ValueError, TypeError) as e:
        raise AskedError(f"unable to parse the query: {e}") from e


def duration(text: str) -> int:
    """Microseconds of ``1.2s``, ``100ms``, ``500us``; ValueError."""
    number = text.rstrip("abcdefghijklmnopqrstuvwxyzµ")
    unit = text[len(number) :].replace("µ", "u")
    if unit not in _UNITS:
        raise ValueError(f"time: missing or unknown unit in duration {text!r}")
    return round(float(number) * _UNITS[unit])


def traces(store: Store, search: Search) -> list[dict[str, Any]]:
    """The newest traces in which a span is looked for."""
    result: list[dict[str, Any]] = []
    for spans in store.traces():
        if len(result) >= search.limit:
            break
        if any(search.accepts(span) for span in spans):
            result.append(trace(spans))
    return result


def trace(spans: Sequence[Span]) -> dict[str, Any]:
    """One trace: its spans, and each service once with what is true of all of it."""
    processes: dict[tuple[str, Tags], str] = {}
    for span in spans:
        processes.setdefault((span.service, span.process), f"p{len(processes) + 1}")
    return {
        "traceID": spans[0].trace,
        "spans": [_span(span, processes[span.service, span.process]) for span in spans],
        "processes": {id: {"serviceName": name, "tags": _tags(tags)} for (name, tags), id in processes.items()},
        "warnings": None,
    }


def _span(span: Span, process: str) -> dict[str, Any]:
    parent = {"refType": "CHILD_OF", "traceID": span.trace, "spanID": span.parent}
    return {
        "traceID": span.trace,
        "spanID": span.id,
        "operationName": span.operation,
        "references": [parent] if span.parent else [],
        "startTime": span.start,
        "duration": span.duration,
        "tags": _tags(span.tags),
        "logs": [{"timestamp": event.time, "fields": _tags(event.fields)} for event in span.events],
        "processID": process,
        "warnings": None,
    }


def _tags(tags: Iterable[tuple[str, Value]]) -> list[dict[str, Any]]:
    return [{"key": key, "type": TYPES[type(value)], "value": value} for key, value in tags]


def services(store: Store) -> list[str]:
    """Every service that sent a span."""
    return sorted({span.service for spans in store.traces() for span in spans})


def operations(store: Store, service: str) -> list[dict[str, str]]:
    """What a service does, by name and kind."""
    named = {
        (span.operation, first(span.tags, "span.kind"))
        for spans in store.traces()
        for span in spans
        if span.service == service
    }
    return [{"name": name, "spanKind": kind} for name, kind in sorted(named)]


def dependencies(store: Store, *, end: int, lookback: int) -> list[dict[str, Any]]:
    """Which service calls which, and how often; times are milliseconds."""
    calls: Counter[tuple[str, str]] = Counter()
    for spans in store.traces():
        service_of = {span.id: span.service for span in spans}
        for span in spans:
            caller = service_of.get(span.parent)
            if caller and caller != span.service and end - lookback <= span.start / 1000 <= end:
                calls[caller, span.service] += 1
    return [{"parent": a, "child": b, "callCount": count} for (a, b), count in sorted(calls.items())]
