"""Traces in memory: as many spans as fit a bound, the oldest traces leave first.

A span is kept packed: two dozen tags take 5 KB as Python's objects, and half of one so.
"""

import marshal
import zlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator

from labkit.sandbox.apps.jaeger.spans import Event, Span

MOST_SPANS = 6_000
"""Spans to hold: some 600 product pages, in 5 MB."""


class Store:
    """Traces by id, in the order in which their first spans came."""

    def __init__(self, *, most: int = MOST_SPANS) -> None:
        self._most = most
        self._traces: OrderedDict[str, dict[tuple[str, str], bytes]] = OrderedDict()
        self.count = 0
        """Spans held."""
        self.accepted = 0
        """Spans that ever came."""

    def __repr__(self) -> str:
        return f"Store({len(self._traces)} traces, {self.count} spans)"

    def add(self, spans: Iterable[Span]) -> None:
        """Keep spans; one that came before is replaced."""
        for span in spans:
            trace = self._traces.setdefault(span.trace, {})
            # Client and server may share a span's id, so a service counts too.
            key = (span.id, span.service)
            self.count += key not in trace
            self.accepted += 1
            trace[key] = packed(span)
        while self.count > self._most and len(self._traces) > 1:
            _, oldest = self._traces.popitem(last=False)
            self.count -= len(oldest)

    def trace(self, id: str) -> list[Span]:
        """A trace's spans by their beginning; none for an unknown one."""
        spans = map(unpacked, self._traces.get(id, {}).values())
        return sorted(spans, key=lambda span: (span.start, -span.duration))

    def traces(self) -> Iterator[list[Span]]:
        """Every trace, the one that came last first."""
        return (self.trace(id) for id in reversed(list(self._traces)))


def packed(span: Span) -> bytes:
    """A span as bytes that this process alone reads."""
    fields = [getattr(span, name) for name in FIELDS]
    events = [(event.time, event.fields) for event in span.events]
    return zlib.compress(marshal.dumps((fields, events)), 1)


def unpacked(data: bytes) -> Span:
    """The span of these bytes."""
    fields, events = marshal.loads(zlib.decompress(data))
    own = tuple(Event(time=time, fields=tags) for time, tags in events)
    return Span(**dict(zip(FIELDS, fields, strict=True)), events=own)


FIELDS = tuple(name for name in Span.__slots__ if name != "events")
