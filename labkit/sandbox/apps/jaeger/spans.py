"""A span as Jaeger keeps it, whatever protocol it came by."""

from collections.abc import Iterable
from dataclasses import dataclass

Value = str | bool | int | float
Tags = tuple[tuple[str, Value], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened at one moment of a span."""

    time: int
    """Microseconds since the epoch."""
    fields: Tags


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One piece of work of one service."""

    trace: str
    """32 hex digits; 16 where the upper ones are zero."""
    id: str
    """16 hex digits."""
    parent: str = ""
    """The id of the span that caused it; empty for the first one."""
    service: str
    operation: str
    start: int
    """Microseconds since the epoch."""
    duration: int
    """Microseconds."""
    tags: Tags = ()
    process: Tags = ()
    """What is true of the whole service: address, version, and so on."""
    events: tuple[Event, ...] = ()

    @property
    def end(self) -> int:
        """Microseconds since the epoch."""
        return self.start + self.duration

    def has(self, key: str, value: str) -> bool:
        """Whether a tag of the span or its process has this value."""
        return any(name == key and text(tag) == value for name, tag in (*self.tags, *self.process))


def trace_id(digits: str) -> str:
    """As Jaeger writes it: without the upper half when that is zero."""
    padded = digits.lower().rjust(32, "0")
    return padded[16:] if set(padded[:16]) == {"0"} else padded


def text(value: Value) -> str:
    """A tag's value as a query compares it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def first(tags: Iterable[tuple[str, Value]], key: str) -> str:
    """The value of the first tag of a name; empty without one."""
    return next((text(value) for name, value in tags if name == key), "")
