"""The X-ray: an object's YAML on the left, what became of it in one Envoy on the right, numbers link their lines."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labkit.kube import positions
from labkit.telemetry.differences import Difference
from labkit.views import markup

if TYPE_CHECKING:
    import pandas as pd

LONGEST = 90
"""Characters of a value that are shown."""

KINDS = ("cluster", "listener", "route", "endpoint")
DEFAULT = "Istio's default"
FEW = 2
"""Parts of one resource that are shown for one field."""

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One link."""

    field: str
    """In the object: ``spec.http[0].timeout``; empty for a default that Istio adds for the object."""

    value: Any
    kind: str
    name: str
    path: str
    """In the Envoy's resource."""

    envoy: Any


@dataclass(frozen=True, kw_only=True)
class XRay:
    """One object, seen through one proxy."""

    title: str
    proxy: str
    yaml: str
    rows: Sequence[Row]
    proxies: Sequence[Mapping[str, Any]] = ()
    """istiod's words about every proxy: what it was sent and what it has acknowledged."""

    changes: Sequence[Difference] = ()
    """What the last apply or delete changed in this proxy."""

    def __repr__(self) -> str:
        if not self.rows:
            return f"{self.title} is nowhere in the configuration of {self.proxy}"
        head = f"{self.title} in {self.proxy}"
        lines = [
            f"  line {self.line(r.field)}, {r.field or DEFAULT} → {r.kind} {r.name}: {r.path} = {_short(r.envoy)}{more}"
            for r, more in self._told()
        ]
        return "\n".join([head, *lines])

    def _told(self) -> Iterator[tuple[Row, str]]:
        """The rows to read: of a field that brings many parts of one resource the first few; ``table()`` has all."""
        rows: dict[tuple[str, str, str], list[Row]] = {}
        for row in self.rows:
            rows.setdefault((row.field, row.kind, row.name), []).append(row)
        for of_field in rows.values():
            left = len(of_field) - FEW
            for number, row in enumerate(of_field[:FEW], start=1):
                yield row, f" … and {left} more" if number == FEW and left > 0 else ""

    def line(self, field: str) -> int:
        """The line of the YAML on which a field stands, from 1."""
        return positions.line(self.yaml, field)

    def table(self) -> "pd.DataFrame":
        """A row a link: line, field, kind, name, path, envoy."""
        import pandas as pd

        rows = [(self.line(r.field), r.field, r.kind, r.name, r.path, _short(r.envoy)) for r in self.rows]
        return pd.DataFrame(rows, columns=["line", "field", "kind", "name", "path", "envoy"])

    def acks(self) -> "pd.DataFrame":
        """A row a proxy: state, bytes and milliseconds of the last push, by type; sizes and times on a sandbox only."""
        import pandas as pd

        rows = []
        for entry in self.proxies:
            for kind in KINDS:
                sent, acked = entry.get(f"{kind}_sent", ""), entry.get(f"{kind}_acked", "")
                state = "not sent" if not sent else "ACK" if sent == acked else "waiting"
                state = "NACK" if (entry.get("refusals") or {}).get(f"{kind}s") else state
                rows.append((entry["proxy"], kind, state, entry.get(f"{kind}_bytes"), entry.get(f"{kind}_ms")))
        return pd.DataFrame(rows, columns=["proxy", "type", "state", "bytes_sent", "latency_ms"])

    def _repr_html_(self) -> str:
        numbers = {field: at for at, field in enumerate(dict.fromkeys(row.field for row in self.rows), start=1)}
        lines = {self.line(field): number for field, number in numbers.items()}
        left = "".join(_line(text, lines.get(at)) for at, text in enumerate(self.yaml.splitlines(), start=1))
        right = "".join(_entry(row, numbers[row.field], more) for row, more in self._told())
        missing = markup.text(f"nothing of it is in {self.proxy}")
        columns = f'<div style="{markup.CODE}">{left}</div><div style="{markup.CODE}">{right or missing}</div>'
        head = f"<b>{markup.text(self.title)}</b> in {markup.text(self.proxy)}"
        grid = "display:grid;grid-template-columns:minmax(0,2fr) minmax(0,3fr);gap:1em"
        below = f"{self._changed()}{self._acks()}"
        return f'<div style="{markup.BOX}">{head}<div style="{grid}">{columns}</div>{below}</div>'

    def _changed(self) -> str:
        lines = [f"{c.change} {c.kind} {c.name}{''.join(f'; {edit}' for edit in c.lines)}" for c in self.changes]
        if not lines:
            return ""
        items = "".join(f"<li>{markup.text(line)}</li>" for line in lines)
        return (
            f"<details><summary>the last change made {len(lines)} differences here</summary><ul>{items}</ul></details>"
        )

    def _acks(self) -> str:
        live = sum(1 for entry in self.proxies if not entry.get("refusals") and _is_settled(entry))
        refused = [entry["proxy"] for entry in self.proxies if entry.get("refusals")]
        if not self.proxies:
            return ""
        words = f"{live} of {len(self.proxies)} proxies have acknowledged everything"
        words += f"; refused by {', '.join(refused)}" if refused else ""
        frame = self.acks().astype(object)
        rows = [tuple(map(str, row)) for row in frame.where(frame.notna(), "").itertuples(index=False)]
        table = markup.table(("proxy", "type", "state", "bytes sent", "ms"), rows)
        return f'<details style="{markup.QUIET}"><summary>{markup.text(words)}</summary>{table}</details>'


def _is_settled(entry: Mapping[str, Any]) -> bool:
    return all(entry.get(f"{kind}_sent", "") == entry.get(f"{kind}_acked", "") for kind in KINDS)


def _badge(number: int) -> str:
    colour = COLOURS[number % len(COLOURS)]
    return f'<span style="{markup.ink(colour)};font-weight:bold">●{number}</span>'


def _line(text: str, number: int | None) -> str:
    badge = f" {_badge(number)}" if number else ""
    return f'<div style="white-space:pre-wrap">{markup.text(text) or "&nbsp;"}{badge}</div>'


def _entry(row: Row, number: int, more: str) -> str:
    where = f'<span style="{markup.QUIET}">{markup.text(f"{row.kind} {row.name}")}</span>'
    value = markup.text(f"{row.path}: {_short(row.envoy)}{more}")
    return f'<div style="overflow-wrap:anywhere">{_badge(number)} {where}<br>{value}</div>'


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
