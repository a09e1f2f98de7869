"""Traces as trees, from the JSON of Jaeger's query API."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Span:
    """One piece of work of one service, and what it caused."""

    id: str
    service: str
    """``reviews.default``: canonical service and namespace."""
    operation: str
    kind: str
    """``server`` or ``client``; empty where nothing says so."""
    start_ms: float
    """After the trace's beginning."""
    duration_ms: float
    tags: Mapping[str, str]
    is_error: bool
    children: tuple["Span", ...] = ()

    def walk(self, depth: int = 0) -> Iterator[tuple[int, "Span"]]:
        """This span and all below it, with their depths, in the order of a waterfall."""
        yield depth, self
        for child in self.children:
            yield from child.walk(depth + 1)


@dataclass(frozen=True, kw_only=True)
class Trace:
    """All that one request caused."""

    id: str
    start: datetime
    roots: tuple[Span, ...]
    """More than one where a parent is missing: the trace is broken."""
    duration_ms: float = field(default=0.0)

    def __repr__(self) -> str:
        return f"Trace({self.id}, {len(self.spans)} spans, {len(self.services)} services, {self.duration_ms:.1f} ms)"

    @property
    def rows(self) -> list[tuple[int, Span]]:
        """Every span with its depth."""
        return [row for root in self.roots for row in root.walk()]

    @property
    def spans(self) -> list[Span]:
        """Every span, callers before what they called."""
        return [span for _, span in self.rows]

    @property
    def services(self) -> list[str]:
        """Every service that took part, in the order of their first spans."""
        return list(dict.fromkeys(span.service for span in self.spans))

    def edges(self) -> list[tuple[str, str]]:
        """Which service called which: one entry a call."""
        return [
            (parent.service, child.service)
            for parent in self.spans
            for child in parent.children
            if parent.service != child.service
        ]

    def frame(self) -> "pd.DataFrame":
        """A row a span."""
        import pandas as pd

        columns = ["depth", "service", "operation", "kind", "start_ms", "duration_ms", "status", "is_error"]
        rows = [
            [
                depth,
                s.service,
                s.operation,
                s.kind,
                s.start_ms,
                s.duration_ms,
                s.tags.get("http.status_code", ""),
                s.is_error,
            ]
            for depth, s in self.rows
        ]
        return pd.DataFrame(rows, columns=columns)


def traces(data: Sequence[Mapping[str, Any]]) -> list[Trace]:
    """The traces of an answer, the newest first."""
    return sorted((trace(one) for one in data if one["spans"]), key=lambda t: t.start, reverse=True)


def trace(data: Mapping[str, Any]) -> Trace:
    """One trace; a span whose parent is not there is a root."""
    begin = min(span["startTime"] for span in data["spans"])
    end = max(span["startTime"] + span["duration"] for span in data["spans"])
    ids = {span["spanID"] for span in data["spans"]}
    below: dict[str, list[Mapping[str, Any]]] = {}
    for span in sorted(data["spans"], key=lambda s: (s["startTime"], -s["duration"])):
        parent = _parent(span)
        below.setdefault(parent if parent in ids and parent != span["spanID"] else "", []).append(span)

    def built(span: Mapping[str, Any], above: frozenset[str]) -> Span:
        inside = above | {span["spanID"]}
        children = [child for child in below.get(span["spanID"], []) if child["spanID"] not in inside]
        return _span(span, data["processes"], begin, tuple(built(child, inside) for child in children))

    return Trace(
        id=str(data["traceID"]),
        start=datetime.fromtimestamp(begin / 1e6, UTC),
        roots=tuple(built(span, frozenset()) for span in below.get("", [])),
        duration_ms=(end - begin) / 1000,
    )


def _parent(span: Mapping[str, Any]) -> str:
    references = span.get("references") or []
    return next((str(r["spanID"]) for r in references if r["refType"] == "CHILD_OF"), "")


def _span(span: Mapping[str, Any], processes: Mapping[str, Any], begin: int, children: tuple[Span, ...]) -> Span:
    tags = {str(tag["key"]): _text(tag["value"]) for tag in span.get("tags") or []}
    return Span(
        id=str(span["spanID"]),
        service=str(processes[span["processID"]]["serviceName"]),
        operation=str(span["operationName"]),
        kind=tags.get("span.kind", ""),
        start_ms=(span["startTime"] - begin) / 1000,
        duration_ms=span["duration"] / 1000,
        tags=tags,
        is_error=tags.get("error") == "true",
        children=children,
    )


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
