"""One trace as a waterfall: a row a span, indented below the span that caused it, with a bar where its time lies.

Plain HTML without a script: it stands in exports as it does in a notebook, and each row opens by mouse or keyboard.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

from labkit.telemetry.traces import Span, Trace
from labkit.views import markup, showing

if TYPE_CHECKING:
    import pandas as pd

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#8c8c8c")
"""Of services, in the order in which they take part; colour-blind people tell them apart (Okabe and Ito)."""

ERROR = "#d55e00"
INDENT = 1.1
"""Letters' widths a level."""

BROKEN = "{count} spans have no parent here: somebody on the way did not hand on the headers of the trace."


@dataclass(frozen=True, kw_only=True)
class Waterfall(showing.Shown):
    """The drawing of one trace; ``trace`` is the trace itself."""

    trace: Trace

    def __repr__(self) -> str:
        return f"{self.trace!r}\n{markup.columns(HEAD, self.rows())}"

    def rows(self) -> list[tuple[str, str, str, str, str]]:
        """The rows of the text form."""
        return [
            (
                f"{'  ' * depth}{span.service}",
                span.operation,
                span.kind,
                f"{span.start_ms:.1f}",
                f"{span.duration_ms:.1f}",
            )
            for depth, span in self.trace.rows
        ]

    def table(self) -> "pd.DataFrame":
        """The table twin: a row a span."""
        return self.trace.frame()

    def _repr_html_(self) -> str:
        trace, colours = self.trace, colours_of(self.trace.services)
        head = (
            f"<b>Trace {markup.text(trace.id)}</b> "
            f'<span style="{markup.QUIET}">{len(trace.spans)} spans of {len(trace.services)} services, '
            f"{trace.duration_ms:.1f} ms, from {trace.start:%H:%M:%S} UTC</span>"
        )
        rows = "".join(_row(depth, span, trace.duration_ms, colours) for depth, span in trace.rows)
        note = BROKEN.format(count=len(trace.roots)) if len(trace.roots) > 1 else ""
        warning = f'<p style="border-left:4px solid {ERROR};padding:.3em .7em;margin:.5em 0">{note}</p>' if note else ""
        return (
            f'<section aria-label="Trace {markup.text(trace.id)}" style="{markup.BOX};max-width:80em">{head}{warning}'
            f'<div style="margin-top:.6em">{_scale(trace.duration_ms)}{rows}</div></section>'
        )


HEAD = ("service", "operation", "kind", "start_ms", "duration_ms")

GRID = (
    "display:inline-grid;vertical-align:top;width:calc(100% - 1.6em);"
    "grid-template-columns:minmax(16em,2fr) 3fr 6em;gap:.8em;align-items:center"
)

ONE_LINE = "display:block;white-space:nowrap;overflow:hidden;text-overflow:ellipsis"
"""An operation that is too long is cut on the page; the opened row has it whole."""


def colours_of(services: Sequence[str]) -> dict[str, str]:
    """A colour a service."""
    return {service: COLOURS[n % len(COLOURS)] for n, service in enumerate(services)}


def _scale(whole: float) -> str:
    digits = 0 if whole >= 20 else 1 if whole >= 2 else 2
    marks = "".join(f"<span>{whole * part / 4:.{digits}f}</span>" for part in range(1, 4))
    marks = f"<span>0</span>{marks}<span>{whole:.{digits}f} ms</span>"
    axis = f'<div style="display:flex;justify-content:space-between;{markup.QUIET};font-size:.85em">{marks}</div>'
    return f'<div style="{GRID}" aria-hidden="true"><span></span>{axis}<span></span></div>'


def _row(depth: int, span: Span, whole: float, colours: Mapping[str, str]) -> str:
    failed = f' <b style="{markup.ink(ERROR)}">✗ failed</b>' if span.is_error else ""
    operation = markup.text(span.operation)
    name = (
        f'<span style="padding-left:{depth * INDENT:.1f}em;min-width:0"><b>{markup.text(span.service)}</b>{failed}'
        f'<span style="{ONE_LINE};{markup.QUIET}" title="{operation}">{operation}</span></span>'
    )
    took = f'<span style="text-align:right">{span.duration_ms:.1f} ms</span>'
    line = f'<span style="{GRID}">{name}{_bar(span, whole, colours[span.service])}{took}</span>'
    summary = f'<summary style="cursor:pointer;border-bottom:1px solid #8883;padding:.15em 0">{line}</summary>'
    return f'<details style="margin:0">{summary}{_tags(span)}</details>'


def _bar(span: Span, whole: float, colour: str) -> str:
    left, width = 100 * span.start_ms / (whole or 1), 100 * span.duration_ms / (whole or 1)
    edge = f"outline:2px solid {ERROR};" if span.is_error else ""
    # A client's bar is hollow: its time is spent waiting.
    fill = f"border:2px solid {colour}" if span.kind == "client" else f"background:{colour}"
    place = f"position:absolute;top:.15em;bottom:.15em;left:{left:.2f}%;width:{width:.2f}%;min-width:3px"
    bar = f"{place};box-sizing:border-box;border-radius:3px;{edge}{fill}"
    return (
        f'<span role="img" aria-label="{span.duration_ms:.1f} ms, {span.start_ms:.1f} ms after the beginning" '
        f'style="position:relative;display:block;height:1.2em;background:#8881"><span style="{bar}"></span></span>'
    )


def _tags(span: Span) -> str:
    own = [("operation", span.operation), ("span", span.id), ("kind", span.kind or "not said")]
    rows = [*own, *sorted(span.tags.items())]
    return f'<div style="margin:.3em 0 .8em 1.5em">{markup.table(("tag", "value"), rows)}</div>'


@dataclass(frozen=True, kw_only=True)
class Traces(showing.Shown, Sequence[Trace]):
    """Traces of an answer, the newest first; an index gives one."""

    traces: Sequence[Trace]

    def __len__(self) -> int:
        return len(self.traces)

    @overload
    def __getitem__(self, index: int) -> Trace: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Trace]: ...

    def __getitem__(self, index: int | slice) -> Trace | Sequence[Trace]:
        return self.traces[index]

    def rows(self) -> list[tuple[str, str, str, str, str, str]]:
        """A row a trace."""
        return [
            (
                str(n),
                f"{t.start:%H:%M:%S}",
                f"{t.duration_ms:.1f}",
                str(len(t.spans)),
                ", ".join(service.partition(".")[0] for service in t.services),
                t.id,
            )
            for n, t in enumerate(self.traces)
        ]

    def __repr__(self) -> str:
        return markup.columns(TRACES, self.rows()) if self.traces else "no traces"

    def _repr_html_(self) -> str:
        return markup.table(TRACES, self.rows(), caption=f"{len(self.traces)} traces, the newest first")


TRACES = ("number", "time", "duration_ms", "spans", "services", "id")
