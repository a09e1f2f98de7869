"""Lines of access logs as a table; each line explains itself field by field."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labkit.telemetry import accesslogs, logfields
from labkit.telemetry.flags import explained
from labkit.views import markup

if TYPE_CHECKING:
    import pandas as pd

HEAD = ("proxy", "time", "request", "status", "flags", "went to", "ms", "why")
NOTHING = "No line. Are access logs on? lab.access_logs() switches them on; then send a request."


@dataclass(frozen=True, kw_only=True)
class Explained:
    """One line, a row per field."""

    step: accesslogs.Step

    def __repr__(self) -> str:
        return f"{self.step.text}\n\n{markup.columns(logfields.Field._fields, self.fields)}"

    def _repr_html_(self) -> str:
        table = markup.table(logfields.Field._fields, self.fields, caption=f"A line of {self.step.proxy}")
        return f'<div style="{markup.BOX}">{markup.pre(self.step.text, label="The line")}{table}</div>'

    @property
    def fields(self) -> list[logfields.Field]:
        """Name, value and meaning of each field."""
        return logfields.fields(self.step.text)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of a table: ``entry.status``, ``entry.flags``, ``entry.explain()``."""

    step: accesslogs.Step

    def __repr__(self) -> str:
        return f"{self.step.proxy}: {self.step.text}"

    @property
    def proxy(self) -> str:
        """The pod whose proxy wrote it."""
        return self.step.proxy

    @property
    def status(self) -> int:
        """0 where no answer went back."""
        return self.step.line.status

    @property
    def flags(self) -> str:
        """``UF,URX``; empty where all went well."""
        return self.step.line.flags

    @property
    def details(self) -> str:
        """Where the answer came from."""
        return self.step.line.details

    @property
    def request_id(self) -> str:
        """The same at every proxy on the way."""
        return self.step.line.request_id

    @property
    def destination(self) -> str:
        """Where it was sent, in a few words: ``reviews v2`` or ``its app``."""
        return self.step.line.destination

    @property
    def cluster(self) -> str:
        """Envoy's cluster."""
        return self.step.line.cluster

    def explain(self) -> Explained:
        """The line, field by field."""
        return Explained(step=self.step)


@dataclass(frozen=True, kw_only=True)
class LogTable:
    """Lines by time, oldest first; ``table[-1].explain()`` explains the newest."""

    steps: Sequence[accesslogs.Step]

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, number: int) -> Entry:
        return Entry(step=self.steps[number])

    def __repr__(self) -> str:
        return markup.columns(HEAD, self._rows()) if self.steps else NOTHING

    def _repr_html_(self) -> str:
        if not self.steps:
            return f'<div style="{markup.BOX}">{markup.text(NOTHING)}</div>'
        return (
            f'<div style="{markup.BOX};overflow-x:auto">{markup.table(HEAD, self._rows(), caption="Access logs")}</div>'
        )

    @property
    def flags(self) -> dict[str, int]:
        """How many lines have which flags: ``{"UF": 2, "": 5}``."""
        counts: dict[str, int] = {}
        for step in self.steps:
            counts[step.line.flags] = counts.get(step.line.flags, 0) + 1
        return counts

    def table(self) -> "pd.DataFrame":
        """The same as a DataFrame."""
        import pandas as pd

        return pd.DataFrame(self._rows(), columns=list(HEAD))

    def _rows(self) -> list[list[object]]:
        return [cells(step) for step in self.steps]


def cells(step: accesslogs.Step) -> list[object]:
    """A line as a row, by ``HEAD``."""
    return [
        step.proxy,
        f"{step.line.start:%H:%M:%S}",
        f"{step.line.method} {step.line.path}".strip(),
        step.line.status,
        step.line.flags,
        step.line.destination,
        f"{step.line.duration_ms:g}",
        explained(step.line.flags) or _why(step.line),
    ]


def _why(line: accesslogs.Line) -> str:
    return "" if line.details in accesslogs.ORDINARY else line.details
