"""The X-ray: an object's YAML on the left, what became of it in one Envoy on the right, numbers link their lines."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from labkit.views import markup

if TYPE_CHECKING:
    import pandas as pd

LONGEST = 90
"""Characters of a value that are shown."""

KINDS = ("cluster", "listener", "route", "endpoint")
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One link."""

    field: str
    """In the object: ``spec.http[0].timeout``."""

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

    def __repr__(self) -> str:
        if not self.rows:
            return f"{self.title} is nowhere in the configuration of {self.proxy}"
        head = f"{self.title} in {self.proxy}"
        lines = [
            f"  line {self.line(r.field)}, {r.field} → {r.kind} {r.name}: {r.path} = {_short(r.envoy)}"
            for r in self.rows
        ]
        return "\n".join([head, *lines])

    def line(self, field: str) -> int:
        """The line of the YAML on which a field stands, from 1."""
        node, number = yaml.compose(self.yaml), 1
        for step in field.replace("[", ".[").split("."):
            if not step:
                continue
            if step.startswith("[") and isinstance(node, yaml.SequenceNode):
                node = node.value[int(step[1:-1])]
                number = node.start_mark.line + 1
            elif isinstance(node, yaml.MappingNode):
                pair = next((p for p in node.value if p[0].value == step), None)
                if pair is None:
                    return number
                number, node = pair[0].start_mark.line + 1, pair[1]
        return number

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
        right = "".join(_entry(row, numbers[row.field]) for row in self.rows)
        missing = markup.text(f"nothing of it is in {self.proxy}")
        columns = f'<div style="{markup.CODE}">{left}</div><div style="{markup.CODE}">{right or missing}</div>'
        head = f"<b>{markup.text(self.title)}</b> in {markup.text(self.proxy)}"
        grid = "display:grid;grid-template-columns:minmax(0,2fr) minmax(0,3fr);gap:1em"
        return f'<div style="{markup.BOX}">{head}<div style="{grid}">{columns}</div>{self._acks()}</div>'

    def _acks(self) -> str:
        live = sum(1 for entry in self.proxies if not entry.get("refusals") and _is_settled(entry))
        refused = [entry["proxy"] for entry in self.proxies if entry.get("refusals")]
        if not self.proxies:
            return ""
        words = f"{live} of {len(self.proxies)} proxies have acknowledged everything"
        words += f"; refused by {', '.join(refused)}" if refused else ""
        return f'<div style="{markup.QUIET}">{markup.text(words)}</div>'


def _is_settled(entry: Mapping[str, Any]) -> bool:
    return all(entry.get(f"{kind}_sent", "") == entry.get(f"{kind}_acked", "") for kind in KINDS)


def _badge(number: int) -> str:
    colour = COLOURS[number % len(COLOURS)]
    return f'<span style="{markup.ink(colour)};font-weight:bold">●{number}</span>'


def _line(text: str, number: int | None) -> str:
    badge = f" {_badge(number)}" if number else ""
    return f'<div style="white-space:pre-wrap">{markup.text(text) or "&nbsp;"}{badge}</div>'


def _entry(row: Row, number: int) -> str:
    where = f'<span style="{markup.QUIET}">{markup.text(f"{row.kind} {row.name}")}</span>'
    value = markup.text(f"{row.path}: {_short(row.envoy)}")
    return f'<div style="overflow-wrap:anywhere">{_badge(number)} {where}<br>{value}</div>'


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
